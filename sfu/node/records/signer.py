"""The process that holds the key that signs records, and signs for a node: `sfu sign`.

Whoever takes over the node can then have heads and manifests signed while in control of it, but does not get the key.
The signer answers on a Unix socket of mode 0600, only to certain users, and signs only what `check_signable` allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path

from sfu.recording.remote_signer import BAD, GOOD, LENGTH
from sfu.recording.signable import MAX_BYTES, UnsignableError, check_signable
from sfu.recording.signing import SigningKey

_log = logging.getLogger("sfu.node")

_MOST_CONNECTIONS = 64
_QUESTION_S = 5.0
"""Seconds from the connection to the answer."""
_SMALL_BYTES = 65_536
_CREDENTIALS = struct.Struct("3i")


class SignError(Exception):
    """The signer cannot start; the message says why and what to do."""


class SigningService:
    """Answers one request to sign for each connection."""

    def __init__(self, key: SigningKey, uids: frozenset[int]) -> None:
        """`uids` are the ids of the users that may ask."""
        self._key = key
        self._uids = uids
        self._connections = 0
        self._large = asyncio.Lock()  # one question at a time may take much memory

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._connections += 1
        try:
            async with asyncio.timeout(_QUESTION_S):
                if self._connections <= _MOST_CONNECTIONS:
                    answer = await self._answer(reader, writer)
                    writer.write(LENGTH.pack(len(answer)) + answer)
                    await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass  # who asks is gone, or too slow
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        peer: socket.socket = writer.get_extra_info("socket")
        pid, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if uid not in self._uids:
            _log.warning("another user asked for a signature", extra={"uid": uid, "pid": pid})
            return BAD + b"this user may not ask"
        if not size:
            return GOOD + self._key.public.pem
        if size > MAX_BYTES:
            return self._refuse(f"it is longer than {MAX_BYTES} bytes", pid)
        if size <= _SMALL_BYTES:
            return self._sign(await reader.readexactly(size), pid)
        async with self._large:
            return await asyncio.to_thread(self._sign, await reader.readexactly(size), pid)

    def _sign(self, data: bytes, pid: int) -> bytes:
        try:
            check_signable(data, self._key.key_id)
        except UnsignableError as error:
            return self._refuse(str(error), pid)
        return GOOD + self._key.sign(data)

    @staticmethod
    def _refuse(reason: str, pid: int) -> bytes:
        _log.warning("something was not signed", extra={"reason": reason, "pid": pid})
        return BAD + reason.encode("utf-8", "replace")[:200]


def run_signer(key: SigningKey, path: Path, uid: int | None, on_started: Callable[[], None]) -> None:
    """Sign until SIGINT or SIGTERM. `uid` is the user who may ask besides the one who runs this. Raises SignError."""
    own = os.geteuid()
    listener = _bind(path, own if uid is None else uid)
    service = SigningService(key, frozenset((own,) if uid is None else (own, uid)))
    try:
        asyncio.run(_run(service, listener, on_started))
    finally:
        path.unlink(missing_ok=True)


async def _run(service: SigningService, listener: socket.socket, on_started: Callable[[], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        async with await asyncio.start_unix_server(service.handle, sock=listener, limit=_SMALL_BYTES):
            on_started()
            await ended.wait()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _bind(path: Path, owner: int) -> socket.socket:
    """Return a listening socket that only its owner may open."""
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    former = os.umask(0o177)  # from the first moment on; nothing else runs yet
    try:
        listener.bind(str(path))
        if owner != os.geteuid():
            os.chown(path, owner, -1, follow_symlinks=False)
        listener.listen(_MOST_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise SignError(f"{path}: no socket can be made here for user {owner}: {error.strerror or error}") from error
    finally:
        os.umask(former)
    listener.setblocking(False)
    return listener


def _clear(path: Path) -> None:
    """Remove a socket that a killed signer left; raise SignError if a signer answers there, or it is no socket."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return
    if not stat.S_ISSOCK(mode):
        raise SignError(f"{path}: this is something else than a socket, and is left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise SignError(f"{path}: this socket cannot be used: {error.strerror}") from error
    raise SignError(f"{path}: another signer answers there already")
