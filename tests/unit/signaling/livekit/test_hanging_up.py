"""A client whose connections end: it leaves, or it is to begin anew."""

from __future__ import annotations

import pytest
from livekit.protocol.rtc import LeaveRequest, SignalRequest

from tests.unit.signaling.livekit.conftest import Doors
from tests.unit.signaling.livekit.negotiating import RECEIVE, enter_single, offer


async def test_who_loses_connections_begins_anew_once_but_not_before_it_can_have_said_that_it_leaves(
    doors: Doors,
) -> None:
    alice = await enter_single(doors, "alice", *RECEIVE)
    await alice.until("answer")
    (client,) = doors.livekit.rooms.by_name["lobby"].clients
    assert client.transports.publisher is not None
    for _ in range(2):
        client.handle_closed(client.transports.publisher.id, "remote_close")
    await alice.send(SignalRequest(ping=1))
    await alice.until("pong")
    assert "leave" not in alice.kinds()
    for _ in range(2):
        doors.livekit.rooms.handle_tick(doors.now[0])
    assert (await alice.until("leave")).leave.action == LeaveRequest.Action.RECONNECT
    await alice.send(SignalRequest(ping=1))
    await alice.until("pong")
    assert alice.kinds().count("leave") == 1


@pytest.mark.parametrize(("reason", "gone"), [("remote_close", True), ("consent_lost", False)])
async def test_who_has_closed_socket_and_connections_has_left_though_its_word_got_lost(
    doors: Doors, reason: str, gone: bool
) -> None:
    alice = await doors.enter("alice")  # with two connections
    await alice.until("offer")
    await alice.send(SignalRequest(offer=offer(("audio", "sendonly"))))
    await alice.until("answer")
    room = doors.livekit.rooms.by_name["lobby"]
    (client,) = room.clients
    publisher, subscriber = client.transports.publisher, client.transports.subscriber
    assert publisher is not None and subscriber is not None
    await alice.close()
    client.handle_closed(publisher.id, reason)
    doors.livekit.rooms.handle_tick(doors.now[0])
    assert room.clients, "another connection is open, and it may come back to it"
    client.handle_closed(subscriber.id, reason)
    doors.livekit.rooms.handle_tick(doors.now[0])
    assert bool(room.clients) is not gone
