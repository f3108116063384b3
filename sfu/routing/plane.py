"""The one door between the control side and the plane of a shard.

All methods are called from the control thread and return at once: they post commands, read notices, or read counters
from the tables, which only the plane writes.
"""

from __future__ import annotations

import enum
import random
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from sfu.routing.commands import Operation
from sfu.routing.counters import COUNTER_COUNT
from sfu.routing.limits import PlaneLimits
from sfu.routing.loop import Wiring, run_plane, step_plane
from sfu.routing.messages import make_buffers
from sfu.routing.native import srtp_handle
from sfu.routing.queues import (
    CommandQueue,
    Datagram,
    Estimate,
    Gap,
    Notice,
    NoticeQueue,
    PlaneError,
    Repaired,
    RepeatMissed,
    SourceLearned,
    Stranded,
    TappedPacket,
    UplinkEstimate,
    poll_tap,
)
from sfu.routing.rings import PacketRings, make_packet_rings
from sfu.routing.rows import CapacityError, Rows
from sfu.routing.sockets import Address, encode_address, open_socket, sendable
from sfu.routing.table_reader import TableReader
from sfu.routing.tables import MAX_SHARDS, NAME_BYTES, make_tables
from sfu.wire.extensions import Extension
from sfu.wire.rtp import MAX_EXTENSION_ID, PayloadFormat

__all__ = [
    "Address",
    "CapacityError",
    "Datagram",
    "Estimate",
    "Feedback",
    "Gap",
    "Notice",
    "Plane",
    "PlaneError",
    "PlaneLimits",
    "Repaired",
    "RepeatMissed",
    "SourceLearned",
    "Stranded",
    "TappedPacket",
    "UplinkEstimate",
]

_TAP_SLOTS = 4096
_RELAY_SLOTS = 4096


class Feedback(enum.IntEnum):
    """What one side tells the other of the packets that it gets."""

    NONE = 0
    PACKETS = 1
    """When each came: transport-wide feedback."""
    RATES = 2
    """REMB; or, of a client, receiver reports alone."""


