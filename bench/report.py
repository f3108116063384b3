"""The table for people, and the JSON for everything else."""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.figures import Figures, median_of, select, spread_of
from bench.scenario import Settings
from bench.targets import Outcome


def _number(value: float | None, form: str, unit: float = 1.0) -> str:
    return "-" if value is None else format(value / unit, form)


def _names(runs: Sequence[Figures], read: Callable[[Figures], str]) -> list[str]:
    return list(dict.fromkeys(read(run) for run in runs))


def results_table(runs: Sequence[Figures]) -> Table:
    """One row per scenario and server; medians over the runs."""
    table = Table(title="Medians; CPU is the server's, per delivered packet", title_justify="left")
    table.add_column("scenario")
    table.add_column("server")
    for name in (
        "CPU us",
        "least-most",
        "core us",
        "Python %",
        "delivered",
        "all after s",
        "p50 ms",
        "p99 ms",
        "kB/sub",
        "join ms",
        "joins/s",
        "packets/s",
    ):
        table.add_column(name, justify="right")
    last = ""
    for scenario in _names(runs, lambda run: run.scenario):
        for server in _names(runs, lambda run: run.server):
            mine = select(runs, server, scenario)
            if mine:
                table.add_row(scenario if scenario != last else "", server, *_cells(mine))
                last = scenario
        table.add_section()
    return table


def _cells(runs: Sequence[Figures]) -> list[str]:
    spread = spread_of(runs, lambda run: run.cpu_us)
    pps = median_of(runs, lambda run: run.saturation_pps if run.saturation_bound else run.packets_per_s)
    bounds = {run.saturation_bound for run in runs} - {None, "server"}
    return [
        _number(median_of(runs, lambda run: run.cpu_us), ".2f"),
        "-" if spread is None else f"{spread[0]:.2f}-{spread[1]:.2f}",
        _number(median_of(runs, lambda run: run.core_us), ".2f"),
        _number(median_of(runs, lambda run: run.control_share), ".0f", 0.01),
        _delivered(runs),
        _number(median_of(runs, lambda run: run.ramp_s), ".1f"),
        _number(median_of(runs, lambda run: run.latency_p50_us), ".2f", 1e3),
        _number(median_of(runs, lambda run: run.latency_p99_us), ".2f", 1e3),
        _number(median_of(runs, lambda run: run.memory_bytes), ".0f", 1e3),
        _number(median_of(runs, lambda run: run.join_cpu_ms), ".2f"),
        _number(median_of(runs, lambda run: run.joins_per_s), ".0f"),
        _number(pps, ",.0f") + (f" ({', '.join(sorted(map(str, bounds)))})" if bounds else ""),
    ]


def _delivered(runs: Sequence[Figures]) -> str:
    """The least of the runs: one in which packets are missing is not made up for by another one."""
    worst = min(runs, key=lambda run: run.delivered)
    share = f"{worst.delivered:.4%}"
    return share if worst.complete else f"[red]{share}[/]"


def targets_table(outcomes: Sequence[Outcome]) -> Table:
    """What must be reached, and whether it was."""
    table = Table(title="Targets", title_justify="left")
    table.add_column("target")
    for name in ("measured", "required", "aim", ""):
        table.add_column(name, justify="right")
    for outcome in outcomes:
        sign = "<=" if outcome.at_most else ">="
        form = ",.0f" if (outcome.required or 0) >= 100 else ".2f"
        verdict = f"[{'red' if outcome.reached is False else 'green'}]{outcome.verdict}[/]"
        aim = "-" if outcome.aim is None else f"{sign} {outcome.aim:{form}}"
        required = "-" if outcome.required is None else f"{sign} {outcome.required:{form}}"
        table.add_row(outcome.name, f"{outcome.value:{form}}", required, aim, verdict)
    return table


def _missing(run: Figures) -> str:
    missing = run.expected_packets - run.delivered_packets
    share = f"{missing:,} of {run.expected_packets:,} packets were not delivered"
    return f"{share}, {run.short_subscribers} of {run.subscribers} subscribers got less than 99 %"


def warnings_of(runs: Sequence[Figures]) -> list[str]:
    """What makes a figure doubtful, in words."""
    found = []
    for run in runs:
        where = f"{run.scenario} {run.server}"
        if run.saturation_bound is None and not run.complete:
            found.append(f"{where}: {_missing(run)}")
        if run.unauthentic or run.malformed:
            found.append(f"{where}: of the sample {run.unauthentic} were not authentic, {run.malformed} were wrong")
        if run.saturation_bound is None and run.late_frames:
            found.append(f"{where}: the generator published {run.late_frames} frames too late and left them out")
        if run.generator_drops and run.saturation_bound is None:
            found.append(f"{where}: the generator itself lost {run.generator_drops} datagrams")
        if run.unanswered_checks > max(run.subscribers, 2) // 2:
            found.append(f"{where}: {run.unanswered_checks} consent checks had no answer")
        if run.cpu_us and run.core_us and run.core_us > 1.25 * run.cpu_us and run.packets_per_s > 10_000:
            used = f"{run.core_us:.1f} against {run.cpu_us:.1f} us"
            found.append(f"{where}: other programs used the server's core ({used})")
    return found


def print_report(console: Console, runs: Sequence[Figures], outcomes: Sequence[Outcome]) -> None:
    """Tables and warnings."""
    console.print(results_table(runs))
    if outcomes:
        console.print(targets_table(outcomes))
    for text in warnings_of(runs):
        console.print(f"[yellow]doubtful:[/] {text}", highlight=False)


def build_document(
    settings: Settings, runs: Sequence[Figures], outcomes: Sequence[Outcome], now: datetime.datetime
) -> dict[str, object]:
    """Everything about a bench as plain data."""
    return {
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "kernel": platform.release(),
            "architecture": platform.machine(),
            "cpu": cpu_model(),
            "python": platform.python_version(),
        },
        "settings": {
            "scenarios": [scenario.name for scenario in settings.scenarios],
            "runs": settings.runs,
            "seconds": settings.seconds,
            "server_core": settings.server_core,
            "generator_core": settings.generator_core,
            "path": "loopback" if settings.loopback else "veth pair, a namespace each",
            "receiver_gro": settings.receiver_gro,
            "feedback": settings.feedback,
            "sample_every": settings.sample_every,
            "srtp_profile": settings.profile,
        },
        "traffic": {
            scenario.name: {
                kind: {
                    "packets_per_second": traffic.packets_per_second,
                    "packet_bytes": traffic.packet_bytes,
                    "bits_per_second": traffic.bits_per_second,
                }
                for kind, traffic in scenario.traffic.items()
            }
            for scenario in settings.scenarios
        },
        "targets": [
            {**dataclasses.asdict(outcome), "reached": outcome.reached, "aim_reached": outcome.aim_reached}
            for outcome in outcomes
        ],
        "warnings": warnings_of(runs),
        "runs": [{**dataclasses.asdict(run), "delivered": run.delivered} for run in runs],
    }


def write_json(path: Path, document: dict[str, object]) -> None:
    """Write the document, readable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def cpu_model() -> str:
    """The processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"
