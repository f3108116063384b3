"""A capacity that changes with time."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bench.netem.link import Link


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps of (seconds from its start, bits per second or None for no limit), at increasing times (ValueError)."""

    steps: tuple[tuple[float, float | None], ...]

    def __post_init__(self) -> None:
        times = [at for at, _ in self.steps]
        if not times or times[0] < 0 or any(later <= earlier for earlier, later in itertools.pairwise(times)):
            raise ValueError(f"a schedule's times must begin at 0 or later and increase: {times}")
        if any(rate is not None and rate < 0 for _, rate in self.steps):
            raise ValueError("a schedule's rates must be at least 0")

    def rate_at(self, at: float) -> float | None:
        """The rate at a time from the start; before the first step the one of the first step."""
        found = bisect.bisect_right([step for step, _ in self.steps], at)
        return self.steps[max(found - 1, 0)][1]

    def scaled(self, factor: float) -> Schedule:
        """The same with every rate times `factor`."""
        return Schedule(tuple((at, rate if rate is None else rate * factor) for at, rate in self.steps))

    def repeated(self, period_s: float, times: int) -> Schedule:
        """The same `times` times in a row, one beginning `period_s` after the other."""
        return Schedule(tuple((at + turn * period_s, rate) for turn in range(times) for at, rate in self.steps))


def trace(rows: Iterable[tuple[float, float]]) -> Schedule:
    """A recorded trace of (seconds, bits per second); it starts with its first row, and equal rates are merged."""
    steps: list[tuple[float, float | None]] = []
    first: float | None = None
    for at, rate in rows:
        first = at if first is None else first
        if not steps or steps[-1][1] != rate:
            steps.append((at - first, rate))
    return Schedule(tuple(steps))


def read_trace(text: str) -> Schedule:
    """A trace as text: lines of `seconds bits-per-second`; empty lines and those that begin with # say nothing."""
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.split()
        if len(words) != 2:
            raise ValueError(f"line {number} of the trace is not `seconds bits-per-second`: {line!r}")
        rows.append((float(words[0]), float(words[1])))
    return trace(rows)


class Playback:
    """A schedule that begins at `start` on a link: poll it no later than the link."""

    def __init__(self, schedule: Schedule, link: Link[Any], start: float) -> None:
        self._steps = schedule.steps
        self._link = link
        self._start = start
        self._next = 0

    def next_due(self) -> float | None:
        """When the next step is due; None: it is over."""
        return self._start + self._steps[self._next][0] if self._next < len(self._steps) else None

    def poll(self, now: float) -> None:
        """Apply what is due, each step at its own time if the link has not been told of a later one."""
        while (due := self.next_due()) is not None and due <= now:
            self._link.change(max(due, self._link.now), rate_bps=self._steps[self._next][1])
            self._next += 1
