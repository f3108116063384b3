"""The command line of the bench."""

from __future__ import annotations

import datetime
import os
import signal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.errors import BenchError
from bench.figures import Figures
from bench.markdown import build_brief, build_markdown, check_page, update_page
from bench.plot import write_plot
from bench.report import build_document, print_report, write_json
from bench.runner import Run, plan_runs, run_all
from bench.scenario import FULL, QUICK, SERVERS, Kind, Settings, parse_scenario
from bench.targets import check_forwarding, check_targets

app = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
_FILE_WIDTH = 144
_RESULTS = Path(__file__).parent / "results"


@app.command()
def main(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help=f"KIND:SIZE, KIND one of {', '.join(kind.value for kind in Kind)}; repeat it."),
    ] = None,
    server: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(SERVERS)}; repeat it.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fan-out to 100 and 15 hearings, once, in two minutes.")
    ] = False,
    runs: Annotated[int, typer.Option(min=1, max=20, help="Interleaved runs of each; the median is shown.")] = 3,
    seconds: Annotated[float, typer.Option(min=1, max=60, help="Length of each measured window.")] = 4.0,
    server_core: Annotated[int, typer.Option(help="Core of the server under test.")] = 1,
    generator_core: Annotated[int, typer.Option(help="Core of the load generator.")] = 0,
    sample_every: Annotated[int, typer.Option(min=1, help="Decrypt and check one read in so many; 1 checks all.")] = 50,
    receiver_gro: Annotated[bool, typer.Option("--receiver-gro", help="UDP_GRO on subscribers' sockets.")] = False,
    feedback: Annotated[
        bool, typer.Option("--feedback/--no-feedback", help="Offer transport-wide feedback and retransmission.")
    ] = True,
    loopback: Annotated[bool, typer.Option("--loopback", help="127.0.0.1, no namespaces, no root, no Janus.")] = False,
    json_path: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _RESULTS / "latest.json",
    plot_path: Annotated[Path, typer.Option("--plot", help="Where the picture goes.")] = _RESULTS / "latest.png",
    page: Annotated[list[Path] | None, typer.Option(help="Page whose bench marks get the tables; repeat it.")] = None,
) -> None:
    """Load media servers one after the other and compare what a delivered packet costs."""
    # Ended from outside, it still ends its servers and takes its namespaces down.
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.kill(os.getpid(), signal.SIGINT))
    console = Console()
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    try:
        for path in page or ():
            check_page(path)
        settings = Settings(
            scenarios=tuple(parse_scenario(text) for text in scenario or (QUICK if quick else FULL)),
            servers=tuple(server or SERVERS),
            runs=1 if quick else runs,
            seconds=seconds,
            server_core=server_core,
            generator_core=generator_core,
            sample_every=sample_every,
            receiver_gro=receiver_gro,
            feedback=feedback,
            loopback=loopback,
        )
        found = _run(console, settings)
    except BenchError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from None
    outcomes = check_targets(found)
    if not scenario and not quick:
        # The plane's kernels take seconds to load, and nothing else here needs them.
        from bench.kernels.selection import ROUNDS, measure

        outcomes += check_forwarding(measure(ROUNDS, console))
    now = datetime.datetime.now(datetime.UTC)
    print_report(console, found, outcomes)
    write_json(json_path, build_document(settings, found, outcomes, now))
    write_plot(plot_path, found)
    for path in page or ():
        today = now.date()
        update_page(path, build_markdown(settings, found, outcomes, today), build_brief(settings, found, today))
    console.print(f"{json_path}\n{plot_path}", soft_wrap=True)


def _run(console: Console, settings: Settings) -> list[Figures]:
    schedule = list(plan_runs(settings))
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[phase]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        task = progress.add_task("", total=len(schedule), phase="")

        def started(run: Run) -> None:
            progress.update(task, description=run.title, phase="")

        def tell(phase: str) -> None:
            progress.update(task, phase=phase)

        def done(figures: Figures) -> None:
            progress.advance(task)
            progress.console.print(
                f"{figures.scenario:<16}{figures.server:<13}{figures.cpu_us or 0:6.2f} us/packet  "
                f"{figures.packets_per_s:,.0f}/s, {figures.delivered:.3%} of all"
                + (f", {figures.short_subscribers} subscribers short" if figures.short_subscribers else ""),
                highlight=False,
            )

        return run_all(settings, started, tell, done)
