"""The thread that serves TCP connections: compiled, without the GIL, until something has to be decided."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import os
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from OpenSSL import SSL

from sfu.clock import read_thread_clock
from sfu.tcp.kernels.native import EPOLL_CTL_ADD, EPOLLIN, EVENT_KEY, EVENT_WORDS, ssl_handle
from sfu.tcp.kernels.pump import run_pump
from sfu.tcp.kernels.rows import (
    EPOLL,
    LEGS,
    MAX_MESSAGE_BYTES,
    ORDERED,
    ORDERS,
    WAITING,
    WAKE,
    WAKE_EVENT,
    Carries,
    Counter,
    Ended,
    NoticeKind,
    Order,
    State,
    make_pumped,
)
from sfu.wire.kernels.entrance import Entrance
from sfu.wire.kernels.system import UDP_GRO

__all__ = ["LEGS", "MAX_MESSAGE_BYTES", "Carries", "Ended", "NoticeKind", "Pump", "Told"]

_NOTSENT_LOWAT = 25
_NOTSENT_BYTES = 16_384
"""What the system may hold unsent: more waits with us, where late video can be left out (`outbox.py`)."""
_libc = ctypes.CDLL(None, use_errno=True)
_enter = Entrance(run_pump)


@dataclass(frozen=True, slots=True)
class Told:
    """What the pump tells of a connection."""

    row: int
    kind: NoticeKind
    data: bytes
    carries: Carries
    ended: Ended


@dataclass(slots=True)
class _Held:
    """What must stay open as long as the kernel may use it."""

    tcp: socket.socket
    tls: SSL.Connection | None
    legs: list[socket.socket] = field(default_factory=list)


class Pump:
    """A thread and its connections. All methods are called from one other thread, and return at once."""

    def __init__(self, rows: int, tell: Callable[[list[Told]], None]) -> None:
        """`rows`: connections at once. `tell` is called in the pump's thread."""
        self._pumped = make_pumped(rows)
        self._tell = tell
        self._free = list(range(rows - 1, -1, -1))
        self._held: dict[int, _Held] = {}
        self._orders: collections.deque[tuple[Order, int, int, int, bytes, socket.socket | None]] = collections.deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._pumped.state[EPOLL] = self._epoll.fileno()
        self._pumped.state[WAKE_EVENT] = self._wake
        _watch(self._epoll.fileno(), self._wake)
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to serve; compiles at the first start of a machine."""
        compile_kernels()
        self._thread = threading.Thread(target=self._run, name="sfu-tcp", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and close all connections. Idempotent."""
        self._stopping = True
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._thread.join()
            self._thread = None
        for row in list(self._held):
            self._close(row)
        if self._wake >= 0:
            self._epoll.close()
            os.close(self._wake)
            self._wake = -1

    def open(self, tcp: socket.socket, tls: SSL.Connection | None) -> int | None:
        """Serve a connection that was accepted and does not block; return its row, or None where there are too many.

        `tls`: made of the same socket, in the server's role. Both are the pump's from now on.
        """
        if not self._free:
            return None
        row = self._free.pop()
        with contextlib.suppress(OSError):  # no TCP, as in tests
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tcp.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, _NOTSENT_BYTES)
        self._held[row] = _Held(tcp, tls)
        self._post(Order.OPEN, row)
        return row

    def attach(self, row: int, leg: int, end: socket.socket, prefix: bytes = b"") -> None:
        """Give a connection a leg: a connected UDP socket, or one end of a pair towards the HTTP server.

        `prefix`: what a Data indication begins with, up to its data (RFC 8656 section 11.3).
        """
        end.setblocking(False)
        with contextlib.suppress(OSError):  # an older kernel, or no UDP
            end.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        self._post(Order.ATTACH, row, leg, data=prefix, end=end)

    def bind(self, row: int, leg: int, channel: int) -> None:
        """Let a leg's packets be ChannelData of this channel, both ways."""
        self._post(Order.BIND, row, leg, channel)

    def answer(self, row: int, data: bytes = b"") -> None:
        """Send octets, perhaps none, and go on with a connection that waits."""
        self._post(Order.ANSWER, row, data=data)

    def close(self, row: int) -> None:
        """End a connection. It is told as ended, if it has not been."""
        self._post(Order.CLOSE, row)

    def release(self, row: int) -> None:
        """Give back the row of a connection that was told as ended: before that it is no other's, so that what is told
        late of the one is not taken for the other's.
        """
        self._free.append(row)

    @property
    def load(self) -> int:
        """Connections that are open."""
        return len(self._held)

    @property
    def cpu_s(self) -> float | None:
        """Processor time of the thread so far, in seconds; None while there is none."""
        return None if self._thread is None else read_thread_clock(self._thread.native_id)

    def counters(self) -> dict[str, int]:
        """Totals, each of which only grows."""
        return {each.name.lower(): int(self._pumped.counters[each]) for each in Counter}

    def stalled_s(self, row: int, now: float) -> float:
        """How long a connection has taken nothing of what waits for it; `now` in seconds of CLOCK_MONOTONIC."""
        rows = self._pumped.rows
        waits = rows["head"].item(row) != rows["tail"].item(row)
        return now - rows["moved_ms"].item(row) / 1000 if waits else 0.0

    def silent_s(self, row: int, now: float) -> float:
        """How long nothing has come on a connection."""
        return float(now - self._pumped.rows["heard_ms"].item(row) / 1000)

    def _post(
        self, order: Order, row: int, leg: int = 0, number: int = 0, data: bytes = b"", end: socket.socket | None = None
    ) -> None:
        if len(data) > MAX_MESSAGE_BYTES:
            raise ValueError(f"{len(data)} octets are more than an order takes")
        self._orders.append((order, row, leg, number, data, end))
        os.eventfd_write(self._wake, 1)

    # in the pump's thread

    def _run(self) -> None:
        while not self._stopping:
            self._give_orders()
            _enter(self._pumped)
            told = self._take_notices()
            if told:
                self._tell(told)

    def _give_orders(self) -> None:
        pumped = self._pumped
        count = 0
        while count < ORDERS and self._orders:
            order, row, leg, number, data, end = self._orders.popleft()
            if not self._prepare(order, row, leg, data, end):
                continue
            slot = pumped.orders[count]
            slot["order"], slot["row"], slot["leg"], slot["number"], slot["bytes"] = order, row, leg, number, len(data)
            pumped.order_data[count, : len(data)] = memoryview(data)
            count += 1
        pumped.state[ORDERED] = count
        if self._orders:
            os.eventfd_write(self._wake, 1)

    def _prepare(self, order: Order, row: int, leg: int, data: bytes, end: socket.socket | None) -> bool:
        """Write what an order needs into its row; False where the connection has ended meanwhile."""
        pumped, held = self._pumped, self._held.get(row)
        if order is Order.OPEN and held is not None:
            pumped.rows[row] = 0
            pumped.legs[row] = 0
            pumped.legs["fd"][row] = -1
            pumped.rows["state"][row] = State.OPEN  # so that orders which follow it in the same round are its own
            pumped.rows["tcp"][row] = held.tcp.fileno()
            pumped.rows["ssl"][row] = 0 if held.tls is None else ssl_handle(held.tls)
        elif held is None or pumped.rows["state"][row] != State.OPEN:
            if end is not None:
                end.close()
            return False
        elif end is not None:
            held.legs.append(end)
            slot = pumped.legs[row, leg]
            slot["fd"], slot["channel"], slot["paused"], slot["writes"] = end.fileno(), 0, 0, 0
            slot["prefix_bytes"] = len(data)
            slot["prefix"][: len(data)] = memoryview(data)
        return True

    def _take_notices(self) -> list[Told]:
        pumped = self._pumped
        told = []
        for k in range(int(pumped.state[WAITING])):
            row, kind, count = (int(each) for each in pumped.notices[k])
            carries, ended = Carries(pumped.rows["carries"][row]), Ended(pumped.rows["ended"][row])
            told.append(Told(row, NoticeKind(kind), pumped.notice_data[k, :count].tobytes(), carries, ended))
            if kind == NoticeKind.ENDED:
                self._close(row)
        pumped.state[WAITING] = 0
        return told

    def _close(self, row: int) -> None:
        held = self._held.pop(row)
        self._pumped.rows["state"][row] = State.FREE
        self._pumped.legs["fd"][row] = -1
        for each in (held.tcp, *held.legs):
            each.close()


def _watch(epoll: int, event: int) -> None:
    """Register the wake event under its key, which `select.epoll` cannot."""
    words = [0] * EVENT_WORDS
    words[0], words[EVENT_KEY] = EPOLLIN, WAKE
    if _libc.epoll_ctl(epoll, EPOLL_CTL_ADD, event, struct.pack(f"={EVENT_WORDS}I", *words)):
        raise OSError(ctypes.get_errno(), "epoll_ctl")


def compile_kernels() -> None:
    """Compile the pump, if this machine has not yet; where it has no entrance of its own its first run does so."""
    if _enter.is_possible and not _enter.load():
        _enter.make((make_pumped(1),))


def is_compiled() -> bool:
    """Whether the pump of this version is kept for this processor."""
    return _enter.path is not None and _enter.path.is_file()
