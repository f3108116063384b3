"""The command line of the simulator."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.cluster.crowd import Crowd, Size
from bench.cluster.redis_rate import measure_redis
from bench.cluster.report import print_outcome, print_verdicts
from bench.cluster.trials import run_trial
from sfu.cluster.directory import DirectoryUnavailableError
from sfu.errors import ConfigError


def run_cluster(
    nodes: Annotated[int, typer.Option(min=2, help="How many.")] = 100,
    rooms: Annotated[int, typer.Option(min=1, help="At the same time.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=30, help="Of virtual time.")] = 60.0,
    regions: Annotated[int, typer.Option(min=1)] = 4,
    life: Annotated[float, typer.Option(min=1, help="Of a room, in seconds, on the average.")] = 2700.0,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 1,
    trials: Annotated[int, typer.Option(help="Play so many small clusters in trouble instead, from that seed on.")] = 0,
    redis: Annotated[
        str, typer.Option(metavar="URL", help="Measure a real Redis instead; it uses the prefix sfu-bench there.")
    ] = "",
    json_path: Annotated[Path | None, typer.Option("--json", metavar="F", help="Where the figures go.")] = None,
) -> None:
    """Simulate a cluster in virtual time, with the real membership, placement and directory."""
    console = Console()
    if redis:
        try:
            figures = asyncio.run(measure_redis(redis, console))
        except (DirectoryUnavailableError, ConfigError) as error:
            console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
            raise typer.Exit(2) from None
        _write(json_path, figures)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        if trials:
            verdicts = []
            task = progress.add_task("small clusters", total=trials)
            for number in range(seed, seed + trials):
                verdicts.append(run_trial(number))
                progress.advance(task)
            bad = [verdict for verdict in verdicts if not verdict.is_good]
        else:
            task = progress.add_task("virtual seconds", total=round(seconds))
            size = Size(nodes, rooms, seconds, regions, life)
            outcome = Crowd(size, seed, lambda now: progress.update(task, completed=round(now))).run()
    if trials:
        print_verdicts(console, trials, bad)
        _write(json_path, {"trials": trials, "bad": [dataclasses.asdict(verdict) for verdict in bad]})
        failed = bool(bad)
    else:
        print_outcome(console, outcome)
        counted = {"operations": outcome.operations, "bytes": outcome.bytes}  # of which `asdict` makes counts of pairs
        _write(json_path, dataclasses.asdict(outcome) | counted)
        failed = outcome.double_homes > 0
    if failed:
        raise typer.Exit(1)


def _write(path: Path | None, figures: object) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(figures, indent=2) + "\n")


def main() -> None:
    """Entry point of `python -m bench.cluster`."""
    typer.run(run_cluster)
