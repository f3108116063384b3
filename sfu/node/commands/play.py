"""`sfu play`: a record in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

_out = Console()
_err = Console(stderr=True)


def play(
    record: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the record.")],
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Public key (PEM) that must have signed, got another way than the record."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="TCP port on 127.0.0.1; 0 for any.")] = 0,
) -> None:
    """Play a record in a browser on this machine: all tracks in sync, with the ledger's marks. Ctrl-C ends it.

    The record is only read. The printed address holds a secret: whoever has it, on this machine, can watch.
    """
    from sfu.node.player.serve import PlayError
    from sfu.node.player.serve import play as run

    def tell(address: str) -> None:
        _out.print("Open this address in a browser on this machine; Ctrl-C ends it.", highlight=False)
        # Plain and on a line of its own, so that it can be clicked, copied and piped.
        typer.echo(address)

    try:
        run(record, key, port, tell)
    except PlayError as error:
        _err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from error
