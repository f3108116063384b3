"""Plans of the pacer: what comes for a viewer when, and what has left for him then, and how.

    left = play(Viewer(estimate_bps=1_000_000), at(0, video=20), at(10, repeats=[3, 4]), ms=200)
    assert left.kinds(since=10)[:2] == ["repeat", "repeat"]

Time is an argument, in microseconds; kernels are entered when they said that something may leave, as the plane does.
Encryption and sockets are real: what has left is what came out of them.
"""

from __future__ import annotations

import contextlib
import socket
from collections import Counter as Tally
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from pylibsrtp import Error, Policy

from sfu.routing.kernels.counters import COUNTER_COUNT, Counter
from sfu.routing.kernels.history import WAITING
from sfu.routing.kernels.messages import VIRTUAL_US, make_buffers
from sfu.routing.kernels.native import srtp_handle
from sfu.routing.kernels.numbering import FRAME, MARKER, NUMBERS, PICTURE, SEQUENCE, TIMESTAMP, TL0
from sfu.routing.kernels.pacing import MEDIA, REPEATS
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.routing.kernels.template import build_template
from sfu.wire.extensions import Extension
from sfu.wire.kernels.rtp import PACKET, parse_rtp
from sfu.wire.sockaddr import encode_address
from tests.unit.bwe import kernels as estimator

from . import kernels
from .conftest import make_session, rtp
from .plain_native import native_calls

START_US = 1_000_000_000
NEVER_US = 1 << 62
HISTORY = 256
VIDEO_TYPE, REPAIR_TYPE = 96, 97
PROFILE = "AEAD_AES_128_GCM"
FRAME_PACKETS = 5
"""Each so many packets of video are a frame, whose last has the marker."""
_BUFFERS = make_buffers()
_NO_IDS = np.zeros(16, np.uint8)


@dataclass
class Viewer:
    """A subscriber to one video, whose path was estimated, and who tells of each packet that he gets."""

    estimate_bps: int = 1_000_000
    wants_bps: int = 1_000_000_000
    """So much is wanted at most, to which probes go."""
    rtx: bool = True
    """Whether he asks for packets again by RTX; otherwise he gets the same octets again."""
    pads: bool = True
    """Whether his video may have packets of padding."""
    packet_bytes: int = 1_000
    """Payload of each packet of video."""
    sent: int = 0
    """So many packets of video have gone out to him before."""


class Happening(NamedTuple):
    """Something that happens to a viewer."""

    at_us: int
    to: int
    what: Mapping[str, Any]


def at(ms: float, *, to: int = 0, **what: Any) -> Happening:
    """So many milliseconds after the beginning, to the viewer of that number:

    `video=20`: so many packets of video come, and have to wait; `next_number=300`: so the next one is numbered;
    `repeats=[3, 4]`: he asks for these again; `probe=True`: a probe begins, if it is time for one; `forgotten=50`: so
    many packets of others come into the history; `stale=[3]`: the pacer still names video that waits no more;
    any column of the connection, the subscription or the estimator: it has this value.
    """
    return Happening(START_US + round(ms * 1000), to, what)


class Packet(NamedTuple):
    """A packet that has left."""

    ms: float
    to: int
    kind: str
    """`video`, `empty` (in the place of video), `repeat`, `again` (the same octets once more) or `padding`."""
    number: int
    """Its sequence number; of a repeat that of the packet it repeats."""
    data: bytes
    """As it went over the wire."""


def ends_frame(number: int) -> bool:
    """Whether this packet of video is the last of its frame."""
    return number % FRAME_PACKETS == FRAME_PACKETS - 1


