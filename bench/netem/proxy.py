"""A UDP forwarder between real sockets, with a link in each direction."""

from __future__ import annotations

import dataclasses
import random
import selectors
import socket
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from bench.netem.config import Changes, LinkConfig
from bench.netem.link import Counts, Link
from bench.netem.schedule import Playback, Schedule
from bench.netem.sdp import Address, through

_CLEAR = LinkConfig()
_MAX_DATAGRAM = 65536
_AT_ONCE = 64  # datagrams read from a socket before the links are polled again
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ProxyCounts:
    """What became of the datagrams in each direction, and of those that never entered a link."""

    up: Counts
    down: Counts
    up_queued: int
    """Still in the link, as `down_queued`."""
    down_queued: int
    refused: int
    """Came before an upstream was known, or from one browser address too many."""
    undeliverable: int
    """Came out of a link and the kernel did not take them, as when the receiver is gone."""


class _Datagram(NamedTuple):
    data: bytes
    out: socket.socket
    to: Address

    @property
    def size_bytes(self) -> int:
        return len(self.data)


class ThreadedProxy:
    """What browsers send to `address` goes up to `upstream`, and what comes back goes down to the browser it is for.

    Each browser address has a socket of its own towards the upstream. All browsers share the two links; their
    chances come from `seed`. It runs in a thread of its own until `close`. With `media_only`, only datagrams that
    are RTP or RTCP by their first byte (RFC 7983) take the links' whole effect: all others know only the delay.
    IPv4; `host` is the address it listens on.
    """

    def __init__(
        self,
        upstream: Address | None = None,
        *,
        host: str = "127.0.0.1",
        up: LinkConfig = _CLEAR,
        down: LinkConfig = _CLEAR,
        seed: int = 1,
        media_only: bool = False,
        max_browsers: int = 64,
    ) -> None:
        self._lock = threading.Lock()  # guards the links, the playbacks and the upstream
        self._upstream = upstream
        self._up: Link[_Datagram] = Link(up, random.Random(f"{seed} up"))
        self._down: Link[_Datagram] = Link(down, random.Random(f"{seed} down"))
        self._playbacks: dict[str, Playback] = {}  # by direction
        self._media_only = media_only
        self._max_browsers = max_browsers
        self._refused = 0
        self._undeliverable = 0
        self._stopping = False
        self._behind: dict[Address, socket.socket] = {}  # towards the upstream, by the browser's address
        self._front = _open_socket()
        self._wakes, self._waker = socket.socketpair()
        self._wakes.setblocking(False)
        self._waker.setblocking(False)
        try:
            self._front.bind((host, 0))
        except OSError:
            for one in (self._front, self._wakes, self._waker):
                one.close()
            raise
        self.address: Address = self._front.getsockname()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._front, selectors.EVENT_READ)
        self._selector.register(self._wakes, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="netem proxy", daemon=True)
        self._thread.start()

    def __enter__(self) -> ThreadedProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def upstream(self) -> Address | None:
        """Where what browsers send goes from now on."""
        with self._lock:
            return self._upstream

    @upstream.setter
    def upstream(self, address: Address | None) -> None:
        with self._lock:
            self._upstream = address

    def rewrite(self, sdp: str) -> str:
        """A node's description with this proxy as the only candidate; the replaced one becomes the upstream."""
        rerouted = through(sdp, self.address)
        self.upstream = rerouted.upstream
        return rerouted.sdp

    def change(self, *, up: Changes | None = None, down: Changes | None = None) -> None:
        """Give fields of the links' configurations new values; from any thread."""
        with self._lock:
            now = time.monotonic()
            self._up.change(now, **(up or {}))
            self._down.change(now, **(down or {}))
        self._wake()

    def play(self, *, up: Schedule | None = None, down: Schedule | None = None) -> None:
        """Let rates follow schedules that start now, in place of earlier ones; from any thread."""
        with self._lock:
            now = time.monotonic()
            if up is not None:
                self._playbacks["up"] = Playback(up, self._up, now)
            if down is not None:
                self._playbacks["down"] = Playback(down, self._down, now)
        self._wake()

    def counts(self) -> ProxyCounts:
        """As of now; from any thread, also after `close`."""
        with self._lock:
            return ProxyCounts(
                dataclasses.replace(self._up.counts),
                dataclasses.replace(self._down.counts),
                self._up.queued,
                self._down.queued,
                self._refused,
                self._undeliverable,
            )

    def close(self) -> None:
        """End the thread and close the sockets; what is still in the links is gone. Once is enough."""
        self._stopping = True
        self._wake()
        self._thread.join()
        for one in (self._front, self._wakes, self._waker, *self._behind.values()):
            one.close()
        self._selector.close()

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            pass  # it is being woken already
        except OSError:
            if not self._stopping:
                raise

    def _run(self) -> None:
        while not self._stopping:
            for key, _ in self._selector.select(self._pause_s()):
                if key.fileobj is self._wakes:
                    self._wakes.recv(_MAX_DATAGRAM)
                else:
                    assert isinstance(key.fileobj, socket.socket)
                    self._receive(key.fileobj, key.data)

    def _pause_s(self) -> float | None:
        """Do what is due, and tell how long there is nothing to do; None: until something comes."""
        with self._lock:
            now = time.monotonic()
            for playback in self._playbacks.values():
                playback.poll(now)
            for link in (self._up, self._down):
                for delivered in link.poll(now):
                    self._deliver(delivered.packet)
            times = [playback.next_due() for playback in self._playbacks.values()]
            times += [self._up.next_due(), self._down.next_due()]
            due = [at for at in times if at is not None]
            return max(0.0, min(due) - time.monotonic()) if due else None

    def _deliver(self, datagram: _Datagram) -> None:
        try:
            datagram.out.sendto(datagram.data, datagram.to)
        except OSError:
            self._undeliverable += 1

    def _receive(self, source: socket.socket, browser: Address | None) -> None:
        for _ in range(_AT_ONCE):
            try:
                data, sender = source.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # the kernel tells of an earlier datagram that found nobody
            with self._lock:
                now = time.monotonic()
                spared = self._media_only and not (data and 128 <= data[0] <= 191)
                if browser is not None:
                    self._down.send(_Datagram(data, self._front, browser), now, spared=spared)
                elif (behind := self._socket_for(sender)) is not None and self._upstream is not None:
                    self._up.send(_Datagram(data, behind, self._upstream), now, spared=spared)
                else:
                    self._refused += 1

    def _socket_for(self, browser: Address) -> socket.socket | None:
        found = self._behind.get(browser)
        if found is None and self._upstream is not None and len(self._behind) < self._max_browsers:
            found = self._behind[browser] = _open_socket()
            found.bind(("", 0))
            self._selector.register(found, selectors.EVENT_READ, browser)
        return found


def _open_socket() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        opened.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
    return opened
