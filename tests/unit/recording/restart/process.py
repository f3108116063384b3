"""A process that records a room, without planes: two of them have one clock, as those of one machine."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from sfu.events import Event
from sfu.recording.feed import Feed, Place
from sfu.recording.folder import LEDGER
from sfu.recording.journal import Journal
from sfu.recording.ledger import parse_ledger
from sfu.recording.options import RecordingOptions
from sfu.recording.recording import Recording
from sfu.recording.restart.suspension import SuspendedRecording
from sfu.recording.signing import Signer, SigningKey
from sfu.recording.track_writing import TrackInfo
from sfu.recording.verify import Outcome, Verdict, verify_record
from sfu.rooms.record_keeper import RecordKeeper
from sfu.routing.plane import TappedPackets
from sfu.shard.environment import Environment
from tests.unit.fakes import FakeClock
from tests.unit.recording.packets import DELTA, KEY, packet
from tests.unit.recording.tap import FakePlane

SIGNING_KEY = SigningKey.generate()
ROOM = "court"
_STEP_US = 20_000


class Speaker:
    """Somebody who publishes in one process: a Track with its own row, numbers and timestamps."""

    def __init__(self, row: int, peer: str, kind: str = "audio") -> None:
        self.id = f"t{row}"
        codec, rate = ("opus", 48_000) if kind == "audio" else ("VP8", 90_000)
        self.info = TrackInfo(self.id, peer, kind, codec, rate, metadata={"role": "judge"})
        self.place = Place(0, row, 1)
        self.muted = False
        self.connected = True
        self.taken = False
        self.asked = 0
        self._rate_khz = rate // 1000
        self._sequence = 0

    def start(self) -> None:
        self.taken = True

    def stop(self) -> None:
        self.taken = False

    def request_key_frame(self) -> None:
        self.asked += 1

    def sender_clock(self) -> None:
        return None

    def speak(self, arrival_us: int) -> TappedPackets:
        """What is sent in this moment."""
        video = self.info.kind == "video"
        payload = (KEY if self._sequence % 50 == 0 else DELTA) if video else b"\xf8\xff\xfe"
        made = packet(
            self._sequence, arrival_us, payload, track=self.place.track,
            timestamp=(arrival_us // 1000 * self._rate_khz) & 0xFFFFFFFF, ssrc=self.place.track,
        )  # fmt: skip
        self._sequence += 1
        return TappedPackets.of([made], audio=not video)


class Process:
    """One process of a node, as far as its records go."""

    def __init__(self, clock: FakeClock, seed: int = 7) -> None:
        self.clock = clock
        self.events: list[Event] = []
        self._plane = FakePlane()
        self.feed = Feed([self._plane])
        environment = cast(Environment, type("Fake", (), {"clock": clock, "rng": random.Random(seed)}))
        self.keeper = RecordKeeper(ROOM, environment, self.events.append)

    def record(self, *paths: Path, key: Signer = SIGNING_KEY, journal: Journal | None = None, **more: Any) -> Recording:
        chosen: dict[str, Any] = {"tracks": None, "beside": False, "subject": "clerk", "metadata": {"case": "7 C 12"}}
        chosen["options"] = RecordingOptions(least_free_bytes=0)
        return self.keeper.start(self.feed, paths, key, journal=journal, **(chosen | more))

    async def take_up(
        self, suspended: SuspendedRecording, key: Signer = SIGNING_KEY, journal: Journal | None = None, **more: Any
    ) -> Recording:
        chosen: dict[str, Any] = {"tracks": None, "within": 5.0}
        return await self.keeper.take_up(self.feed, suspended, key, journal=journal, **(chosen | more))

    def add(self, recording: Recording, *speakers: Speaker) -> None:
        for speaker in speakers:
            recording.add_track(speaker)
        self.feed.close()  # the rounds are the test's

    def talk(self, seconds: float, *speakers: Speaker) -> None:
        """All of them send for a while, which passes."""
        for number in range(round(seconds * 1e6) // _STEP_US):
            self.clock.now += _STEP_US / 1e6
            for speaker in speakers:
                if speaker.taken:
                    self._plane.waiting.append([speaker.speak(round(self.clock.now * 1e6))])
            if number % 10 == 9:
                self._step()
        self._step()

    def _step(self) -> None:
        while self._plane.waiting:
            self.feed.step()


def handed_over(suspended: SuspendedRecording) -> SuspendedRecording:
    """As another process reads it."""
    return SuspendedRecording.from_json(json.loads(json.dumps(suspended.to_json())))


async def suspend_one(tmp_path: Path, clock: FakeClock) -> tuple[Path, SuspendedRecording]:
    first, folder = Process(clock), tmp_path / "record"
    recording = first.record(folder)
    alice = Speaker(1, "alice")
    first.add(recording, alice)
    first.talk(2, alice)
    return folder, handed_over(await recording.suspend())


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what a thread does."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def lines_of(folder: Path) -> list[Mapping[str, Any]]:
    """The ledger's lines."""
    entries = parse_ledger((folder / LEDGER).read_bytes())
    return [{"n": each.n, "t_us": each.t_us, "type": each.type, **each.fields} for each in entries]


def types_of(folder: Path) -> list[str]:
    return [each["type"] for each in lines_of(folder)]


def check(folder: Path, outcome: Outcome = Outcome.INTACT, journal: Journal | None = None) -> Verdict:
    verdict = verify_record(folder, SIGNING_KEY.public, journal=journal)
    assert verdict.outcome is outcome, verdict.problem
    return verdict


def gaps_of(folder: Path, source: int) -> Sequence[tuple[str, float, float]]:
    """Cause, begin and end in seconds."""
    found = [each for each in lines_of(folder) if each["type"] == "gap" and each["source"] == source]
    return [(each["cause"], each["begin_us"] / 1e6, each["end_us"] / 1e6) for each in found]
