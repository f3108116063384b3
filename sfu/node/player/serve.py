"""The shell that runs the player: its socket, signals, and the order of start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from sfu.node.http.connections import HttpConnections
from sfu.node.http.limits import HttpLimits
from sfu.node.http.server import HttpServer, build_http_server
from sfu.node.player.app import Player, create_player_app
from sfu.recording.errors import RecordError
from sfu.recording.reader import read_record
from sfu.recording.signing import load_public_key

HOST = "127.0.0.1"
_TOKEN_BYTES = 24
_MAX_CONNECTIONS = 256
_SHUTDOWN_S = 2


class PlayError(Exception):
    """The record cannot be played; the message says why and what to do."""


def play(path: Path, key: Path | None, port: int, on_started: Callable[[str], None]) -> None:
    """Serve a record's page on 127.0.0.1 until SIGINT or SIGTERM. `on_started` is told its address.

    `key` is the PEM file of the public key that must have signed; without it the page says that anybody may have
    signed.

    Raises:
        PlayError: the folder is not a readable record, the key cannot be read, or the port is in use.
    """
    asyncio.run(_play(path, key, port, on_started))


async def _play(path: Path, key: Path | None, port: int, on_started: Callable[[str], None]) -> None:
    with contextlib.closing(_bind(port)) as listener:
        try:
            pinned = None if key is None else load_public_key(key)
            player = Player(await asyncio.to_thread(read_record, path), pinned)
        except RecordError as error:
            raise PlayError(str(error)) from error
        try:
            bound = listener.getsockname()[1]
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            app = create_player_app(player, token, bound)
            address = f"http://{HOST}:{bound}/{token}/"
            connections = HttpConnections(HttpLimits(connections=_MAX_CONNECTIONS))
            http = build_http_server(app, connections, shutdown_s=_SHUTDOWN_S, on_started=lambda: on_started(address))
            await _run(http, listener)
        finally:
            await player.close()


async def _run(http: HttpServer, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        http.force_exit = http.should_exit
        http.should_exit = True

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        await http.serve(sockets=[listener])
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise PlayError(
            f"cannot listen on {HOST} port {port}: {error}; another program may use it: set another --port, or none"
        ) from error
    listener.setblocking(False)
    return listener
