"""`sfu sign`: keeps the key that signs records out of the node's process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

_err = Console(stderr=True)


def sign(
    key: Annotated[Path, typer.Option(metavar="FILE", help="Private key (PEM, Ed25519) that signs records.")],
    socket: Annotated[Path, typer.Option(metavar="PATH", help="Unix socket to answer on; its folder must be there.")],
    uid: Annotated[
        int | None,
        typer.Option(min=0, help="User id of the node, if it is another; only root can give it the socket."),
    ] = None,
) -> None:
    """Sign records for a node that has not got the key: set its `record_signer` to the socket. Ctrl-C ends it.

    It signs heads of ledgers and manifests, nothing else, and answers its own user and the one of --uid only. While it
    does not answer, recorders go on, raise an alarm and ask again.
    """
    from sfu.node.logs.setup import configure_logging
    from sfu.node.records.signer import SignError, run_signer
    from sfu.recording.errors import RecordError
    from sfu.recording.signing import load_signing_key

    configure_logging("info", "console")
    try:
        loaded = load_signing_key(key)
        run_signer(loaded, socket, uid, lambda: typer.echo(f"signing with the key {loaded.key_id} at {socket}"))
    except (RecordError, SignError) as error:
        _err.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        raise typer.Exit(2) from error
