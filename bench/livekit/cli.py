"""The command line of the bench of the LiveKit protocol."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.links import GCM_128
from bench.livekit.door import Door
from bench.livekit.measure import Figures, Settings, run_once
from bench.livekit.report import build_table
from bench.livekit.room import compile_generator
from bench.livekit.servers import Contender, Node, Other
from bench.runner import alone, check_cores, raise_file_limit

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
_RUN_LIMIT_S = 400.0


@app.command()
def main(
    other_command: Annotated[
        str, typer.Option(help="Starts another server in the foreground, to be measured beside ours.")
    ] = "",
    other_url: Annotated[str, typer.Option(help="Where that one takes participants.")] = "ws://127.0.0.1:7880",
    other_key: Annotated[str, typer.Option(help="An API key of it.")] = "devkey",
    other_secret: Annotated[str, typer.Option(help="The key's secret.")] = "secret",
    ours: Annotated[bool, typer.Option("--ours/--no-ours", help="Measure our node.")] = True,
    size: Annotated[int, typer.Option(min=2, max=24, help="People of the room with media.")] = 12,
    crowd: Annotated[int, typer.Option(min=1, max=2000, help="People of the room in which all only signal.")] = 200,
    joins: Annotated[int, typer.Option(min=1, max=200, help="Joins that are timed in each run.")] = 20,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of each measured window.")] = 8.0,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Interleaved runs of each; the medians are shown.")] = 3,
    server_core: Annotated[int, typer.Option(help="Core of the server under test.")] = 1,
    generator_core: Annotated[int, typer.Option(help="Core of the participants.")] = 0,
    json_path: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Fill a room over the LiveKit protocol, on loopback; what that costs our node, and another server."""
    console = Console()
    settings = Settings(size, crowd, joins, seconds, runs, server_core, generator_core)
    identity = ClientIdentity.generate(GCM_128)
    contenders: list[Contender] = [Node(identity)] if ours else []
    if other_command:
        contenders.append(Other(other_command, Door(other_url, other_key, other_secret)))
    try:
        found = _run(console, contenders, settings, identity)
    except BenchError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    console.print(build_table(found, [each.name for each in contenders]))
    if json_path is not None:
        json_path.write_text(json.dumps([dataclasses.asdict(each) for each in found], indent=1), encoding="ascii")


def _run(console: Console, contenders: list[Contender], settings: Settings, identity: ClientIdentity) -> list[Figures]:
    if not contenders:
        raise BenchError("there is nothing to measure: leave --no-ours out, or give --other-command")
    check_cores(settings.server_core, settings.generator_core)
    raise_file_limit()
    compile_generator()
    found = []
    with alone():
        os.sched_setaffinity(0, {settings.generator_core})
        for number in range(settings.runs):
            for contender in contenders:
                console.print(f"{contender.name} #{number + 1}", highlight=False)
                figures = uvloop.run(_limited(contender, settings, identity))
                found.append(figures)
                console.print(f"  {figures.forwarding.cpu_us:.2f} us/packet, {figures.forwarding.delivered:.3%} of all")
    return found


async def _limited(contender: Contender, settings: Settings, identity: ClientIdentity) -> Figures:
    async with asyncio.timeout(_RUN_LIMIT_S):
        return await run_once(contender, settings, identity)
