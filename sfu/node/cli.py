"""The command line: `sfu serve`, `sfu token`, `sfu verify`, `sfu recover`, `sfu compose`, `sfu play`,
`sfu sign`, `sfu warm`, `sfu doctor`, `sfu drain`, `sfu restart`, `sfu bench`, `sfu version`.

What a command needs is imported when it runs: a server takes a second to load, and most commands need none.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console
from rich.markup import escape

from sfu.errors import InvalidNameError
from sfu.node.commands.bench import app as bench
from sfu.node.commands.compose import compose
from sfu.node.commands.doctor import doctor
from sfu.node.commands.durations import parse_duration
from sfu.node.commands.orders import drain, restart
from sfu.node.commands.play import play
from sfu.node.commands.records import recover, verify
from sfu.node.commands.sign import sign
from sfu.node.commands.warm import CompileBar, warm
from sfu.version import read_version

if TYPE_CHECKING:
    from sfu.node.config.settings import Settings
    from sfu.node.config.sources import SettingsError
    from sfu.node.serve import Started

app = typer.Typer(
    name="sfu",
    help="A media node that forwards WebRTC: rooms, WHIP and WHEP over HTTP, and a page to meet on.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)
app.add_typer(bench)
app.command()(verify)
app.command()(recover)
app.command()(compose)
app.command()(play)
app.command()(sign)
app.command()(warm)
app.command()(doctor)
app.command()(drain)
app.command()(restart)
_log = logging.getLogger("sfu.node")
_out = Console()
_err = Console(stderr=True)

_DEV_ROOM = "lobby"
_DEV_TTL_S = 12 * 3600.0

ConfigOption = Annotated[
    Path | None,
    # envvar as config.sources.CONFIG_VARIABLE, which takes long to import
    typer.Option("--config", metavar="FILE", envvar="SFU_CONFIG", help="TOML file with settings."),
]


def main() -> None:
    """Entry point of the console script."""
    app()


def _fail(message: str) -> typer.Exit:
    _err.print(f"[bold red]error:[/] {escape(message)}", soft_wrap=True, highlight=False)
    return typer.Exit(2)


def _fail_settings(error: SettingsError) -> typer.Exit:
    for problem in error.problems:
        _fail(str(problem))
    return typer.Exit(2)


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="IP address to listen on (HTTP and media).")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port of the HTTP server; 0 for any.")] = None,
    udp_port: Annotated[int | None, typer.Option(help="First UDP port of the media; 0 for any.")] = None,
    announce: Annotated[
        list[str] | None, typer.Option(help="IP address that clients are told to send media to; may be repeated.")
    ] = None,
    shards: Annotated[int | None, typer.Option(help="Forwarding threads, a UDP port each.")] = None,
    record_dir: Annotated[
        str | None, typer.Option(help="Folder for the records of rooms; without it nothing is recorded.")
    ] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
    log_format: Annotated[str | None, typer.Option(help="console or json.")] = None,
    dev: Annotated[bool, typer.Option("--dev", help="Try it out on this machine: prints a link to a room.")] = False,
) -> None:
    """Run a node until it is interrupted.

    Settings come from flags, else from the environment (SFU_PORT=8080), else from the file, else from defaults.
    """
    from sfu.node.signals import for_this_thread_alone

    with for_this_thread_alone():
        from sfu.node.config.sources import SettingsError, find_unknown_variables, load_settings
        from sfu.node.logs.setup import configure_logging
        from sfu.node.serve import ServeError
        from sfu.node.serve import serve as run

    flags = {
        "host": host,
        "port": port,
        "udp_port": udp_port,
        "announce": tuple(announce) if announce else None,
        "shards": shards,
        "record_dir": record_dir,
        "log_level": log_level,
        "log_format": log_format,
        "dev": True if dev else None,
    }
    try:
        settings = load_settings(flags, config)
    except SettingsError as error:
        raise _fail_settings(error) from error
    configure_logging(settings.log_level, settings.log_format)
    for name in find_unknown_variables(os.environ):
        _log.warning("environment variable is no setting", extra={"variable": name})
    try:
        run(settings, _Announcer(settings))
    except ServeError as error:
        raise _fail(str(error)) from error


class _Announcer:
    """Tells a person at the terminal how the start proceeds, and what to do next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bar = CompileBar(_err)

    def compiling(self, share: float) -> None:
        self._bar.show(share)

    def compiled(self, seconds: float) -> None:
        self._bar.end(seconds)

    def started(self, started: Started) -> None:
        facts = {"url": started.url, "udp_ports": ",".join(map(str, started.udp_ports)), "dev": self._settings.dev}
        if started.metrics_url:
            facts["metrics_url"] = started.metrics_url
        _log.info("listening", extra=facts)
        if not self._settings.dev:
            return
        from sfu.node.tokens import DEV_KEY_ID, issue_token

        token = issue_token(
            DEV_KEY_ID,
            self._settings.secrets()[DEV_KEY_ID],
            room=_DEV_ROOM,
            now=time.time(),
            ttl=min(_DEV_TTL_S, self._settings.max_token_lifetime),
            audience=self._settings.token_audience,
            publish=True,
            subscribe=True,
            record=bool(self._settings.record_dir),
        )
        link = f"{started.url}/#{urlencode({'room': _DEV_ROOM, 'token': token})}"
        _out.print("Development mode: open this link in two browser windows on this machine.", highlight=False)
        # Plain and on a line of its own, so that it can be clicked, copied and piped.
        typer.echo(link)


