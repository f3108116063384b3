"""The one door between the control side and the plane of a shard.

All methods are called from the control thread and return at once: they post commands (`commander.py`), read notices, or
read counters from the tables, which only the plane writes. Only the tap is read by the recorder's thread.
"""

from __future__ import annotations

import os
import random
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfu.bwe.kernels.state import START_BPS
from sfu.clock import read_thread_clock
from sfu.errors import ConfigError, LocalError
from sfu.routing.commander import Commander, Feedback
from sfu.routing.compiling import compile_apart, say_share
from sfu.routing.kernels.command_records import SetData, Stop
from sfu.routing.kernels.counters import COUNTER_COUNT, Counter
from sfu.routing.kernels.loop import run_plane, step_plane
from sfu.routing.kernels.media_columns import MAX_SHARDS
from sfu.routing.kernels.messages import Buffers, make_buffers
from sfu.routing.kernels.notice_records import (
    Estimate,
    Gap,
    KeyFrameNeeded,
    Repaired,
    RepeatMissed,
    SourceLearned,
    UplinkEstimate,
)
from sfu.routing.kernels.receiver_reports import FIRST_FEEDBACK_US, MOST_UNREAD
from sfu.routing.kernels.rings import PacketRings, make_packet_rings
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.routing.kernels.wiring import Wiring
from sfu.routing.limits import PlaneLimits
from sfu.routing.queues import NOTICE_SLOTS, Datagram, Notice, NoticeQueue, PlaneError
from sfu.routing.rows import CapacityError
from sfu.routing.sockets import choose_sockets, count_lost, open_socket, open_twin
from sfu.routing.states import NO_REPORTS, AudioLevel, SubscriptionReports, SubscriptionState
from sfu.routing.tap import Tap, TappedPacket, TappedPackets
from sfu.wire.kernels.entrance import Entrance
from sfu.wire.local_address import send_from, tell_local
from sfu.wire.sockaddr import Address, sendable

__all__ = [
    "FIRST_FEEDBACK_US",
    "MOST_UNREAD",
    "NO_REPORTS",
    "START_BPS",
    "Address",
    "AudioLevel",
    "CapacityError",
    "Datagram",
    "Estimate",
    "Feedback",
    "Gap",
    "KernelCache",
    "KeyFrameNeeded",
    "Notice",
    "Plane",
    "PlaneError",
    "PlaneLimits",
    "Repaired",
    "RepeatMissed",
    "SourceLearned",
    "SubscriptionReports",
    "SubscriptionState",
    "TappedPacket",
    "TappedPackets",
    "UplinkEstimate",
    "choose_sockets",
]

_RELAY_SLOTS = 4096