class Plane(TableReader):
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
        self._host, self._wanted_port = host, port
        self._rng = rng or random.SystemRandom()
        tables = make_tables(
            limits.connections,
            limits.tracks,
            limits.encodings,
            limits.subscriptions,
            COUNTER_COUNT,
            logs=max(limits.logs, 1),
            history=max(limits.history, 1),
        )
        super().__init__(tables)
        self._connections = Rows("connections", limits.connections)
        self._tracks = Rows("tracks", limits.tracks)
        self._encodings = Rows("encodings", limits.encodings)
        self._subscriptions = Rows("subscriptions", limits.subscriptions)
        self._logs = Rows("logs", limits.logs if limits.history > 0 else 0)
        self._log_of: dict[int, int] = {}
        self._buffers = make_buffers()
        self._queue = CommandQueue(index)
        self._post = self._queue.post
        self._notices = NoticeQueue()
        self._tap = make_packet_rings(1, 1, _TAP_SLOTS)
        self._relay = make_packet_rings(1, 1, 1)
        self._wake_events = np.full(MAX_SHARDS, -1, np.int32)
        self._planes: list[Plane] = [self]
        self._track_uses: dict[int, int] = {}
        self._socket: Any = None
        self._thread: threading.Thread | None = None
        self._sessions: dict[int, tuple[Any, Any]] = {}
        self._control_counters = {"control_sent": 0, "control_send_failed": 0}

    # set-up

    @property
    def port(self) -> int:
        """The UDP port; known once started."""
        return int(self._socket.getsockname()[1])

    @property
    def family(self) -> int:
        """The socket's address family."""
        return int(self._socket.family)

    @property
    def notice_fd(self) -> int:
        """Readable when notices wait; for the event loop."""
        return self._notices.event

    def start(self) -> None:
        """Compile (first run only), bind, and start to forward. Raises OSError when the port cannot be bound."""
        _warm()
        self._socket = open_socket(self._host, self._wanted_port)
        self._thread = threading.Thread(target=self._run, name=f"sfu-plane-{self.index}", daemon=True)
        self._thread.start()

    def start_stepped(self) -> None:
        """Bind, but let the caller run the rounds by `step`, in virtual time: for tests and the emulator."""
        self._socket = open_socket(self._host, self._wanted_port)

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
            self._tap,
            self._relay,
        )

    def _run(self) -> None:
        run_plane(self._tables, self._buffers, self._wiring(self._socket.fileno()))

    def stop(self) -> None:
        """End the thread and close the socket. Idempotent."""
        if self._thread is not None:
            self._post(Operation.STOP, 0)
            self._thread.join()
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._queue.close()
        self._notices.close()
        self._sessions.clear()

    # commands

    @property
    def settled(self) -> bool:
        """Whether the plane has applied every command."""
        return self._queue.applied

    def open_connection(self) -> int:
        """A row for one peer's connection. Raises CapacityError."""
        row = self._connections.take()
        self._post(Operation.OPEN_CONNECTION, row)
        return row

    def set_extensions(self, connection: int, ids: Mapping[Extension, int], *, mixed: bool = False) -> None:
        """Agree on header extension ids (1 to 14) for both directions of a connection.

        `mixed`: the client takes the two-byte form besides the one-byte form (RFC 8285 section 4.1.2).
        """
        blob = bytearray(max(Extension) + 1)
        for extension, identifier in ids.items():
            if not 1 <= identifier <= MAX_EXTENSION_ID:
                raise ValueError(f"extension id {identifier} of {extension.name} is not within 1..14")
            blob[extension] = identifier
        self._post(Operation.SET_EXTENSIONS, connection, int(mixed), blob=bytes(blob))

    def set_keys(self, connection: int, receive_session: Any, send_session: Any) -> None:
        """Give a connection its SRTP sessions (`pylibsrtp.Session`), for RTP only; the plane keeps them alive."""
        self._queue.keep_until_applied(self._sessions.pop(connection, None))
        self._sessions[connection] = (receive_session, send_session)
        self._post(Operation.SET_KEYS, connection, srtp_handle(receive_session), srtp_handle(send_session))

    def set_address(self, connection: int, address: Address) -> None:
        """Select the peer's address: where we send to, and whose RTP and RTCP we take."""
        self._post(Operation.SET_ADDRESS, connection, blob=encode_address(address, self.family))

    def set_control(self, connection: int, feedback: Feedback, *, reports: Feedback, ssrc: int) -> None:
        """Agree on congestion feedback.

        Args:
            feedback: what the client tells us of what it gets.
            reports: what we tell the client of what it sends; with `RATES` an `UplinkEstimate` comes, to be told.
            ssrc: ours, for reports on packets; used for nothing else, since the plane counts their SRTCP index.
        """
        self._post(Operation.SET_CONTROL, connection, feedback, reports, ssrc)

    def set_limit(self, connection: int, rate_bps: int) -> None:
        """Say what a connection can use at most: no higher rate is tried."""
        self._post(Operation.SET_LIMIT, connection, rate_bps)

    def set_loss_bound(self, connection: int, rate_bps: int) -> None:
        """Say what receiver reports make of the path, for a client with `Feedback.RATES`."""
        self._post(Operation.SET_LOSS_BOUND, connection, rate_bps)

    def close_connection(self, connection: int) -> None:
        """Free a connection's row; its encodings and subscriptions have been closed before."""
        self._queue.keep_until_applied(self._sessions.pop(connection, None))
        self._post(Operation.CLOSE_CONNECTION, connection)
        self._connections.give_back(connection)

    def open_track(self) -> int:
        """A row for a track that is published on, or relayed to, this shard. Raises CapacityError."""
        row = self._tracks.take()
        self._track_uses[row] = self._track_uses.get(row, 0) + 1
        self._post(Operation.OPEN_TRACK, row, self._track_uses[row])
        return row

    def close_track(self, track: int) -> None:
        """Free a track's row; its encodings and subscriptions have been closed before."""
        self._post(Operation.CLOSE_TRACK, track)
        self._tracks.give_back(track)

    def open_encoding(
        self,
        track: int,
        connection: int,
        *,
        mid: str,
        rid: str = "",
        ssrc: int = 0,
        payload_type: int,
        clock_rate: int,
        audio: bool,
        codec: PayloadFormat = PayloadFormat.OPAQUE,
        index: int = 0,
        redundant_type: int = 0,
        asks: bool = False,
        repairs: int = -1,
    ) -> int:
        """A row for one RTP stream of a track. May raise CapacityError.

        Args:
            ssrc: 0: to be learned from MID, RID (for a repair stream the repaired RID) or payload type.
            index: which Encoding of the track it is, 0 the lowest.
            redundant_type: payload type of RED around the codec's packets, 0: none.
            asks: give `Gap` and `Repaired` notices.
            repairs: the encoding whose packets this one repeats (RFC 4588), -1: it carries media.
        """
        row = self._encodings.take()
        flags = payload_type | (audio << 8) | (redundant_type << 16) | (codec << 24) | (index << 32) | (asks << 40)
        self._post(
            Operation.OPEN_ENCODING,
            row,
            track,
            connection,
            ssrc or -1,
            flags,
            clock_rate,
            repairs,
            text=_name(mid),
            blob=_name(rid),
        )
        return row

    def close_encoding(self, encoding: int) -> None:
        """Free an encoding's row."""
        self._post(Operation.CLOSE_ENCODING, encoding)
        self._encodings.give_back(encoding)

    def set_shift(self, encoding: int, shift: int) -> None:
        """Tell an encoding's clock: its timestamps plus `shift` are on the common clock of the track's encodings."""
        self._post(Operation.SET_SHIFT, encoding, shift)

    def open_subscription(
        self,
        track: int,
        connection: int,
        *,
        mid: str,
        ssrc: int,
        payload_type: int,
        redundant_type: int = 0,
        wide: bool = True,
    ) -> int:
        """Forward a track to a connection as `ssrc`; numbering starts at random. Raises CapacityError.

        `redundant_type`: the client's payload type of RED; 0: RED is unpacked for it. `wide`: the packets carry
        transport-wide sequence numbers, if the connection has an id for them.
        """
        row = self._subscriptions.take()
        seed = self._rng.getrandbits(47)  # RFC 3550 section 5.1; not near the sequence's wrap, for early losses
        self._post(
            Operation.OPEN_SUBSCRIPTION,
            row,
            track,
            connection,
            ssrc,
            payload_type | (redundant_type << 8) | (wide << 16),
            seed & ~0x8000,
            text=_name(mid),
        )
        return row

    def close_subscription(self, subscription: int) -> None:
        """Stop forwarding and free the row."""
        self._post(Operation.CLOSE_SUBSCRIPTION, subscription)
        self._subscriptions.give_back(subscription)
        log = self._log_of.pop(subscription, None)
        if log is not None:
            self._logs.give_back(log)

    def set_target(self, subscription: int, index: int, spatial: int, temporal: int) -> None:
        """Aim a video subscription at the Encoding `index`, and within it at Layer(spatial 0..3, temporal 0..7)."""
        self._post(Operation.SET_TARGET, subscription, index, spatial, temporal)

    def set_repair(self, subscription: int, *, ssrc: int, payload_type: int) -> bool:
        """Let a subscription ask for packets again, by RTX as `ssrc`; False when there is no log left for it."""
        try:
            log = self._logs.take()
        except CapacityError:
            return False
        self._log_of[subscription] = log
        self._post(Operation.SET_REPAIR, subscription, ssrc, payload_type, log, self._rng.getrandbits(15))
        return True

    def repeat(self, subscription: int, first: int, mask: int, *, interval_ms: int) -> None:
        """Send packets again: egress number `first`, and first + 1 + k for each bit k of `mask` (RFC 4585 s. 6.2.1).

        One that was repeated within the last `interval_ms` is not.
        """
        self._post(Operation.REPEAT, subscription, first, mask, interval_ms)

    def set_paused(self, subscription: int, paused: bool) -> None:
        """Hold back, or let through, a subscription's packets."""
        self._post(Operation.SET_PAUSED, subscription, int(paused))

    def set_tapped(self, track: int, tapped: bool) -> None:
        """Copy a track's decrypted packets to the tap ring, or stop that."""
        self._post(Operation.SET_TAP, track, int(tapped))

    def set_relay(self, track: int, shard: int, target: int) -> None:
        """Relay a track to `target`, its row on another shard (-1: stop)."""
        use = self._planes[shard]._track_uses[target] if target >= 0 else 0
        self._post(Operation.SET_RELAY, track, shard, target, use)

    # notices, datagrams, tap

    def poll_notices(self) -> list[Notice]:
        """All waiting notices; to be called when `notice_fd` is readable."""
        return self._notices.poll()

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram of the control side; one that the system refuses is counted."""
        try:
            self._socket.sendto(data, sendable(address, self.family))
            self._control_counters["control_sent"] += 1
        except OSError:
            self._control_counters["control_send_failed"] += 1

    def poll_tap(self, limit: int = 1024) -> list[TappedPacket]:
        """Up to `limit` packets of tapped tracks, in order of arrival."""
        return poll_tap(self._tap, limit)

    def counters(self) -> dict[str, int]:
        """Totals, and every drop by reason; each only grows."""
        return super().counters() | self._control_counters

    def rows_in_use(self) -> dict[str, int]:
        """Number of taken rows by table."""
        return {rows.name: rows.taken for rows in self._all_rows()}

    def _all_rows(self) -> tuple[Rows, ...]:
        return self._connections, self._tracks, self._encodings, self._subscriptions, self._logs


def _name(text: str) -> bytes:
    raw = text.encode("ascii")
    if len(raw) > NAME_BYTES:
        raise ValueError(f"MID or RID {text!r} is longer than {NAME_BYTES} characters")
    return raw


def link_planes(planes: list[Plane]) -> None:
    """Connect the planes of one server by relay rings; before they start."""
    if len(planes) > MAX_SHARDS:
        raise ValueError(f"at most {MAX_SHARDS} shards, not {len(planes)}")
    relay: PacketRings = make_packet_rings(len(planes), len(planes), _RELAY_SLOTS)
    events = np.full(MAX_SHARDS, -1, np.int32)
    for plane in planes:
        events[plane.index] = plane._queue.event
    for plane in planes:
        plane._relay = relay
        plane._wake_events = events
        plane._planes = planes


_warmed = False


def _warm() -> None:
    """Compile the loop, and with it every kernel, before a socket is bound: a first run that stops at once."""
    global _warmed
    if _warmed:
        return
    idle = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(4, 4, 4, 4, 4, 4))
    idle._post(Operation.STOP, 0)
    run_plane(idle._tables, idle._buffers, idle._wiring(-1))
    idle.stop()
    _warmed = True