@app.command()
def token(
    room: Annotated[str, typer.Option(help="The room it lets into, or '*' for all.")],
    config: ConfigOption = None,
    peer: Annotated[str | None, typer.Option(help="The peer it is for; without it, the client names itself.")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Let it publish.")] = False,
    subscribe: Annotated[bool, typer.Option("--subscribe", help="Let it subscribe.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Let it have the room recorded.")] = False,
    admin: Annotated[
        bool, typer.Option("--admin", help="Let it remove peers, block tracks and close the room.")
    ] = False,
    ttl: Annotated[
        str, typer.Option(help="How long it is good: 90s, 15m, 12h, 7d; at most max_token_lifetime.")
    ] = "1h",
    audience: Annotated[
        str | None, typer.Option(help="Whom it is for (claim aud); without it, token_audience of the configuration.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Id of the key that signs it, when there are several.")] = None,
) -> None:
    """Print a token for a room. Without --publish, --subscribe, --record and --admin it allows the first two."""
    from sfu.node.config.sources import SettingsError, load_settings
    from sfu.node.tokens import issue_token

    if not (publish or subscribe or record or admin):
        publish = subscribe = True
    try:
        settings = load_settings({}, config)
        key_id, secret = _signing_key(settings, key)
        issued = issue_token(
            key_id,
            secret,
            room=room,
            peer=peer,
            publish=publish,
            subscribe=subscribe,
            record=record,
            admin=admin,
            now=time.time(),
            ttl=_parse_ttl(ttl, settings.max_token_lifetime),
            audience=settings.token_audience if audience is None else audience,
        )
    except SettingsError as error:
        raise _fail_settings(error) from error
    except (ValueError, InvalidNameError) as error:
        raise _fail(str(error)) from error
    typer.echo(issued)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(read_version())


def _signing_key(settings: Settings, key_id: str | None) -> tuple[str, str]:
    keys = settings.secrets()
    if key_id is None and len(keys) > 1:
        raise ValueError(f"there are several keys: choose one with --key ({', '.join(sorted(keys))})")
    chosen = key_id if key_id is not None else next(iter(keys))
    if chosen not in keys:
        raise ValueError(f"there is no key {chosen!r}; there are: {', '.join(sorted(keys))}")
    return chosen, keys[chosen]


def _parse_ttl(text: str, most: float) -> float:
    seconds = parse_duration("--ttl", text)
    if seconds > most:
        raise ValueError(f"--ttl {text!r}: no token may be good for more than {most:.0f} s (max_token_lifetime)")
    return seconds
