"""The results as Markdown, put between two marks of a page: the project's README."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from bench.errors import BenchError
from bench.figures import Figures, median_of, select
from bench.targets import Outcome, check_targets

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
_COLUMNS: Sequence[tuple[str, Callable[[Figures], float | None], str, float]] = (
    ("CPU, us a packet", lambda run: run.cpu_us, ".2f", 1.0),
    ("delivered", lambda run: run.delivered, ".2%", 1.0),
    ("p50, ms", lambda run: run.latency_p50_us, ".2f", 1e3),
    ("p99, ms", lambda run: run.latency_p99_us, ".2f", 1e3),
    ("kB a subscriber", lambda run: run.memory_bytes, ".0f", 1e3),
    ("CPU, ms a join", lambda run: run.join_cpu_ms, ".2f", 1.0),
    ("sustained, packets/s", lambda run: run.saturation_pps, ",.0f", 1.0),
)


def build_markdown(runs: Sequence[Figures]) -> str:
    """A table of medians and a table of targets."""
    return "\n".join([*_results(runs), "", *_targets(check_targets(runs))])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _results(runs: Sequence[Figures]) -> list[str]:
    lines = [_row(["scenario", "server", *(name for name, *_rest in _COLUMNS)])]
    lines.append(_row(["---", "---", *("---:" for _column in _COLUMNS)]))
    for scenario in dict.fromkeys(run.scenario for run in runs):
        for server in dict.fromkeys(run.server for run in runs):
            mine = select(runs, server, scenario)
            if mine:
                medians = [(median_of(mine, read), form, unit) for _name, read, form, unit in _COLUMNS]
                cells = ["" if value is None else format(value / unit, form) for value, form, unit in medians]
                lines.append(_row([scenario, server, *cells]))
    return lines


def _targets(outcomes: Sequence[Outcome]) -> list[str]:
    lines = [_row(["target", "measured", "required", "aim", ""]), _row(["---", "---:", "---:", "---:", "---"])]
    for outcome in outcomes:
        form = ",.0f" if outcome.required >= 100 else ".2f"
        sign = "≤" if outcome.at_most else "≥"
        aim = "" if outcome.aim is None else f"{sign} {outcome.aim:{form}}"
        verdict = "reached" if outcome.reached else "**missed**"
        if outcome.aim_reached:
            verdict = "aim reached"
        lines.append(_row([outcome.name, f"{outcome.value:{form}}", f"{sign} {outcome.required:{form}}", aim, verdict]))
    return lines


def replace_between(text: str, markdown: str) -> str:
    """`text` with what stands between the marks replaced; BenchError when the marks are missing."""
    head, begin, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise BenchError(f"the page has no {BEGIN} ... {END}: put both where the tables shall stand")
    return f"{head}{BEGIN}\n\n{markdown}\n\n{END}{tail}"


def update_page(path: Path, runs: Sequence[Figures]) -> None:
    """Put the tables of these runs into a page."""
    path.write_text(replace_between(path.read_text(encoding="utf-8"), build_markdown(runs)), encoding="utf-8")
