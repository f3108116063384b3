"""The thread that serves clients by TCP, and those of TURN by UDP: compiled, without the GIL, until something has to be
decided.
"""

from __future__ import annotations

import collections
import contextlib
import ctypes
import os
import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from OpenSSL import SSL

from sfu.clock import read_thread_clock
from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.native import EPOLL_CTL_ADD, EPOLLIN, EVENT_KEY, EVENT_WORDS, ssl_handle
from sfu.tcp.kernels.pump import run_pump
from sfu.tcp.kernels.rows import (
    EPOLL,
    LEGS,
    MAX_MESSAGE_BYTES,
    ORDERED,
    ORDERS,
    TWIN_KEYS,
    WAITING,
    WAKE,
    WAKE_EVENT,
    Carries,
    Ended,
    NoticeKind,
    Order,
    State,
    make_pumped,
)
from sfu.wire.kernels.entrance import Entrance
from sfu.wire.kernels.system import UDP_GRO

__all__ = [
    "LEGS",
    "MAX_MESSAGE_BYTES",
    "MEDIA_CONTROL",
    "Carries",
    "Ended",
    "NoticeKind",
    "Pump",
    "Told",
    "prefer_media",
]

_NOTSENT_LOWAT = 25
_NOTSENT_BYTES = 16_384
"""What the system may hold unsent: more waits with us, where late video can be left out (`outbox.py`)."""
MEDIA_CONTROL = "bbr"
"""TCP's congestion control for media: others take each packet that a path loses for a sign that it is full, and then
what the estimator takes it to carry does not get through.
"""
_libc = ctypes.CDLL(None, use_errno=True)
_enter = Entrance(run_pump)


@dataclass(frozen=True, slots=True)
class Told:
    """What the pump tells of a connection."""

    row: int
    """Of a stranger the number of the twin at which he is."""
    kind: NoticeKind
    data: bytes
    carries: Carries
    ended: Ended


@dataclass(slots=True)
class _Held:
    """What must stay open as long as the kernel may use it."""

    tcp: socket.socket | None
    tls: SSL.Connection | None
    twin: int = 0
    address: bytes = b""
    local: bytes = b""
    legs: list[socket.socket] = field(default_factory=list)


