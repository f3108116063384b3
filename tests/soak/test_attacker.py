"""All attacks at once, for a long time, beside a recorded conference: nobody in it is the worse for it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.attack.cli import add_rows, tell_rates
from bench.attack.conference import Conference, Phase, on_core
from bench.attack.gang import ATTACKS, Gang, Tallies
from sfu.recording.folder import LEDGER
from sfu.recording.ledger import parse_ledger
from sfu.recording.reader import Record, read_record
from sfu.recording.signing import load_signing_key
from sfu.recording.verify import Outcome, verify_record

SOAK_SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
WARM_S = 30.0
"""Until tables and histories have been written in once."""
COMPARED_S = 20.0
SETTLES_S = 45.0
LAST_US = 1_000_000
"""Deadlines of requests (30 s), of handshakes (10 s) and of silence (30 s) have passed."""
LEAST_SHARE = 0.99
"""Of what publishers send, and of what arrived before the attack."""
MOST_HEALTH_MS = 5000.0
"""The bound is 100 ms on a machine that has nothing else to do; what it was is printed."""
CROWDS = 2
"""Of 2,000 connections without a token: slow ones, and ones that pipeline whole requests."""
MOST_GROWTH_BYTES = CROWDS * (50 << 20)
MOST_LATER_BYTES = 12 << 20
"""What memory may grow by in the second half of the attack: whatever it brings was there in the first."""
MOST_BUSIER = 0.05
"""Of a core, that the node may be busier afterwards than before: nothing of the attack goes on."""
MORE_DESCRIPTORS = 10
MOST_LOSS = 0.01
"""Of a source's time, in gaps."""
HONEST = {"loss", "stall", "mute", "key_frame"}
"""Why media of somebody who is there all the time may be missing in a record."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(SOAK_SECONDS + 900)]


class Bar:
    """How far it is, and a line for each phase that is over."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=WARM_S + 2 * COMPARED_S + SETTLES_S + SOAK_SECONDS)

    def tell(self, doing: str) -> None:
        self._progress.update(self._task, description=doing)

    async def phase(self, conference: Conference, name: str, seconds: float) -> Phase:
        self.tell(name)
        moving = asyncio.create_task(self._move(seconds))
        try:
            return await conference.phase(name, seconds)
        finally:
            moving.cancel()

    async def _move(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            await asyncio.sleep(1.0)
            self._progress.advance(self._task, 1.0)


@contextmanager
def bar() -> Iterator[Bar]:
    columns = (TextColumn("{task.description:<10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stdout), transient=True, refresh_per_second=2) as progress:
        yield Bar(progress)


async def attack(conference: Conference, bar: Bar) -> tuple[list[Phase], Tallies]:
    """The phases before, in the first and in the second half, and after."""
    await bar.phase(conference, "warm", WARM_S)
    before = await bar.phase(conference, "before", COMPARED_S)
    gang = Gang(conference.target(), tuple(ATTACKS), conference.own_core)
    try:
        await asyncio.to_thread(gang.start)
        during = [await bar.phase(conference, f"during, {half}", SOAK_SECONDS / 2) for half in ("first", "second")]
    finally:
        await asyncio.to_thread(gang.stop)
    await bar.phase(conference, "settling", SETTLES_S)
    after = await bar.phase(conference, "after", COMPARED_S)
    await conference.stop_recording()
    return [before, *during, after], gang.tallies


def missing_s(record: Record, peer: str) -> float:
    """How many seconds of a peer's media the record lacks, of all sources together, between the first that came and the
    last second: the record begins before anybody sends, and whoever stops it ends all tracks first.
    """
    gaps = [
        gap
        for source in record.sources
        if source.peer == peer
        for gap in source.gaps
        if source.spans[0].begin_us < gap.begin_us < record.duration_us - LAST_US
    ]
    assert {gap.cause for gap in gaps} <= HONEST
    return sum(gap.end_us - gap.begin_us for gap in gaps) / 1e6


async def test_a_recorded_conference_outlasts_all_attacks_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit_s = SOAK_SECONDS + 600.0
    with capsys.disabled(), bar() as shown:
        conference = Conference(tmp_path, "hearings:1", limit_s, shown.tell)
        with on_core(conference.own_core):
            try:
                await conference.open()
                phases, tallies = await attack(conference, shown)
                health = conference.health
            finally:
                await conference.close()
    table = Table("", "phase", "delivered", "healthz median", "worst", "CPU", "RSS", "descriptors", "most")
    add_rows(table, "all", phases)
    with capsys.disabled():
        Console(file=sys.stdout).print(table, tell_rates(tallies, SOAK_SECONDS), sep="\n")

    before, first, second, after = phases
    assert set(tallies) == set(ATTACKS)
    assert all(tallies[name].get("sent", 0) > SOAK_SECONDS for name in ("nacks", "plis", "junk"))
    assert "status 201" not in tallies["names"]
    assert not health.failures
    for phase in phases:
        assert not phase.missing, f"{sorted(phase.missing)} are lost {phase.name} the attack"
        assert phase.worst_ms < MOST_HEALTH_MS
        assert phase.share >= LEAST_SHARE
        assert phase.share >= LEAST_SHARE * before.share
    assert after.resident_bytes - before.resident_bytes < MOST_GROWTH_BYTES
    assert second.resident_bytes - first.resident_bytes < MOST_LATER_BYTES
    assert after.busy < before.busy + MOST_BUSIER
    assert after.descriptors <= before.descriptors + MORE_DESCRIPTORS

    (folder,) = (ledger.parent for ledger in conference.node.records.glob(f"*/{LEDGER}"))
    key = load_signing_key(tmp_path / "record-key.pem")
    assert verify_record(folder, key.public).outcome is Outcome.INTACT
    entries = parse_ledger((folder / LEDGER).read_bytes())
    left = [entry.text("peer") for entry in entries if entry.type == "leave"]
    assert not set(left) & set(conference.people)
    record = read_record(folder)
    length_s = sum(phase.seconds for phase in phases)
    for peer in conference.people:
        assert {source.kind for source in record.sources if source.peer == peer} == {"audio", "video"}
        assert missing_s(record, peer) < 2 * MOST_LOSS * length_s
