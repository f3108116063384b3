"""Of a participant who has left nothing stays in memory, whatever the garbage collector does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from livekit.protocol.rtc import LeaveRequest, SignalRequest

from tests.leftovers import nothing_left_over
from tests.unit.signaling.livekit.conftest import Caller, Doors, make_token
from tests.unit.signaling.livekit.negotiating import RECEIVE, answer_to, enter_single, publish


async def end(caller: Caller) -> None:
    await caller.send(SignalRequest(leave=LeaveRequest()))
    await caller.ended_by_server()


async def publish_and_receive(doors: Doors) -> None:
    """On one connection each; who receives leaves last."""
    alice, _ = await publish(doors)
    bob = await enter_single(doors, "bob", *RECEIVE)
    await bob.until("answer")
    assert doors.server.rooms["lobby"].peers["bob"].subscriptions
    await end(alice)
    await end(bob)


async def receive_by_our_offer(doors: Doors) -> None:
    alice, _ = await publish(doors)
    bob = await doors.enter("bob")
    await answer_to(bob, (await bob.until("offer")).offer)
    await end(bob)
    await end(alice)


async def come_twice(doors: Doors) -> None:
    """The second socket puts the first one's participant out."""
    await doors.enter("alice")
    alice = await doors.enter("alice")
    await alice.until("join")
    await end(alice)


async def hang_up(doors: Doors) -> None:
    alice = await doors.enter("alice")
    await alice.until("offer")
    await alice.hang_up()
    doors.now[0] += 100.0
    doors.livekit.handle_tick(doors.now[0])
    doors.now[0] -= 100.0


async def be_refused(doors: Doors) -> None:
    alice = await doors.call("/rtc", access_token=make_token("alice", room_join=False))
    assert alice.status == 401
    await alice.ended_by_server()


async def send_rubbish(doors: Doors) -> None:
    alice = await doors.enter("alice")
    for _ in range(10):
        await alice.send(b"\xff")
    await alice.ended_by_server()
    doors.livekit.rooms.end(doors.livekit.rooms.by_name["lobby"])


Scene = Callable[[Doors], Awaitable[None]]


@pytest.mark.parametrize(
    "scene", [publish_and_receive, receive_by_our_offer, come_twice, hang_up, be_refused, send_rubbish]
)
async def test_of_who_has_left_nothing_is_left(doors: Doors, scene: Scene) -> None:
    async def play() -> None:
        await scene(doors)
        doors.callers.clear()
        room = doors.livekit.rooms.find("lobby")
        if room is not None:
            assert not room.participants
            doors.livekit.rooms.end(room)

    await play()  # what is made once is there
    async with nothing_left_over():
        await play()