class Pump:
    """A thread and its connections. All methods are called from one other thread, and return at once."""

    def __init__(self, rows: int, tell: Callable[[list[Told]], None], twins: Sequence[socket.socket] = ()) -> None:
        """`rows`: connections at once. `tell` is called in the pump's thread. `twins`: UDP sockets on which clients of
        TURN come; they are the pump's from now on.
        """
        self._pumped = make_pumped(rows)
        self._tell = tell
        self._free = list(range(rows - 1, -1, -1))
        self._held: dict[int, _Held] = {}
        self._orders: collections.deque[tuple[Order, int, int, int, bytes, socket.socket | None]] = collections.deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll = select.epoll()
        self._pumped.state[EPOLL] = self._epoll.fileno()
        self._pumped.state[WAKE_EVENT] = self._wake
        _watch(self._epoll.fileno(), self._wake, WAKE)
        self._twins = tuple(twins)
        for number, twin in enumerate(self._twins):
            self._pumped.twins[number] = twin.fileno()
            _watch(self._epoll.fileno(), twin.fileno(), TWIN_KEYS + number)
        self._stopping = False
        self._ends_twins = False
        self._twins_closed = threading.Event()
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
        for twin in self._twins:
            twin.close()
        if self._wake >= 0:
            self._epoll.close()
            os.close(self._wake)
            self._wake = -1

    def close_twins(self) -> None:
        """Take nothing by UDP any more, and wait until the twins are closed; who has come so was closed before."""
        self._ends_twins = True
        if self._thread is not None:
            os.eventfd_write(self._wake, 1)
            self._twins_closed.wait()

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

    def open_datagrams(self, twin: int, address: bytes, local: bytes) -> int | None:
        """Serve the client of TURN that comes from a sockaddr to a local address on a twin, and has no row yet; return
        it, or None where there are too many.
        """
        if not self._free:
            return None
        row = self._free.pop()
        self._held[row] = _Held(None, None, twin + 1, address, local)
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
            ends_twins = self._ends_twins and not self._twins_closed.is_set()
            if ends_twins:
                os.eventfd_write(self._wake, 1)  # this round carries out what was ordered, and does not wait
            self._give_orders()
            _enter(self._pumped)
            self._tell_notices()
            if ends_twins and not self._orders:
                self._close_twins()

    def _close_twins(self) -> None:
        self._pumped.twins[:] = -1
        for twin in self._twins:
            twin.close()
        self._twins_closed.set()

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
            pumped.rows["tcp"][row] = -1 if held.tcp is None else held.tcp.fileno()
            pumped.rows["twin"][row] = held.twin
            pumped.rows["address"][row, : len(held.address)] = memoryview(held.address)
            pumped.rows["local"][row, : len(held.local)] = memoryview(held.local)
            pumped.rows["local_bytes"][row] = len(held.local)
            pumped.rows["ssl"][row] = 0 if held.tls is None else ssl_handle(held.tls)
        elif held is None or pumped.rows["state"][row] != State.OPEN:
            if end is not None:
                end.close()
            return False
        elif end is not None:
            held.legs.append(end)
            if held.tcp is not None and end.type == socket.SOCK_DGRAM:
                prefer_media(held.tcp)
            slot = pumped.legs[row, leg]
            slot["fd"], slot["channel"], slot["paused"], slot["writes"] = end.fileno(), 0, 0, 0
            slot["prefix_bytes"] = len(data)
            slot["prefix"][: len(data)] = memoryview(data)
        return True

    def _tell_notices(self) -> None:
        told = self._take_notices()  # a variable of `_run` would keep it while the thread waits
        if told:
            self._tell(told)

    def _take_notices(self) -> list[Told]:
        pumped = self._pumped
        told = []
        for k in range(int(pumped.state[WAITING])):
            row, kind, count = (int(each) for each in pumped.notices[k])
            data = pumped.notice_data[k, :count].tobytes()
            if kind == NoticeKind.STRANGER:
                told.append(Told(row, NoticeKind.STRANGER, data, Carries.TURN, Ended.CLOSED))
                continue
            carries, ended = Carries(pumped.rows["carries"][row]), Ended(pumped.rows["ended"][row])
            told.append(Told(row, NoticeKind(kind), data, carries, ended))
            if kind == NoticeKind.ENDED:
                self._close(row)
        pumped.state[WAITING] = 0
        return told

    def _close(self, row: int) -> None:
        held = self._held.pop(row)
        self._pumped.rows["state"][row] = State.FREE
        self._pumped.legs["fd"][row] = -1
        for each in held.legs if held.tcp is None else (held.tcp, *held.legs):
            each.close()


def _watch(epoll: int, fd: int, key: int) -> None:
    """Register a descriptor under a key, which `select.epoll` cannot."""
    words = [0] * EVENT_WORDS
    words[0], words[EVENT_KEY] = EPOLLIN, key
    if _libc.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, struct.pack(f"={EVENT_WORDS}I", *words)):
        raise OSError(ctypes.get_errno(), "epoll_ctl")


def prefer_media(tcp: socket.socket) -> bool:
    """Use `MEDIA_CONTROL` on a connection; False where the system does not have it, or does not allow it."""
    try:
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, MEDIA_CONTROL.encode())
    except OSError:
        return False
    return True


def compile_kernels() -> None:
    """Compile the pump, if this machine has not yet; where it has no entrance of its own its first run does so."""
    if _enter.is_possible and not _enter.load():
        _enter.make((make_pumped(1),))


def is_compiled() -> bool:
    """Whether the pump of this version is kept for this processor."""
    return _enter.path is not None and _enter.path.is_file()
