"""The results as Markdown, put between two marks of a page: the project's README."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.figures import Figures, median_of, select
from bench.report import cpu_model, warnings_of
from bench.scenario import Settings
from bench.targets import SFU, Outcome

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_COLUMNS: Sequence[tuple[str, Callable[[Figures], float | None], str, float]] = (
    ("CPU, us a packet", lambda run: run.cpu_us, ".2f", 1.0),
    ("all get all after, s", lambda run: run.ramp_s, ".1f", 1.0),
    ("p50, ms", lambda run: run.latency_p50_us, ".2f", 1e3),
    ("p99, ms", lambda run: run.latency_p99_us, ".2f", 1e3),
    ("kB a subscriber", lambda run: run.memory_bytes, ".0f", 1e3),
    ("CPU, ms a join", lambda run: run.join_cpu_ms, ".2f", 1.0),
    ("sustained, packets/s", lambda run: run.saturation_pps, ",.0f", 1.0),
)
_EARLIER = """\
Earlier tables do not compare with this one: they were measured with clients that offered neither transport-wide
feedback nor RTX, and without audio, so that congestion control was idle (4.8 to 5.5 us a packet at 100 viewers then,
6.9 to 8.2 with feedback)."""


def build_markdown(
    settings: Settings, runs: Sequence[Figures], outcomes: Sequence[Outcome], today: datetime.date
) -> str:
    """Under which conditions, a table of medians, a table of targets, and what is doubtful."""
    parts = [_conditions(settings, today), "", *_results(runs), "", *_targets(outcomes)]
    doubts = warnings_of(runs)
    if doubts:
        parts += ["", "Doubtful:", "", *(f"* {text}" for text in doubts)]
    return "\n".join([*parts, "", _EARLIER])


def _conditions(settings: Settings, today: datetime.date) -> str:
    kernel = ".".join(platform.release().split(".")[:2])
    path = "loopback" if settings.loopback else "two network namespaces joined by a veth pair"
    clients = (
        "The clients do what browsers do: transport-wide feedback every 100 ms, receiver reports, NACK and RTX, "
        "consent checks, Opus beside video; every server has congestion control and repair on, as far as it has them."
        if settings.feedback
        else "The clients offer neither transport-wide feedback nor RTX: congestion control is idle."
    )
    return (
        f"Measured on {today.isoformat()}: server and generator on one core each of {os.cpu_count()} ({cpu_model()}, "
        f"Linux {kernel}), {path}, {settings.profile} for all; medians of {settings.runs} interleaved runs of "
        f"{settings.seconds:g} s, of saturation one search. {clients} CPU is the server's, per delivered packet, the "
        "receivers' half of the network stack included. *Delivered* is the least of the runs, of media packets, each "
        "counted once."
    )


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _results(runs: Sequence[Figures]) -> list[str]:
    names = [name for name, *_rest in _COLUMNS]
    lines = [_row(["scenario", "server", names[0], "delivered", *names[1:]])]
    lines.append(_row(["---", "---", *("---:" for _column in (*names, "delivered"))]))
    for scenario in dict.fromkeys(run.scenario for run in runs):
        for server in dict.fromkeys(run.server for run in runs):
            mine = select(runs, server, scenario)
            if mine:
                medians = [(median_of(mine, read), form, unit) for _name, read, form, unit in _COLUMNS]
                cells = ["" if value is None else format(value / unit, form) for value, form, unit in medians]
                name = f"**{server}**" if server == SFU else server
                lines.append(_row([scenario, name, cells[0], _delivered(mine), *cells[1:]]))
    return lines


def _delivered(runs: Sequence[Figures]) -> str:
    """The least of the runs; plainly marked where packets are missing."""
    worst = min(runs, key=lambda run: run.delivered)
    if worst.complete:
        return f"{worst.delivered:.2%}"
    short = f", {worst.short_subscribers} of {worst.subscribers} short" if worst.short_subscribers else ""
    return f"**{worst.delivered:.2%}**{short}"


def _targets(outcomes: Sequence[Outcome]) -> list[str]:
    lines = [_row(["target", "measured", "required", "aim", ""]), _row(["---", "---:", "---:", "---:", "---"])]
    for outcome in outcomes:
        form = ",.0f" if (outcome.required or 0) >= 100 else ".2f"
        sign = "≤" if outcome.at_most else "≥"
        aim = "" if outcome.aim is None else f"{sign} {outcome.aim:{form}}"
        required = "" if outcome.required is None else f"{sign} {outcome.required:{form}}"
        verdict = f"**{outcome.verdict}**" if outcome.reached is False else outcome.verdict
        lines.append(_row([outcome.name, f"{outcome.value:{form}}", required, aim, verdict]))
    return lines


def replace_between(text: str, markdown: str) -> str:
    """`text` with what stands between the marks replaced; BenchError when the marks are missing."""
    head, begin, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"the page has no {BEGIN} ... {END}: put both where the tables shall stand")
    return f"{head}{BEGIN}\n\n{markdown}\n\n{END}{tail}"


def check_page(path: Path) -> None:
    """BenchError when the tables cannot go into a page: better said before the bench has run."""
    if not path.is_file():
        raise BenchError(f"there is no page {path}: name one that has {BEGIN} ... {END}")
    replace_between(path.read_text(encoding="utf-8"), "")


def update_page(path: Path, markdown: str) -> None:
    """Put it into a page."""
    path.write_text(replace_between(path.read_text(encoding="utf-8"), markdown), encoding="utf-8")
