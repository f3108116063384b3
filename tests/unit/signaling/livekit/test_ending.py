"""A server that ends or drains while somebody joins."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest
from starlette.websockets import WebSocket

from tests.unit.signaling.livekit.conftest import Doors


async def come_too_late(doors: Doors, monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> LeaveRequest:
    """What Alice is told where something has happened before her socket is open; she has not joined, and it ends."""
    accept = WebSocket.accept

    async def accept_after_that(self: WebSocket) -> None:
        happen()
        await accept(self)

    monkeypatch.setattr(WebSocket, "accept", accept_after_that)
    alice = await doors.enter("alice")
    leave = (await alice.until("leave")).leave
    assert "join" not in alice.kinds()
    await alice.ended_by_server()
    return leave


@pytest.mark.parametrize("how", ["hand_over", "end_sessions"])
async def test_who_comes_once_the_server_ends_is_told_to_come_again(doors: Doors, how: str) -> None:
    getattr(doors.livekit, how)()
    alice = await doors.enter("alice")
    assert alice.status == 503
    assert not doors.server.rooms and not doors.livekit.rooms.by_name


@pytest.mark.parametrize("how", ["hand_over", "end_sessions"])
async def test_who_has_just_come_when_the_server_ends_is_sent_to_come_again_and_not_kept(
    doors: Doors, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = await come_too_late(doors, monkeypatch, getattr(doors.livekit, how))
    assert (leave.reason, leave.action) == (DisconnectReason.SERVER_SHUTDOWN, LeaveRequest.Action.RECONNECT)
    assert not doors.server.rooms and not doors.livekit.rooms.by_name


async def test_who_is_put_out_before_his_socket_is_open_is_told_so_and_not_kept(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_out() -> None:
        room = doors.livekit.rooms.by_name["lobby"]
        room.remove(room.participants["alice"], DisconnectReason.DUPLICATE_IDENTITY)

    leave = await come_too_late(doors, monkeypatch, put_out)
    assert (leave.reason, leave.action) == (DisconnectReason.DUPLICATE_IDENTITY, LeaveRequest.Action.DISCONNECT)
    assert not doors.livekit.rooms.by_name["lobby"].data_tracks._members


async def test_who_has_just_joined_when_a_drain_begins_stays(doors: Doors) -> None:
    alice = await doors.enter("alice")
    doors.server.drain(90)
    await alice.until("join")
    bob = await doors.enter("bob")
    assert [each.identity for each in (await bob.until("join")).join.other_participants] == ["alice"]