class Plane(Commander):
    """One shard: a UDP socket, its tables, and the thread that forwards."""

    def __init__(
        self,
        index: int = 0,
        *,
        host: str,
        port: int,
        limits: PlaneLimits | None = None,
        rng: random.Random | None = None,
    ) -> None:
        limits = limits or PlaneLimits()
        self.index = index
        self._host, self.wanted_port = host, port

        tables = make_tables(
            limits.connections,
            limits.tracks,
            limits.encodings,
            limits.subscriptions,
            COUNTER_COUNT,
            logs=max(limits.logs, 1),
            history=max(limits.history, 1),
            resent=max(limits.resent, 1),
        )
        super().__init__(index, tables, limits, rng or random.SystemRandom())
        self._buffers = make_buffers()
        self._notices = NoticeQueue()
        self._tap = Tap()
        self._relay = make_packet_rings(1, 1, 1)
        self._wake_events = np.full(MAX_SHARDS, -1, np.int32)
        self._socket: Any = None
        self._thread: threading.Thread | None = None
        self._control_counters = {"control_sent": 0, "control_send_failed": 0}

    # set-up

    @property
    def port(self) -> int:
        """The UDP port; known once the plane is started."""
        return int(self._socket.getsockname()[1])

    @property
    def family(self) -> int:
        """The socket's address family."""
        return int(self._socket.family)

    @property
    def notice_fd(self) -> int:
        """File descriptor for the event loop, readable when notices wait."""
        return self._notices.event

    def start(self, inherited: socket.socket | None = None) -> None:
        """Compile (first run only), bind the socket, and begin to forward. `inherited`: a socket that another process
        has bound, which is used instead. Raises OSError if the port cannot be bound.
        """
        compile_kernels()
        if inherited is None:
            self._socket = open_socket(self._host, self.wanted_port)
        else:
            self._socket = inherited
            tell_local(inherited)  # another version may have bound it
        self._thread = threading.Thread(target=self._run, name=f"sfu-plane-{self.index}", daemon=True)
        self._thread.start()

    def share_socket(self) -> socket.socket:
        """Return a duplicate of the socket, for another process; the caller closes it."""
        shared: socket.socket = self._socket.dup()
        return shared

    def start_stepped(self) -> None:
        """Bind the socket, but let the caller run the rounds by `step`, in virtual time: for tests and the emulator."""
        self._socket = open_socket(self._host, self.wanted_port)

    def step(self, now_us: int) -> int:
        """Do one round at `now_us` (above 0); return when something is due without a packet, in microseconds."""
        return int(step_plane(self._tables, self._buffers, self._wiring(self._socket.fileno()), now_us))

    def _wiring(self, socket_fd: int) -> Wiring:
        return Wiring(
            self.index,
            len(self._planes),
            socket_fd,
            self._queue.event,
            self._notices.event,
            self._wake_events,
            self._queue.index,
            self._queue.records,
            self._notices.index,
            self._notices.records,
            self._tap.rings,
            self._relay,
        )

    def _run(self) -> None:
        _enter_loop(self._tables, self._buffers, self._wiring(self._socket.fileno()))

    def stop(self) -> None:
        """End the thread and close the socket. Idempotent."""
        if self._thread is not None:
            self._post(0, Stop())
            self._thread.join()
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._queue.close()
        self._notices.close()
        self._sessions.clear()

    # notices, datagrams, tap

    def poll_notices(self, most: int = NOTICE_SLOTS) -> list[Notice]:
        """Waiting notices, at most so many; to be called when `notice_fd` is readable, and again while `notices_read`
        is less than `notices_written`.
        """
        return self._notices.poll(most)

    @property
    def notices_written(self) -> int:
        """Number of notices that the plane has ever written."""
        return self._notices.written

    @property
    def notices_read(self) -> int:
        """Number of notices that were polled."""
        return self._notices.read

    def set_data(self, connection: int, *, taken: bool) -> None:
        """Let a connection's application data in at the rate of data channels, or at that of handshakes."""
        self._post(connection, SetData(taken))

    def send(self, data: bytes, address: Address, local: bytes = b"") -> None:
        """Send a datagram of the control side from a local address; one that the system refuses is counted."""
        try:
            send_from(self._socket, data, sendable(address, self.family), local)
            self._control_counters["control_sent"] += 1
        except OSError:
            self._control_counters["control_send_failed"] += 1

    def open_twin(self) -> socket.socket:
        """Return a socket on the same port to which what is said to a TURN server comes from now on; see `open_twin` of
        `sockets.py`. Raises OSError where the system has no such thing.
        """
        return open_twin(self._socket)

    def poll_tap(self) -> list[TappedPackets]:
        """Packets of tapped tracks, each track's in order of arrival; may be called in the recorders' thread."""
        return self._tap.poll()

    @property
    def tap_missed(self) -> int:
        """Return how many packets of tapped tracks have not fitted into the ring so far."""
        return int(self._tables.counters[Counter.DROP_TAP_RING_FULL])

    @property
    def cpu_s(self) -> float | None:
        """Processor time of the plane's thread so far, in seconds; None while there is none."""
        return None if self._thread is None else read_thread_clock(self._thread.native_id)

    @property
    def lost_messages(self) -> int | None:
        """What the socket has lost so far since its buffer was full; None where the system does not tell."""
        return None if self._socket is None else count_lost(self._socket)

    def counters(self) -> dict[str, int]:
        """Totals, and every drop by reason; each only grows."""
        return super().counters() | self._control_counters


