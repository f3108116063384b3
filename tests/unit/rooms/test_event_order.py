"""The order in which a room's readers see what one call has caused, over several connections."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sfu import Config, EventStream, Server
from sfu.wire.rtcp import build_goodbye, build_receiver_report
from tests.unit.fakes import NO_ROWS, FakeClock
from tests.unit.offers import BOTH, make_answer, make_offer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config(last_n_audio=1), clock=FakeClock()) as running:
        yield running
        for room in list(running.rooms.values()):
            room.close()
        assert running.rows_in_use() == NO_ROWS


async def told(stream: EventStream) -> list[str]:
    """What has come so far: who, and what; of a connection its state."""
    stream.close()
    return [
        f"{getattr(event, 'peer', '')} {type(event).__name__} {getattr(event, 'state', '')}".strip()
        async for event in stream
    ]


async def test_each_track_is_offered_before_the_next_is_told_of(server: Server) -> None:
    room = server.room("lobby")
    for name in ("bob", "eve"):
        room.join(name).offer().offer()
    alice = room.join("alice")
    inviting = alice.offer(publish=("audio", "video"))
    answer = make_answer(inviting.offer()).replace("a=inactive", "a=sendonly")
    for viewer in (room.peers["bob"], room.peers["eve"]):
        (connection,) = viewer.connections
        connection.accept(make_answer(connection.offer()))  # type: ignore[attr-defined]
    stream, everywhere = room.events(), server.events()
    inviting.accept(answer)
    seen = await told(stream)
    assert seen == [
        "alice ConnectionStateChanged ConnectionState.CONNECTING",
        "alice TrackPublished",
        "bob NegotiationNeeded",
        "eve NegotiationNeeded",
        "alice TrackPublished",
    ]
    assert await told(everywhere) == seen


async def test_who_leaves_has_left_after_all_that_was_his(server: Server) -> None:
    room = server.room("lobby")
    viewing = room.join("bob").offer()
    viewing.accept(make_answer(viewing.offer()))
    alice = room.join("alice", leave_when_idle=True)
    alice.answer(make_offer(*BOTH, ("audio", "sendonly")))
    room.join("eve").answer(make_offer(*BOTH))
    viewing.accept(make_answer(viewing.offer()))
    stream = room.events()
    alice.leave()
    assert await told(stream) == [
        "bob NegotiationNeeded",
        "alice TrackEnded",
        "alice TrackReleased",
        "alice TrackEnded",
        "alice TrackEnded",
        "eve TrackReleased",
        "alice ConnectionStateChanged ConnectionState.CLOSED",
        "alice PeerLeft",
    ]


async def test_the_last_connection_that_closes_takes_its_peer_along(server: Server) -> None:
    room = server.room("lobby")
    alice = room.join("alice", leave_when_idle=True)
    publishing = alice.answer(make_offer(*BOTH)).connection
    stream = room.events()
    publishing.close("gone")
    assert alice.left
    assert "alice" not in room.peers
    assert await told(stream) == [
        "alice TrackEnded",
        "alice TrackEnded",
        "alice ConnectionStateChanged ConnectionState.CLOSED",
        "alice PeerLeft",
    ]


async def test_a_goodbye_mutes(server: Server) -> None:
    room = server.room("lobby")
    publishing = room.join("alice").answer(make_offer(*BOTH)).connection
    stream = room.events()
    ssrcs = [ssrc for track in publishing.tracks if (ssrc := track.encodings[0].ssrc) is not None]
    for _ in range(2):
        publishing.handle_rtcp(build_receiver_report(9) + build_goodbye(ssrcs), 1000.0)
    assert all(track.muted for track in publishing.tracks)
    assert await told(stream) == ["alice TrackMuted"] * 2
