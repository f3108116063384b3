"""People in rooms over the LiveKit protocol: all publish, receive all others, and come again when they are told to."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from livekit.protocol.rtc import LeaveRequest
from websockets.exceptions import WebSocketException

from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.generator.engine import Engine
from bench.livekit.door import Door
from bench.livekit.participant import Participant
from bench.livekit.room import Room
from bench.livekit.sections import BEST, TRAFFIC

RETRIES_S = (0.0, 0.3, 1.2, 2.7, 4.8, 7.0, 7.0, 7.0, 7.0, 7.0)
"""Before each attempt to come again, as the JavaScript SDK's policy has it."""
TRACKS = 2
_LOOK_S = 0.05
_PATIENCE_S = 120.0
_LIMIT_S = 900.0
_VOICE = dataclasses.replace(TRAFFIC["audio"], frames_per_second=50 / 3)
_PICTURE = dataclasses.replace(TRAFFIC[BEST], frames_per_second=5.0, frame_packets=1, frame_bytes=900)
_ONE_FRAME = dataclasses.replace(_PICTURE, frames_per_second=0.001)
# Audio in frames of 60 ms and the best encoding of a camera with few, since a hundred people share a machine with the
# node and its disk.
_TRAFFIC = {kind: {"audio": _VOICE, BEST: _PICTURE}.get(kind, _ONE_FRAME) for kind in TRAFFIC}


@dataclass
class Return:
    """How one came again; times in seconds since the word to."""

    attempts: int
    connected: float
    """It is in its room, its media are connected, and what it publishes is agreed on."""
    media: float = 0.0
    """It has got something of each track of everybody else."""


@dataclass
class Guest:
    """One person."""

    name: str
    participant: Participant | None = None
    told: list[LeaveRequest | None] = field(default_factory=list)
    """By what it was sent away, each time; None: the connection has ended without a word."""
    told_at: float = 0.0
    back: Return | None = None

    @property
    def there(self) -> Participant:
        """It takes part."""
        assert self.participant is not None
        return self.participant

    async def until_told(self) -> None:
        """Until the server sends it away, or the connection ends."""
        signaling = self.there.signaling
        await signaling.ended()
        self.told.append(signaling.left)
        self.told_at = time.monotonic()


class Company:
    """The people of one room, whose media one compiled loop sends and receives."""

    def __init__(self, door: Door, room: str, size: int, identity: ClientIdentity) -> None:
        self.room = room
        self._door = door
        self._identity = identity
        self.guests = [Guest(f"{room}-{number}") for number in range(size)]
        self._engine: Engine | None = None

    def _participant(self, name: str) -> Participant:
        return Participant(name, host="127.0.0.1", identity=self._identity)

    async def enter(self) -> None:
        """Until all hear and see all others."""
        await asyncio.gather(*(self._come_in(guest) for guest in self.guests))
        await self._talk()

    async def come_again(self) -> None:
        """From the word to until all hear and see all others."""
        old = [guest.there for guest in self.guests]
        await asyncio.gather(*(self._come_again(guest) for guest in self.guests))
        await self._end(old)
        await self._talk()

    async def until_told(self) -> None:
        """Until all are sent away."""
        await asyncio.gather(*(guest.until_told() for guest in self.guests))

    async def close(self) -> None:
        """End all connections."""
        await self._end([guest.participant for guest in self.guests if guest.participant is not None])

    def poll(self) -> None:
        """Answer what the server's ICE asks."""
        if self._engine is not None:
            self._engine.poll_notices()

    async def _enter(self, participant: Participant) -> None:
        await participant.join(self._door, self.room)
        await participant.connect()
        await participant.publish()

    async def _come_again(self, guest: Guest) -> None:
        await guest.until_told()
        word = guest.told[-1]
        assert word is None or word.action == LeaveRequest.Action.RECONNECT, word
        attempts = await self._come_in(guest)
        guest.back = Return(attempts, time.monotonic() - guest.told_at)

    async def _come_in(self, guest: Guest) -> int:
        """Return at which attempt it was in."""
        failures = []
        for attempt, pause in enumerate(RETRIES_S, 1):
            await asyncio.sleep(pause)
            guest.participant = self._participant(guest.name)
            try:
                await self._enter(guest.participant)
            except (BenchError, WebSocketException, OSError) as error:
                failures.append(repr(error))
                await guest.participant.close()
                continue
            return attempt
        raise AssertionError(f"{guest.name} does not come in: {failures}")

    async def _talk(self) -> None:
        people = [guest.there for guest in self.guests]
        links = [each.link for each in people]
        engine = Engine(links, traffic=_TRAFFIC, sample_every=50, receiver_gro=False, limit_s=_LIMIT_S)
        await asyncio.to_thread(engine.start)
        self._engine = engine
        await Room(people, engine, 0, 0).agree()
        engine.set_sending(True)
        await self._until_heard(engine)

    async def _until_heard(self, engine: Engine) -> None:
        others = TRACKS * (len(self.guests) - 1)
        heard: set[int] = set()
        async with asyncio.timeout(_PATIENCE_S):
            while len(heard) < len(self.guests):
                await asyncio.sleep(_LOOK_S)
                for row, streams in enumerate(engine.streams_by_link()):
                    if streams < others or row in heard:
                        continue
                    heard.add(row)
                    if (back := self.guests[row].back) is not None:
                        back.media = time.monotonic() - self.guests[row].told_at

    async def _end(self, people: Sequence[Participant]) -> None:
        if self._engine is not None:  # before a descriptor that it reads is another's
            engine, self._engine = self._engine, None
            await asyncio.to_thread(engine.stop)
        for each in people:
            with contextlib.suppress(BenchError, WebSocketException, OSError):
                await each.close()


async def poll_all(companies: Sequence[Company]) -> None:
    """Answer checks, until it is cancelled."""
    while True:
        for each in companies:
            each.poll()
        await asyncio.sleep(0.1)


def spread(values: Sequence[float]) -> str:
    """The distribution in words: least, median, 95th of a hundred, most."""
    ordered = sorted(values)
    pick: Callable[[float], float] = lambda share: ordered[min(int(share * len(ordered)), len(ordered) - 1)]  # noqa: E731
    return f"{ordered[0]:.2f} / {pick(0.5):.2f} / {pick(0.95):.2f} / {ordered[-1]:.2f} s (least, median, p95, most)"
