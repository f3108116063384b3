"""Whatever happens in a hearing and however often its server restarts: one record, intact, in which nothing is missing
without a word; its mirror tells the same.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfu.recording.compare import compare_records
from sfu.recording.cutter import STALL_US
from sfu.recording.reader import Record, RecordSource, read_record
from sfu.recording.recording import Recording
from sfu.recording.verify import Outcome
from tests.unit.fakes import FakeClock
from tests.unit.recording.restart.process import Process, Speaker, check, handed_over, lines_of

PEOPLE = [("anna", "audio"), ("anna", "video"), ("ben", "audio")]
STEPS = 40
UNSAID_US = STALL_US + 100_000
"""Silence that needs no word: a source that sends little may do so."""


class Hearing:
    """People who come, mute themselves, leave; a clerk who pauses; an operator who restarts the server."""

    def __init__(self, folders: tuple[Path, Path], dice: random.Random) -> None:
        self.clock = FakeClock()
        self.process = Process(self.clock)
        self.recording: Recording = self.process.record(*folders)
        self.there: dict[tuple[str, str], Speaker] = {}
        self.done: list[str] = []
        self._dice = dice
        self._rows = iter(range(1, 1000))

    async def step(self) -> None:
        kind = self._dice.choice(
            ["talk"] * 6 + ["come"] * 6 + ["leave", "mute", "unmute", "pause", "resume", "wait", "restart", "mark"]
        )
        self.done.append(kind)
        who = self._dice.choice(PEOPLE)
        speaker = self.there.get(who)
        match kind:
            case "talk":
                self._talk(self._dice.uniform(0.1, 4.0))
            case "wait":
                self.clock.now += self._dice.uniform(0.1, 3.0)
            case "come" if speaker is None:
                self.there[who] = came = Speaker(next(self._rows), *who)
                self.process.add(self.recording, came)
            case "leave" if speaker is not None:
                self.recording.remove_track(speaker.id, self._dice.choice(["disconnect", "block"]))
                del self.there[who]
            case "mute" | "unmute" if speaker is not None:
                speaker.muted = kind == "mute"
                self.recording.set_muted(speaker.id, speaker.muted)
            case "pause":
                self.recording.pause(ground="recess", authoriser="judge")
            case "resume" if self.recording.paused:
                self.recording.resume(authoriser="judge")
            case "mark":
                self.recording.mark("exhibit")
            case "restart":
                await self._restart()

    def _talk(self, seconds: float) -> None:
        self.process.talk(seconds, *(each for each in self.there.values() if not each.muted))

    async def _restart(self) -> None:
        self.clock.now += 0.3  # what was sent has come
        suspended = handed_over(await self.recording.suspend())
        assert not any(each.failure for each in suspended.copies)
        self.clock.now += self._dice.uniform(0.0, 5.0)
        self.process = Process(self.clock)
        self.recording = await self.process.take_up(suspended)
        self.there.clear()


def list_known(source: RecordSource) -> list[tuple[int, int]]:
    """When there are media of a source, or a word that there are none."""
    return [(each.begin_us, each.end_us) for each in (*source.spans, *source.gaps)]


def find_holes(record: Record, source: RecordSource, end_us: int) -> Iterator[tuple[int, int]]:
    """Where neither media of a source nor a gap is told of, from its first media on."""
    own = list_known(source)
    at_us = min(own)[0] if own else end_us
    for begin_us, last_us in sorted([*own, *((each.begin_us, each.end_us) for each in record.pauses)]):
        if min(begin_us, end_us) > at_us + UNSAID_US:
            yield at_us, begin_us
        at_us = max(at_us, last_us)
    if end_us > at_us + UNSAID_US:
        yield at_us, end_us


def find_successors(folder: Path) -> dict[int, int]:
    """Which source continues which."""
    return {each["continues"]: each["source"] for each in lines_of(folder) if "continues" in each}


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seeds", [range(6), pytest.param(range(6, 30), marks=pytest.mark.breadth)], ids=["few", "many"]
)
async def test_nothing_is_missing_without_a_word_however_often_a_server_restarts(tmp_path: Path, seeds: range) -> None:
    restarts = continued = 0
    for seed in seeds:
        folders = tmp_path / f"{seed}-main", tmp_path / f"{seed}-mirror"
        hearing = Hearing(folders, random.Random(seed))
        for _ in range(STEPS):
            await hearing.step()
        hearing.clock.now += 0.3
        await hearing.recording.stop()
        verdicts = [check(folder) for folder in folders]
        compared = compare_records(*folders, *verdicts)
        assert (compared.outcome, compared.differences) == (Outcome.INTACT, ()), (seed, hearing.done)
        record, successors = read_record(folders[0]), find_successors(folders[0])
        begins = {source.number: min(list_known(source))[0] for source in record.sources if list_known(source)}
        for source in record.sources:
            successor = successors.get(source.number)
            end_us = record.duration_us if successor is None else begins.get(successor, record.duration_us)
            holes = list(find_holes(record, source, end_us))
            assert not holes, (seed, source.number, holes, hearing.done)
        restarts += verdicts[0].counts.get("continue", 0)
        continued += len(successors)
        await asyncio.sleep(0)
    assert restarts > len(seeds) and continued >= len(seeds) // 2
