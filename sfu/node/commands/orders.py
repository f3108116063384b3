"""`sfu drain` and `sfu restart`: what an operator has a running node do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from sfu.node.commands.durations import parse_duration

if TYPE_CHECKING:
    from sfu.node.commands.node_client import NodeClient

_out = Console()
_err = Console(stderr=True)

_DRAIN, _RESTART = "/admin/drain", "/admin/restart"
_ASK_EACH_S = 1.0
_RESTART_S = 420.0
"""A new version compiles its kernels first."""

ConfigOption = Annotated[
    Path | None,
    # envvar as config.sources.CONFIG_VARIABLE, which takes long to import
    typer.Option("--config", metavar="FILE", envvar="SFU_CONFIG", help="TOML file with the node's settings."),
]
UrlOption = Annotated[str, typer.Option(help="Where the node is; by default where its settings say.")]


def drain(
    config: ConfigOption = None,
    url: UrlOption = "",
    within: Annotated[str, typer.Option(help="When whoever is left is sent away: 90s, 15m, 12h, 7d.")] = "1h",
    stop: Annotated[bool, typer.Option("--stop", help="End the process once the node is empty.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return once the node is empty, or has stopped.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Take the node back into service.")] = False,
) -> None:
    """Open no new rooms on a running node, tell everybody in it, and send away who is left at a deadline.

    The order is signed with a key of the node, so run this with the settings that the node has. Meanwhile `/readyz`
    answers 503, and `/healthz` as before.

    1  the node does not answer, or refuses: it has other keys, or is older than this command
    """
    with _speaking(config, url) as client:
        if back:
            client.ask("DELETE", _DRAIN)
            _out.print("back in service", highlight=False)
            return
        try:
            seconds = parse_duration("--within", within)
        except ValueError as error:
            raise _fail(str(error)) from error
        state = client.ask("POST", _DRAIN, {"seconds": seconds, "stop": stop})
        _tell(state)
        if wait:
            _wait_empty(client, state)


def restart(config: ConfigOption = None, url: UrlOption = "") -> None:
    """Put a new process in the place of a running node, without refusing anybody: ports, rooms and recordings go on.

    The new process has the settings and the version that are there now. Until it is ready the old one serves; if it
    does not become ready, the old one goes on. People come again by themselves within seconds, and a recording goes on
    with a gap that it declares. Returns once the new process serves.

    1  the node does not answer, or refuses, or has not restarted: then the reason is told
    """
    with _speaking(config, url) as client:
        before = client.ask("GET", _RESTART)["process"]
        client.ask("POST", _RESTART)
        _out.print("the new process starts", highlight=False)
        _wait_restarted(client, before)


@contextlib.contextmanager
def _speaking(config: Path | None, url: str) -> Iterator[NodeClient]:
    """A client of the node that is meant; what goes wrong ends the command."""
    from sfu.node.commands.node_client import NodeClient, NodeRefusedError
    from sfu.node.config.sources import SettingsError, load_settings

    try:
        client = NodeClient(load_settings({}, config), url)
    except SettingsError as error:
        for problem in error.problems:
            _fail(str(problem))
        raise typer.Exit(2) from error
    except ValueError as error:
        raise _fail(str(error)) from error
    try:
        yield client
    except NodeRefusedError as error:
        _fail(str(error))
        raise typer.Exit(1) from error
    finally:
        client.close()


def _fail(message: str) -> typer.Exit:
    _err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    return typer.Exit(2)


def _tell(state: dict[str, Any]) -> None:
    left = "empty" if state["drained"] else f"{state['rooms']} rooms with {state['peers']} peers"
    recorded = f", {state['recordings']} recordings" if state["recordings"] else ""
    _out.print(f"draining: {left}{recorded}, {state['seconds_left']:.0f} s until the deadline", highlight=False)


def _wait_empty(client: NodeClient, state: dict[str, Any]) -> None:
    """Wait until the node is empty, or is gone after it was told to stop; tell when the figures change."""
    from sfu.node.commands.node_client import NodeRefusedError

    told = _figures(state)
    while not state["drained"]:
        time.sleep(_ASK_EACH_S)
        try:
            state = client.ask("GET", _DRAIN)
        except NodeRefusedError:
            if state["stops"]:
                break
            raise
        if not state["draining"]:
            raise NodeRefusedError("somebody has taken the node back into service")
        if _figures(state) != told:
            told = _figures(state)
            _tell(state)
    _out.print("drained", highlight=False)


def _figures(state: dict[str, Any]) -> tuple[object, ...]:
    return state["rooms"], state["peers"], state["recordings"]


def _wait_restarted(client: NodeClient, before: int) -> None:
    from sfu.node.commands.node_client import NodeRefusedError

    until = time.monotonic() + _RESTART_S
    while time.monotonic() < until:
        time.sleep(_ASK_EACH_S)
        try:
            state = client.ask("GET", _RESTART)
        except NodeRefusedError:
            continue  # between the two
        if state["process"] != before:
            _out.print(f"restarted: process {state['process']} serves", highlight=False)
            return
        if not state["restarting"]:
            raise NodeRefusedError(f"the node has not restarted, and goes on as it was: {state['failure']}")
    raise NodeRefusedError(f"the node has not restarted within {_RESTART_S:.0f} s; its log says more")