def timestamp_of(number: int) -> int:
    """The timestamp of the frame that it is of."""
    return 90_000 + 3_000 * (number // FRAME_PACKETS)


class Left:
    """What has left, and how the tables are then."""

    def __init__(self, packets: list[Packet], tables: Tables, due_us: int, in_vain: int) -> None:
        self.packets, self.tables = packets, tables
        self.in_vain = in_vain
        """How often the plane was told to wake, and nothing could leave."""
        self.rests = due_us == NEVER_US
        """Nothing more is to leave, as far as the kernels say."""

    def some(self, *, kind: str | None = None, to: int | None = None, since: float = 0.0) -> list[Packet]:
        """The packets of a kind, to a viewer, and from so many milliseconds on."""
        return [
            each for each in self.packets if kind in (None, each.kind) and to in (None, each.to) and each.ms >= since
        ]

    def kinds(self, *, since: float = 0.0) -> list[str]:
        """What they are, in the order in which they left."""
        return [each.kind for each in self.some(since=since)]

    def numbers(self, kind: str, *, to: int | None = None) -> list[int]:
        """The numbers of those of one kind, in that order."""
        return [each.number for each in self.some(kind=kind, to=to)]

    def tally(self) -> Tally[str]:
        """How many there are of each kind."""
        return Tally(self.kinds())

    def bits_by(self, ms: float) -> int:
        """What has left up to then."""
        return sum(8 * len(each.data) for each in self.packets if each.ms <= ms)

    def last_ms(self) -> float:
        """When the last one left."""
        return self.packets[-1].ms

    def counted(self, counter: Counter) -> int:
        """What the plane has counted."""
        return int(self.tables.counters[counter])


class _Play:
    """A plan while it is played: viewer k is connection k, its subscription k has log k."""

    def __init__(self, viewers: list[Viewer], stack: contextlib.ExitStack) -> None:
        count = len(viewers)
        self.viewers = viewers
        self.tables = make_tables(count, count, 1, count, COUNTER_COUNT, logs=count, history=HISTORY, resent=count)
        self.now_us = START_US
        self.in_vain = 0
        self.numbers = [0] * count
        self.packets: list[Packet] = []
        self.sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.sender.bind(("127.0.0.1", 0))
        self.sinks = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in viewers]
        self.sessions = [make_session(PROFILE, Policy.SSRC_ANY_OUTBOUND, k) for k in range(count)]
        self.readers = [make_session(PROFILE, Policy.SSRC_ANY_INBOUND, k) for k in range(count)]
        _BUFFERS.state[:VIRTUAL_US] = 0
        for k in range(count):
            self._connect(k)
            for _ in range(viewers[k].sent):
                self._come(k, flags=0)

    def _connect(self, k: int) -> None:
        viewer, sink = self.viewers[k], self.sinks[k]
        sink.bind(("127.0.0.1", 0))
        sink.setblocking(False)
        connection, entry = self.tables.connections[k], self.tables.subscriptions[k]
        address = encode_address(sink.getsockname(), socket.AF_INET)
        connection["active"], connection["controlled"] = 1, 1
        connection["send_srtp"] = srtp_handle(self.sessions[k])
        connection["address"][: len(address)], connection["address_bytes"] = address, len(address)
        connection["extension_id"][Extension.TRANSPORT_SEQUENCE] = 3
        connection["first_subscription"] = k
        estimator.begin(self.tables.estimators[k : k + 1], START_US)
        estimator.want(self.tables.estimators[k : k + 1], float(viewer.wants_bps), START_US)
        self.tables.estimators[k]["estimate_bps"] = viewer.estimate_bps
        entry["active"], entry["connection"], entry["sibling"], entry["transport_cc"] = 1, k, -1, 1
        entry["ssrc"], entry["payload_type"] = 0x1000 + k, VIDEO_TYPE
        entry["log"], entry["pads"], entry["picture_ended"] = k, viewer.pads, 1
        entry["current_index"] = 1
        entry["source"] = -1
        if viewer.rtx:
            entry["repair_type"], entry["repair_ssrc"] = REPAIR_TYPE, 0x2000 + k
        else:
            entry["sealed"], entry["sealed_bytes"] = k + 1, self.tables.sealed_data.shape[1]
        build_template(self.tables, k)
        self.tables.tracks[k]["kept"] = -1

    def _come(self, k: int, flags: int) -> None:
        """A packet of video comes, and is kept and logged."""
        number, entry = self.numbers[k], self.tables.subscriptions[k]
        self.numbers[k] += 1
        data = rtp(number & 0xFFFF, bytes(self.viewers[k].packet_bytes), timestamp=timestamp_of(number))
        buffer, packets = np.frombuffer(data, np.uint8).copy(), np.zeros(1, PACKET)
        assert parse_rtp(buffer, 0, len(data), _NO_IDS, packets, 0) == 0
        packets[0]["index"], packets[0]["source"] = 1, 1
        packets[0]["picture_id_at"] = packets[0]["tl0_picture_at"] = packets[0]["frame_number"] = -1
        position = int(self.tables.history_written[0])
        kernels.keep(self.tables, k, packets, 0, buffer)
        numbers = np.zeros(NUMBERS, np.int64)
        numbers[SEQUENCE], numbers[TIMESTAMP] = number & 0xFFFF, timestamp_of(number)
        numbers[[PICTURE, TL0, FRAME]], numbers[MARKER] = 0, ends_frame(number)
        kernels.log(self.tables, k, position, numbers, flags)
        entry["started"], entry["last_sequence"], entry["last_timestamp"] = 1, number & 0xFFFF, timestamp_of(number)

    def happen(self, to: int, what: Mapping[str, Any]) -> None:
        for name, value in what.items():
            if name == "video":
                for _ in range(value):
                    self._come(to, WAITING)
                    number = (self.numbers[to] - 1) & 0xFFFF
                    kernels.queue(self.tables, to, MEDIA, to, number, self.viewers[to].packet_bytes, self.now_us)
            elif name == "repeats":
                for number in value:
                    kernels.queue(self.tables, to, REPEATS, to, number, self.viewers[to].packet_bytes, self.now_us)
            elif name == "next_number":
                self.numbers[to] = value
            elif name == "stale":
                for number in value:
                    kernels.queue(self.tables, to, MEDIA, to, number, self.viewers[to].packet_bytes, self.now_us)
            elif name == "probe":
                kernels.probe(self.tables, to, self.now_us)
            elif name == "forgotten":
                self.tables.history_written[0] += value
            else:
                tables = (self.tables.connections, self.tables.subscriptions, self.tables.estimators)
                next(table for table in tables if name in table.dtype.fields)[to][name] = value

    def release(self) -> int:
        """Let go what may leave now; return when more may."""
        _BUFFERS.state[VIRTUAL_US] = self.now_us
        due_us = int(kernels.release(self.tables, _BUFFERS, self.sender.fileno(), self.now_us))
        assert due_us > self.now_us, "the plane would never sleep"
        assert (due_us == NEVER_US) == (self.tables.busy[0] == 0)
        for to, sink in enumerate(self.sinks):
            with contextlib.suppress(BlockingIOError):
                while True:
                    self.packets.append(self._read(to, sink.recv(2048)))
        return due_us

    def _read(self, to: int, data: bytes) -> Packet:
        number = int.from_bytes(data[2:4])
        ms = (self.now_us - START_US) / 1000
        try:
            plain = self.readers[to].unprotect(data)
        except Error:  # libsrtp has had this one
            return Packet(ms, to, "again", number, data)
        body = plain[12 + (4 + 4 * int.from_bytes(plain[14:16]) if plain[0] & 0x10 else 0) :]
        padded = body[-1] if plain[0] & 0x20 else 0
        body = body[: len(body) - padded]
        if not body:
            return Packet(ms, to, "empty" if padded == 1 else "padding", number, data)
        kind = "video"
        if plain[1] & 0x7F == REPAIR_TYPE:
            number, body = int.from_bytes(body[:2]), body[2:]
            kind = "repeat"
        assert body == bytes(self.viewers[to].packet_bytes)
        assert bool(plain[1] & 0x80) == ends_frame(number)
        assert int.from_bytes(plain[4:8]) == timestamp_of(number)
        return Packet(ms, to, kind, number, data)


def play(*plan: Viewer | Happening, ms: float) -> Left:
    """Let it happen for so long."""
    end_us = START_US + round(ms * 1000)
    due = deque(sorted((each for each in plan if isinstance(each, Happening)), key=lambda each: each.at_us))
    assert not due or due[-1].at_us <= end_us, "the plan ends before all of it has happened"
    with contextlib.ExitStack() as stack:
        stack.enter_context(native_calls())
        played = _Play([each for each in plan if isinstance(each, Viewer)], stack)
        while True:
            happens, before = bool(due) and due[0].at_us <= played.now_us, len(played.packets)
            while due and due[0].at_us <= played.now_us:
                played.happen(due[0].to, due[0].what)
                due.popleft()
            leaves_us = played.release()
            played.in_vain += not happens and len(played.packets) == before
            next_us = min(leaves_us, due[0].at_us if due else NEVER_US)
            if next_us > end_us:
                return Left(played.packets, played.tables, leaves_us, played.in_vain)
            played.now_us = next_us
