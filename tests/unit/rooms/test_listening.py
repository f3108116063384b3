"""Rooms without a microphone cost nothing while nobody comes or goes."""

from __future__ import annotations

import asyncio

from sfu import Server
from sfu.rooms.listening import Listening
from tests.unit.fakes import FakeClock
from tests.unit.offers import make_offer

PATIENCE_S = 10.0


class Looked:
    def __init__(self) -> None:
        self.looks = 0
        self.again = asyncio.Event()

    def update_speakers(self, now: float) -> None:
        self.looks += 1
        self.again.set()


async def test_what_is_followed_is_looked_at_until_it_is_not() -> None:
    listening = Listening(FakeClock())
    listening.start(asyncio.get_running_loop())
    loud, still = Looked(), Looked()
    for room in (loud, still):
        listening.follow(room, True)
    listening.follow(still, False)
    for _ in range(2):
        await asyncio.wait_for(loud.again.wait(), PATIENCE_S)
        loud.again.clear()
    assert (loud.looks, still.looks) == (2, 0)
    assert listening._timer is not None
    listening.stop()
    assert listening._timer is None


async def test_a_room_is_looked_at_while_it_has_a_microphone(server: Server) -> None:
    alice = server.room("lobby").join("alice")
    alice.answer(make_offer(("video", "sendonly")))
    assert not server._listening._rooms
    publishing = alice.answer(make_offer(("audio", "sendonly"))).connection
    assert list(server._listening._rooms) == [server.room("lobby")]
    publishing.close()
    assert not server._listening._rooms
