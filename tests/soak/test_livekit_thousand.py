"""A thousand participants of one room who signal and send no media: nothing piles up."""

from __future__ import annotations

import asyncio
import time

import pytest
from livekit.protocol.rtc import LeaveRequest, Ping, SignalRequest

import sfu
from sfu.signaling.livekit.app import LiveKit
from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import KEY, SECRET, Caller, Doors

PARTICIPANTS = 1000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def test_a_thousand_join_talk_and_leave_and_no_queue_grows() -> None:
    async with sfu.Server(sfu.Config(max_peers_per_room=PARTICIPANTS + 1)) as server:
        livekit = LiveKit(server, {KEY: SECRET}, LiveKitOptions())
        doors = Doors(server, livekit, [time.time()])
        callers = [await _enter(doors, f"guest-{number:04}") for number in range(PARTICIPANTS)]
        room = livekit.rooms.by_name["lobby"]
        assert len(room.participants) == PARTICIPANTS
        told = [caller.discarded for caller in callers]
        for caller in callers:
            await caller.send(SignalRequest(ping_req=Ping(timestamp=1)))
        room.set_metadata("all here")
        async with asyncio.timeout(120):
            while any(  # noqa: ASYNC110
                caller.discarded < before + 2 for caller, before in zip(callers, told, strict=True)
            ):
                await asyncio.sleep(0.1)
        assert not livekit.cut, livekit.cut
        assert max(len(session.socket) for session in livekit._sessions) == 0
        for caller in callers:
            await caller.send(SignalRequest(leave=LeaveRequest()))
        await asyncio.gather(*(caller.ended_by_server(120.0) for caller in callers))
        assert not room.participants
        await livekit.close()


async def _enter(doors: Doors, identity: str) -> Caller:
    caller = await doors.enter(identity, auto_subscribe="0")
    caller.discards = True
    return caller
