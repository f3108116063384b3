"""What single attacks cost: one conference for each, before, during and after it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.attack.conference import Conference, Phase, on_core
from bench.attack.gang import ATTACKS, RATES, Gang, Tallies
from bench.errors import BenchError

_WARM_S = 15.0
"""Until tables and histories have been written in once, and each client has sent its first consent check."""
_LIMIT_S = 900.0


async def measure(
    directory: Path, scenario: str, attack: str, seconds: float, passed: Callable[[str, float], None]
) -> tuple[list[Phase], Tallies]:
    """The phases of one conference under one attack; `passed` is told what goes on, and how much time has passed."""
    conference = Conference(directory, scenario, _LIMIT_S, lambda doing: passed(doing, 0.0))
    with on_core(conference.own_core):
        try:
            await conference.open()
            phases = []

            async def add(name: str, length: float) -> None:
                passed(name, 0.0)
                phases.append(await conference.phase(name, length))
                passed(name, length)

            await add("warm", _WARM_S)
            await add("before", seconds)
            gang = Gang(conference.target(), (attack,), conference.own_core)
            await asyncio.to_thread(gang.start)
            await add("during", seconds)
            await asyncio.to_thread(gang.stop)
            await add("after", seconds)
            await conference.stop_recording()
            return phases[1:], gang.tallies
        finally:
            with contextlib.suppress(ProcessLookupError):
                await conference.close()


def run(
    attacks: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(ATTACKS)}; nacks, junk, http.")] = None,
    seconds: Annotated[float, typer.Option(min=2, max=120, help="Of each phase.")] = 15.0,
    scenario: Annotated[str, typer.Option(help="Who confers, as for `python -m bench`.")] = "hearings:1",
) -> None:
    """Attack a recorded conference on loopback, and print what it costs the others."""
    # Ended from outside, it still ends its node and its attackers.
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.kill(os.getpid(), signal.SIGINT))
    console = Console()
    chosen = attacks or ["nacks", "junk", "http"]
    try:
        for name in chosen:
            if name not in ATTACKS:
                raise BenchError(f"{name!r} is no attack: choose from {', '.join(ATTACKS)}")
        table = Table("attack", "phase", "delivered", "healthz median", "worst", "CPU", "RSS", "descriptors", "most")
        notes = []
        columns = (TextColumn("{task.description:<28}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task("", total=len(chosen) * (_WARM_S + 3 * seconds))
            for name in chosen:

                def passed(doing: str, length: float, name: str = name) -> None:
                    progress.update(task, description=f"{name}: {doing}", advance=length)

                with tempfile.TemporaryDirectory(prefix="sfu-attack-") as directory:
                    phases, tallies = asyncio.run(measure(Path(directory), scenario, name, seconds, passed))
                add_rows(table, name, phases)
                notes.append(f"{tell_rates(tallies, seconds)}; {RATES[name]:,.0f}/s wanted")
    except BenchError as error:
        console.print(f"[bold red]error:[/] {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    console.print(table)
    console.print("\n".join(notes), highlight=False)


def add_rows(table: Table, attack: str, phases: list[Phase]) -> None:
    """A row for each phase."""
    for phase in phases:
        table.add_row(
            attack,
            phase.name,
            f"{phase.share:.2%}",
            f"{phase.median_ms:.1f} ms",
            f"{phase.worst_ms:.0f} ms",
            f"{phase.busy:.0%}",
            f"{phase.resident_bytes / 2**20:.0f} MiB",
            str(phase.descriptors),
            str(phase.most_descriptors),
        )


def tell_rates(tallies: Tallies, seconds: float) -> str:
    """What each attack did, in all and a second."""
    told = []
    for name, tally in tallies.items():
        parts = (f"{what} {count:,} ({count / seconds:,.0f}/s)" for what, count in tally.items())
        told.append(f"{name}: {', '.join(parts)}")
    return "\n".join(told)


def main() -> None:
    """Entry point of `python -m bench.attack`."""
    typer.run(run)
