"""Messages between a process and its successor: JSON with file descriptors, over a pair of Unix sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

MAX_BYTES = 256 << 20
"""Of a message: what thousands of rooms with all that is decided in them take, and more."""
_LENGTH = struct.Struct("!I")
MOST_SOCKETS = 128
"""That come with a message."""
_CHUNK = 1 << 20


class ChannelError(Exception):
    """The other process is gone, silent, or not what it should be."""


class Channel:
    """One end. Its calls block; it is used in a thread."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def close(self) -> None:
        """Let the other end know, and whoever waits at this one."""
        with contextlib.suppress(OSError):  # it is gone
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def send(self, message: Mapping[str, Any], sockets: Sequence[socket.socket] = (), timeout: float = 10.0) -> None:
        """Send a message, and duplicates of sockets with it. Raises ChannelError."""
        data = json.dumps(message).encode()
        if len(data) > MAX_BYTES or len(sockets) > MOST_SOCKETS:
            raise ChannelError(f"a message of {len(data)} bytes with {len(sockets)} sockets is too large")
        try:
            self._end.settimeout(timeout)
            socket.send_fds(self._end, [_LENGTH.pack(len(data))], [each.fileno() for each in sockets])
            self._end.sendall(data)
        except OSError as error:
            raise ChannelError(f"the other process does not listen: {error}") from error

    def receive(self, timeout: float) -> tuple[dict[str, Any], list[socket.socket]]:
        """Wait for a message, and the sockets that come with it. Raises ChannelError."""
        try:
            self._end.settimeout(timeout)
            head, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH.size, MOST_SOCKETS)
        except OSError as error:
            raise ChannelError(f"the other process says nothing: {error}") from error
        sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        for each in sockets:
            each.set_inheritable(False)
        try:
            (length,) = _LENGTH.unpack(head + self._read(_LENGTH.size - len(head)))
            if length > MAX_BYTES:
                raise ChannelError(f"the other process sends {length} bytes, which is too much")
            message = json.loads(self._read(length))
            if not isinstance(message, dict):
                raise ChannelError("what the other process sends is no message")
        except (ChannelError, OSError, ValueError) as error:
            for each in sockets:
                each.close()
            raise error if isinstance(error, ChannelError) else ChannelError(str(error)) from error
        return message, sockets

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._end.recv(min(size, _CHUNK))
            if not part:
                raise ChannelError("the other process has ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
