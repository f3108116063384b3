"""The results as Markdown, put between two marks of a page: all of them, or the few that a README has room for."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.figures import Figures, median_of, select
from bench.report import cpu_model, warnings_of
from bench.scenario import RECORDING, Settings
from bench.targets import SFU, Outcome

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
BRIEF_BEGIN, BRIEF_END = "<!-- bench:brief:begin -->", "<!-- bench:brief:end -->"
_COLUMNS: Sequence[tuple[str, Callable[[Figures], float | None], str, float]] = (
    ("CPU, us a packet", lambda run: run.cpu_us, ".2f", 1.0),
    ("of it Python, %", lambda run: run.control_share, ".0f", 0.01),
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


def build_brief(settings: Settings, runs: Sequence[Figures], today: datetime.date) -> str:
    """One table: what a packet costs of each server's CPU, and how many of them one core sustains."""
    runs = [run for run in runs if run.server != RECORDING]
    servers = list(dict.fromkeys(run.server for run in runs))
    lines = [_row(["", *(f"**{name}**" if name == SFU else name for name in servers)])]
    lines.append(_row(["---", *("---:" for _server in servers)]))
    for scenario in dict.fromkeys(run.scenario for run in runs):
        of_each = [select(runs, server, scenario) for server in servers]
        sustained = [median_of(mine, lambda run: run.saturation_pps) for mine in of_each]
        if any(value is not None for value in sustained):
            cells = ["" if value is None else f"{value:,.0f}" for value in sustained]
            lines.append(_row([f"{scenario}, packets/s on one core", *cells]))
        else:
            lines.append(_row([f"{scenario}, CPU in us a packet", *map(_brief_cost, of_each)]))
    about = (
        f"Measured on {today.isoformat()} with {settings.runs} interleaved runs of each server on one core of "
        f"{cpu_model()}, clients that do what browsers do."
    )
    return "\n".join([*lines, "", about])


def _brief_cost(runs: Sequence[Figures]) -> str:
    cost = median_of(runs, lambda run: run.cpu_us)
    if cost is None:
        return ""
    worst = min(runs, key=lambda run: run.delivered)
    return f"{cost:.2f}" + ("" if worst.complete else f" ({worst.delivered:.1%} delivered)")


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


def replace_between(text: str, markdown: str, brief: str) -> str:
    """`text` with what stands between each pair of marks replaced; BenchError when it has neither pair whole."""
    replaced = False
    for first, last, content in ((BEGIN, END, markdown), (BRIEF_BEGIN, BRIEF_END, brief)):
        head, begin, rest = text.partition(first)
        _old, end, tail = rest.partition(last)
        if begin and end:
            text = f"{head}{first}\n\n{content}\n\n{last}{tail}"
            replaced = True
    if not replaced:
        raise BenchError(
            f"the page has no {BEGIN} ... {END}, and for the short table no {BRIEF_BEGIN} ... {BRIEF_END}: "
            "put both of a pair where the tables shall stand"
        )
    return text


def check_page(path: Path) -> None:
    """BenchError when the tables cannot go into a page: better said before the bench has run."""
    if not path.is_file():
        raise BenchError(f"there is no page {path}: name one that has {BEGIN} ... {END}")
    replace_between(path.read_text(encoding="utf-8"), "", "")


def update_page(path: Path, markdown: str, brief: str) -> None:
    """Put them into a page."""
    path.write_text(replace_between(path.read_text(encoding="utf-8"), markdown, brief), encoding="utf-8")