def open_twins(planes: Iterable[Plane]) -> list[socket.socket]:
    """Return a twin of each plane's socket, or raise LocalError."""
    opened: list[socket.socket] = []
    try:
        for plane in planes:
            opened.append(plane.open_twin())
    except OSError as error:
        for each in opened:
            each.close()
        raise LocalError(f"this system cannot lead TURN by UDP to a socket of its own ({error})") from error
    return opened


def link_planes(planes: list[Plane]) -> None:
    """Connect the planes of one server by relay rings; before they start."""
    if len(planes) > MAX_SHARDS:
        raise ConfigError("shards", f"at most {MAX_SHARDS}, not {len(planes)}")
    relay: PacketRings = make_packet_rings(len(planes), len(planes), _RELAY_SLOTS)
    events = np.full(MAX_SHARDS, -1, np.int32)
    for plane in planes:
        events[plane.index] = plane._queue.event
    for plane in planes:
        plane._relay = relay
        plane._wake_events = events
        plane._planes = planes


_enter_loop = Entrance(run_plane)
_warmed = False


def _idle_plane() -> tuple[Plane, tuple[Tables, Buffers, Wiring]]:
    """Return a plane that never runs, and the arguments of its kernels."""
    idle = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(4, 4, 4, 4, 4, 4, 4))
    return idle, (idle._tables, idle._buffers, idle._wiring(-1))


def compile_kernels(progress: Callable[[float], None] | None = None) -> None:
    """Compile the loop, and with it every kernel, if this machine has not yet; `Plane.start` does so by itself.

    It ends with a run that stops at once, before any socket is bound. `progress` is called with what part is done, from
    any thread; not at all where there is nothing to do.
    """
    global _warmed
    if _warmed:
        return
    idle, arguments = _idle_plane()
    if not _enter_loop.load():
        cache = find_kernel_cache()
        if cache.writable and cache.known_compiler:
            compile_apart(progress)
        if not _enter_loop.load():
            _compile_here(arguments, progress)
    idle._post(0, Stop())
    _enter_loop(*arguments)
    idle.stop()
    _warmed = True


def _compile_here(arguments: tuple[Tables, Buffers, Wiring], progress: Callable[[float], None] | None) -> None:
    from sfu.routing import warming

    warming.compile_plane(_enter_loop, arguments, progress)


def compile_for_another() -> None:
    """Compile the loop for the process that has started this one, and tell it what part is done."""
    idle, arguments = _idle_plane()
    _compile_here(arguments, say_share)
    idle.stop()


@dataclass(frozen=True, slots=True)
class KernelCache:
    """Where the compiled plane is kept."""

    folder: Path | None
    """None: nothing can be kept."""
    compiled: bool
    """Whether this version's plane for this processor is there, so that a start takes no time."""
    writable: bool
    """Whether this process may write there."""
    known_compiler: bool
    """Whether the installed Numba is one with which starts are quick."""


def find_kernel_cache() -> KernelCache:
    """Return where the compiled plane is kept; loads no compiler."""
    path = _enter_loop.path
    folder = None if path is None else path.parent
    writable = folder is not None and os.access(folder, os.W_OK | os.X_OK)
    return KernelCache(folder, path is not None and path.is_file(), writable, _enter_loop.is_possible)


def compile_second() -> None:
    """Compile the share of a process that helps another one with its first start."""
    from sfu.routing import warming

    idle, arguments = _idle_plane()
    warming.compile_second(arguments)
    idle.stop()
