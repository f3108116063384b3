"""`sfu bench`: the benches of the repository, which an installed package does not carry."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

import sfu

app = typer.Typer(name="bench", help="Benches; they need a checkout of the repository.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Benches; they need a checkout of the repository."""


@app.command()
def bwe(
    quick: Annotated[bool, typer.Option("--quick", help="A few scenarios, in half a minute.")] = False,
    json: Annotated[Path | None, typer.Option("--json", metavar="F", help="Where the figures go.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder of the pictures.")] = None,
    only: Annotated[str, typer.Option(help="Those scenarios whose names contain this.")] = "",
    seed: Annotated[int, typer.Option(help="Of all that is random: media, loss, jitter.")] = 1,
) -> None:
    """Congestion control in emulated networks: the scenarios of RFC 8867 and RFC 8869, in virtual time."""
    options: dict[str, Any] = {"quick": quick, "json_path": json, "only": only, "seed": seed}
    if plots is not None:
        options["plots"] = plots
    _load("bench.bwe.cli")(**options)


def _load(module: str) -> Callable[..., None]:
    """Return the `run_bwe` of a module of the repository's `bench` folder."""
    root = Path(sfu.__file__).resolve().parents[1]
    if not (root / "bench" / "bwe").is_dir():
        Console(stderr=True).print(
            "[bold red]error:[/] the benches are not part of the installed package; run this in a checkout of the "
            "repository after `make install`",
            soft_wrap=True,
            highlight=False,
        )
        raise typer.Exit(2)
    sys.path.insert(0, str(root))
    found: Callable[..., None] = importlib.import_module(module).run_bwe
    return found
