"""A client that agrees to transport-wide feedback and sends none: aiortc, with its lines put into the description."""

from __future__ import annotations

import asyncio
import re

from sfu import Config, Server
from tests.integration.clients import client

WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"


def with_feedback(sdp: str) -> str:
    """The description as a client that knows transport-wide feedback would have written it."""
    more = f"a=extmap:14 {WIDE}"
    sdp = re.sub(r"^(m=(?:audio|video).*)$", rf"\1\n{more}", sdp.replace("\r\n", "\n"), flags=re.MULTILINE)
    return re.sub(r"^(a=rtcp-fb:(\d+) nack)$", r"\1\na=rtcp-fb:\2 transport-cc", sdp, flags=re.MULTILINE)


async def test_it_is_known_by_its_receiver_reports_and_keeps_its_picture() -> None:
    async with Server(Config(host="127.0.0.1")) as server, client() as publisher, client() as viewer:
        publisher.send()
        answered = server.room("lobby").join("alice", leave_when_idle=True).answer(await publisher.offer())
        await publisher.take_answer(answered.sdp)
        viewer.receive("audio", "video")
        peer = server.room("lobby").join("bob", leave_when_idle=True)
        answered = peer.answer(with_feedback(await viewer.offer()), subscribe="all")
        assert "transport-cc" in answered.sdp
        await viewer.take_answer(answered.sdp)
        (connection,) = peer.connections
        assert connection.bandwidth.estimate_bps == 300_000
        async with asyncio.timeout(20.0):
            while connection.bandwidth.estimate_bps is not None:
                await viewer.see_bar_move()
        await viewer.see_bar_move()
        assert not any(subscription.starved for subscription in connection.subscriptions)
