"""What the control side does most often, as pieces of work: the benchmarks time them, tests count their lines."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from sfu import Server
from sfu.bwe.allocation import Allocator
from sfu.negotiation import Answerer, Candidate, Codec, LocalTransport, Outgoing
from sfu.session.client_offered import ClientOffered
from sfu.transport import RtcpCipher, SrtpKeys, SrtpProfile
from sfu.wire.rtcp import ReportBlock, build_receiver_report, build_sender_report, build_source_description
from tests.unit.bwe.demands import demand
from tests.unit.offers import make_offer

Work = Callable[[], object]

_KEYS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, local=b"l" * 28, remote=b"r" * 28)
_OFFER = Path(__file__).parents[2] / "tests" / "vectors" / "sdp" / "chromium_subscriber.sdp"
_STEPS_BPS = (150e3, 300e3, 500e3, 800e3, 1500e3, 2500e3)


@asynccontextmanager
async def watch_one() -> AsyncIterator[tuple[ClientOffered, ClientOffered]]:
    """A connection that sends audio and video, and one that receives them; neither need wait for ICE and DTLS."""
    async with Server() as server:
        room = server.room("lobby")
        sends = room.join("alice").answer(make_offer(("audio", "sendonly"), ("video", "sendonly"))).connection
        offer = make_offer(("audio", "recvonly"), ("video", "recvonly"))
        receives = room.join("bob").answer(offer, subscribe="all").connection
        for made in (sends, receives):
            made._transport._cipher = RtcpCipher(_KEYS)
            made._transport._address = ("127.0.0.1", 9)
            made._transport.connected = True
        yield sends, receives


def take_receiver_report(connection: ClientOffered) -> Work:
    """A client whose reports count reports on all that it receives."""
    blocks = [ReportBlock(held.ssrc, 64, 1, 1000, 5, 77, 100) for held in connection.subscriptions]
    plain = build_receiver_report(1, blocks) + build_source_description(1, "x" * 36)

    def work() -> None:
        connection.handle_rtcp(plain, 1.0)
        connection.touch()

    return work


def take_sender_report(connection: ClientOffered) -> Work:
    """A publisher's sender report goes on to the plane, for all who are shown what it sends."""
    ssrc = connection.tracks[1].encodings[0].ssrc
    assert ssrc is not None, f"{connection!r} has no SSRC in its offer"
    plain = build_sender_report(ssrc, 1 << 40, 5, 1, 1) + build_source_description(ssrc, "x" * 36)
    clock = itertools.count(1)
    return lambda: connection.handle_rtcp(plain, float(next(clock)))


def allocate(count: int) -> Work:
    """A budget that goes up and down is shared over so many videos."""
    demands = [demand(str(place), *_STEPS_BPS) for place in range(count)]
    allocator = Allocator[str, int]()
    calls = itertools.count()

    def work() -> None:
        call = next(calls)
        allocator.allocate((0.9 + 0.2 * (call % 2)) * count * 1e6, demands, 1000.0 + call)

    return work


def answer_offer() -> Work:
    """A browser's offer to receive is answered, with audio and video to send."""
    offer = _OFFER.read_bytes().decode()
    local = LocalTransport(
        "ours", "ourpasswordourpasswordou", ("sha-256", ":".join(["5A"] * 32)), (Candidate("192.0.2.1", 5000),)
    )
    codecs = (Codec("audio", "opus", 48000, 2, 111, {"minptime": "10"}), Codec("video", "VP8", 90000, 0, 96))

    def work() -> None:
        answerer = Answerer(max_media=8, rng=random.Random(1))
        answerer.handle_offer(offer)
        for place, codec in enumerate(codecs):
            answerer.assign(str(place), Outgoing(place + 1, "cname-of-alice", "alice", f"track-{place}", codec))
        answerer.build_answer(local)

    return work
