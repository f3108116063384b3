"""The command line of the congestion-control bench: `sfu bench bwe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.bwe.plot import write_plot
from bench.bwe.run import Result, Stage
from bench.bwe.scenarios import SCENARIOS

_RESULTS = Path(__file__).parents[1] / "results" / "bwe"


def run_bwe(
    quick: Annotated[bool, typer.Option("--quick", help="A few scenarios, in half a minute.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", metavar="F", help="Where the figures go.")] = None,
    plots: Annotated[Path, typer.Option(help="Folder of the pictures.")] = _RESULTS,
    only: Annotated[str, typer.Option(help="Those whose names contain this.")] = "",
    seed: Annotated[int, typer.Option(help="Of all that is random: media, loss, jitter.")] = 1,
) -> None:
    """Run the congestion-control scenarios (RFC 8867, RFC 8869) in virtual time, and draw each."""
    console = Console()
    chosen = [scenario for scenario in SCENARIOS if only in scenario.name and (scenario.quick or not quick)]
    if not chosen:
        console.print(f"[bold red]error:[/] no scenario is named like {only!r}", highlight=False)
        raise typer.Exit(2)
    results: list[Result] = []
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        whole = progress.add_task("all", total=sum(scenario.seconds for scenario in chosen))
        for scenario in chosen:
            done = progress.tasks[0].completed
            progress.update(whole, description=scenario.name)
            stage = Stage(scenario, seed)
            seconds = scenario.seconds
            result = stage.run(
                lambda share, done=done, seconds=seconds: progress.update(whole, completed=done + share * seconds)  # type: ignore[misc]
            )
            write_plot(plots, result)
            results.append(result)
    _print(console, results)
    console.print(f"Pictures: {plots}", highlight=False, soft_wrap=True)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps({"scenarios": [result.row() for result in results]}, indent=2) + "\n")


def _print(console: Console, results: list[Result]) -> None:
    quality = ("queue p95", "with pacer", "loss", "fairness", "pauses", "layer changes / min")
    table = Table("scenario", "used", "by others", *quality)
    for result in results:
        table.add_row(
            result.name,
            f"{result.utilisation:.0%}",
            f"{result.competing:.0%}",
            f"{result.queue_delay_p95_ms:.0f} ms",
            f"{result.delay_p95_ms:.0f} ms",
            f"{result.loss:.2%}",
            f"{result.fairness:.2f}",
            str(result.starvations),
            f"{result.layer_changes_per_minute:.1f}",
        )
    console.print(table)


def main() -> None:
    """Entry point of `python -m bench.bwe`."""
    typer.run(run_bwe)
