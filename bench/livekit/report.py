"""The table of `python -m bench.livekit`: each figure of both servers, their ratio, and what it must reach."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from bench.livekit.measure import Figures

#: Share of the packets below which a run is one in which some are missing. What is under way at both ends of a window
#: blurs it by a few thousandths.
_ENOUGH = 0.99


@dataclass(frozen=True)
class Row:
    """One figure: how it is read of all runs of a server, and how it is shown."""

    title: str
    read: Callable[[Sequence[Figures]], float]
    form: str = "{:.2f}"
    most: float | None = None  # of our figure by the other's; None: nothing is asked of it


def _median(read: Callable[[Figures], float]) -> Callable[[Sequence[Figures]], float]:
    return lambda runs: statistics.median(read(run) for run in runs)


def _joins(rank: float) -> Callable[[Sequence[Figures]], float]:
    """Over the joins of all runs."""
    return lambda runs: float(np.percentile([join * 1e3 for run in runs for join in run.join_s], rank))


ROWS = (
    Row("CPU us a forwarded packet", _median(lambda run: run.forwarding.cpu_us), most=0.7),
    Row("delivered", lambda runs: min(run.forwarding.delivered for run in runs), "{:.2%}"),
    Row("all after, s", _median(lambda run: run.forwarding.ready_s), "{:.1f}"),
    Row("join to first media, ms, median", _joins(50), "{:.0f}", most=1.0),
    Row("join to first media, ms, p95", _joins(95), "{:.0f}", most=1.0),
    Row("kB a participant, with media", _median(lambda run: run.room_bytes / 1e3), "{:.0f}", most=1.0),
    Row("kB a participant, signalling", _median(lambda run: run.crowd_bytes / 1e3), "{:.0f}", most=1.0),
    Row("CPU ms a join, signalling", _median(lambda run: run.crowd_join_cpu_ms)),
)


def build_table(found: Sequence[Figures], names: Sequence[str]) -> Table:
    """A column for each server, and where there are two the ratio of the first to the second."""
    runs = [[figures for figures in found if figures.server == name] for name in names]
    ratio = ("ratio", "goal") if len(names) > 1 else ()
    table = Table("", *names, *ratio)
    for row in ROWS:
        values = [row.read(each) for each in runs]
        cells = [row.form.format(value) for value in values]
        if ratio:
            cells += [f"{values[0] / values[1]:.2f}" if values[1] else "", _judge(row, values, runs)]
        table.add_row(row.title, *cells)
    return table


def _judge(row: Row, values: Sequence[float], runs: Sequence[Sequence[Figures]]) -> str:
    if row.most is None:
        return ""
    short = [any(run.forwarding.delivered < _ENOUGH for run in each) for each in runs]
    if short[0]:
        return f"{row.most:g}: not told, packets are missing"
    verdict = "reached" if values[0] <= row.most * values[1] else "missed"
    return f"{row.most:g}: {verdict}" + (", and the other's miss packets" if short[1] else "")
