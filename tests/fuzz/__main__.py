"""Fuzz all targets, guided by coverage and then in batches: `python -m tests.fuzz [guided|batches] [TARGET]...`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.fuzz.batch.targets import TARGETS
from tests.fuzz.batch.watch import Piece
from tests.fuzz.guided_runs import GUIDED, GuidedRun

_POLL_S = 0.5
_CONSOLE = Console()


def pieces_of(arguments: argparse.Namespace) -> list[Any]:
    """All runs, in their order."""
    chosen, runs = arguments.targets, []
    if arguments.kind in ("guided", "all"):
        runs += [GuidedRun(name, arguments.seconds) for name in GUIDED if not chosen or name in chosen]
    if arguments.kind in ("batches", "all"):
        limits = ["--inputs", str(arguments.inputs)] if arguments.inputs else ["--seconds", str(arguments.seconds)]
        for name, target in TARGETS.items():
            if not chosen or name in chosen:
                # plain Python has no other way to be faster
                times = 1 if target.compiled else arguments.jobs
                runs += [Piece(name, arguments.seed + k, limits, Path.cwd()) for k in range(times)]
    return runs


def main() -> int:
    """Run, so many processes at a time, and say what was tried and found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="?", default="all", choices=("all", "guided", "batches"))
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=float, default=60, help="for each target")
    parser.add_argument("--inputs", type=int, default=0, help="for each target that is fuzzed in batches, instead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--counts", type=Path, help="a file to which a line of JSON for each run is added")
    arguments = parser.parse_intermixed_args()
    results = run_all(pieces_of(arguments), arguments)
    show(results)
    return 1 if any(result["finding"] for result in results) else 0


def run_all(waiting: list[Any], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """What came of each run; none goes on when this ends."""
    results: list[dict[str, Any]] = []
    running: list[tuple[Any, TaskID]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with Progress(*columns, console=_CONSOLE, refresh_per_second=2) as progress:
        overall = progress.add_task("all", total=len(waiting), told="")
        try:
            while waiting or running:
                while waiting and len(running) < arguments.jobs:
                    piece = waiting.pop(0)
                    piece.start()
                    total = float(arguments.inputs or arguments.seconds)
                    running.append((piece, progress.add_task(piece.name, total=total, told="begins")))
                for piece, task in list(running):
                    follow(progress, task, piece, arguments)
                    if piece.poll():
                        running.remove((piece, task))
                        progress.remove_task(task)
                        progress.advance(overall)
                        results.append(piece.result)
                        note(piece.result, arguments.counts)
                time.sleep(_POLL_S)
        finally:
            for piece, _ in running:
                piece.process.kill()
    return results


def note(result: dict[str, Any], counts: Path | None) -> None:
    """Keep a result, and say at once what was found."""
    if counts is not None:
        with counts.open("a") as file:
            file.write(json.dumps(result) + "\n")
    if result["finding"]:
        _CONSOLE.print(f"{result['finding']}: {result['crash']}", style="red", markup=False)


def follow(progress: Progress, task: TaskID, piece: Any, arguments: argparse.Namespace) -> None:
    """Let the bar say how far a run is."""
    elapsed = progress.tasks[progress.task_ids.index(task)].elapsed or 0.0
    batched = arguments.inputs and isinstance(piece, Piece)
    done = piece.inputs if batched else elapsed
    progress.update(task, completed=done, told=f"{piece.inputs:,} inputs, {piece.inputs / max(elapsed, 0.1):,.0f}/s")


def show(results: list[dict[str, Any]]) -> None:
    """A line for each target, and their sum."""
    table = Table("target", "inputs", "inputs/s", "inputs/s of CPU", "findings")
    for column in table.columns[1:]:
        column.justify = "right"
    joined: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for result in results:
        entry = joined[result["target"]]
        entry["seconds"] = max(entry["seconds"], result["seconds"])  # they ran side by side
        for name in ("inputs", "timed_inputs", "cpu_seconds"):
            entry[name] += result[name]
        entry["findings"] += bool(result["finding"])
    for name, entry in joined.items():
        rates = [entry["timed_inputs"] / max(entry[each], 0.01) for each in ("seconds", "cpu_seconds")]
        cells = [f"{entry['inputs']:,.0f}", *(f"{rate:,.0f}" for rate in rates), f"{entry['findings']:.0f}"]
        table.add_row(name, *cells)
    total = [sum(entry[each] for entry in joined.values()) for each in ("inputs", "findings")]
    table.add_row("all", f"{total[0]:,.0f}", "", "", f"{total[1]:.0f}")
    _CONSOLE.print(table)


if __name__ == "__main__":
    sys.exit(main())
