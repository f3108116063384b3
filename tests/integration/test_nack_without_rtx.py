"""Clients that know NACK but no RTX, on paths that lose: aiortc with the lines of RTX taken out of its description."""

from __future__ import annotations

import asyncio
import random
import re

import pytest

from sfu import Config, Server
from tests.integration.clients import Client, client

LOSS = 0.1
PICTURES = 120


def without_rtx(sdp: str) -> str:
    """The description as a client without retransmission streams would have written it."""
    types = set(re.findall(r"^a=rtpmap:(\d+) rtx/", sdp, re.MULTILINE))
    lines = [
        line
        for line in sdp.split("\r\n")
        if not any(line.startswith((f"a=rtpmap:{kind} ", f"a=fmtp:{kind} ", f"a=rtcp-fb:{kind} ")) for kind in types)
        and not line.startswith("a=ssrc-group:FID")
    ]
    return "\r\n".join(
        " ".join(word for word in line.split(" ") if word not in types) if line.startswith("m=") else line
        for line in lines
    )


async def connect(server: Server, publisher: Client, subscriber: Client) -> None:
    publisher.send()
    offer = without_rtx(await publisher.offer())
    assert "rtx" not in offer
    answered = server.room("lobby").join("alice", leave_when_idle=True).answer(offer)
    assert len(re.findall(r"^a=rtcp-fb:\d+ nack\r?$", answered.sdp, re.MULTILINE)) >= 1
    await publisher.take_answer(answered.sdp)
    subscriber.receive("audio", "video")
    peer = server.room("lobby").join("bob", leave_when_idle=True)
    answered = peer.answer(without_rtx(await subscriber.offer()), subscribe="all")
    await subscriber.take_answer(answered.sdp)


def is_lost(data: bytes, rng: random.Random) -> bool:
    """Whether a datagram is RTP (RFC 7983, RFC 5761) and does not get through."""
    return 128 <= data[0] < 192 and not 192 <= data[1] < 224 and rng.random() < LOSS


def lose_sent(monkeypatch: pytest.MonkeyPatch, client: Client, rng: random.Random) -> list[int]:
    """Lose a part of what a client sends; how much so far."""
    transport = client.pc.getSenders()[0].transport
    whole, lost = transport._send_rtp, [0]

    async def lossy(data: bytes) -> None:
        if is_lost(data, rng):
            lost[0] += 1
        else:
            await whole(data)

    monkeypatch.setattr(transport, "_send_rtp", lossy)
    return lost


def lose_received(monkeypatch: pytest.MonkeyPatch, client: Client, rng: random.Random) -> list[int]:
    """Lose a part of what comes to a client, before SRTP sees it; how much so far."""
    transport = client.pc.getReceivers()[0].transport.transport
    whole, lost = transport._recv, [0]

    async def lossy() -> bytes:
        while is_lost(data := await whole(), rng):
            lost[0] += 1
        return bytes(data)

    monkeypatch.setattr(transport, "_recv", lossy)
    return lost


async def test_what_is_lost_either_way_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Server(Config(congestion_control=False)) as server, client() as publisher, client() as subscriber:
        await connect(server, publisher, subscriber)
        await subscriber.see_bar_move()
        rng = random.Random(6)
        up = lose_sent(monkeypatch, publisher, rng)
        down = lose_received(monkeypatch, subscriber, rng)
        (*_, track) = subscriber.received["video"]
        async with asyncio.timeout(30):
            for _ in range(PICTURES):
                await track.recv()
        (video,) = [each for each in server.room("lobby").tracks if each.kind == "video"]
        (encoding,) = video.stats().encodings
        (subscription,) = video.subscriptions.values()
        stats = subscription.stats()
        assert up[0] > 5 and down[0] > 5
        assert encoding.nacks_sent > 0
        assert encoding.packets_repaired > 0
        assert stats.nacks_received > 0
        assert stats.packets_retransmitted > 0
        assert server.counters()["drop_protect_failed"] == 0
