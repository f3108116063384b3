"""The packet path without its thread and socket: what a datagram does to the tables, called directly.

An input is a sequence of operations, so that state (learned sources, replays, batches) is fuzzed and not only
parsing. A datagram may be raw, or an RTP or RTCP packet encrypted with the right key, so that the path behind libsrtp
is reached. Run with NUMBA_BOUNDSCHECK=1, an access beyond an array raises.
"""

from __future__ import annotations

import random
import struct

import numpy as np
from numpy.typing import NDArray
from pylibsrtp import Error, Policy, Session

from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.fanout import forward_batch
from sfu.routing.kernels.ingress import receive_datagram
from sfu.routing.kernels.messages import BATCH_PACKETS, NAME_STRIDE, PACKETS, VIRTUAL_US
from sfu.routing.kernels.notice_records import NoticeKind
from sfu.routing.kernels.rings import READ, WRITTEN
from sfu.routing.plane import Plane, PlaneLimits
from sfu.wire.extensions import Extension
from sfu.wire.payload_format import PayloadFormat
from sfu.wire.sockaddr import Address, encode_address

_NO_DATAGRAMS = (Counter.DROP_SEND_FAILED, Counter.DROP_PROTECT_FAILED, Counter.DROP_LATE, Counter.DROP_NACK_RATE)
"""They count what goes out, or a part of a datagram."""
ACCOUNTS = [
    counter
    for counter in Counter
    if (counter.name.startswith("DROP") and counter not in _NO_DATAGRAMS)
    or counter in (Counter.REPAIR_PADDING, Counter.RECEIVED_RTP, Counter.ANSWERED_CHECKS)
]
"""One of them counts each datagram that is neither passed on nor answered in the plane."""
KEY = bytes(range(28))
PUBLISHER, SUBSCRIBER, STRANGER = ("10.0.0.1", 1000), ("10.0.0.2", 1000), ("10.0.0.9", 9)
UFRAG = "fragment"
"""The user fragment that the publisher was given."""
PWD = "password"
"""By which its checks are signed."""
NO_SOCKET = -1
COMMAND = 0x18
"""The bits of an operation's kind that make a command of it."""
STRANGE = 4
VIEWER = 0x20
"""RTCP that is encrypted comes from the subscriber."""
MOST_PLAIN_BYTES = 1200
KEPT_NOTICES = 1024
"""When so many wait, the control side takes them."""
STEP_US = 1000
NACK_HEAD = (0x81, 205, 3, 1)
"""Of a NACK with one entry (RFC 4585 section 6.2.1), up to the SSRC of the media: no more than the sender's is said."""
_CLOSED_ADDRESS = 2


def sender(source: Address) -> NDArray[np.uint8]:
    """Where datagrams come from, as `recvmmsg` tells it."""
    name = np.zeros(NAME_STRIDE, np.uint8)
    raw = encode_address(source, _CLOSED_ADDRESS)
    name[: len(raw)] = raw
    return name


def _session(direction: int) -> Session:
    policy = Policy(key=KEY, ssrc_type=direction, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
    policy.window_size = 128
    return Session(policy)


_TRACKS = (
    ("a", 0, PayloadFormat.OPUS),
    ("v", 77, PayloadFormat.VP8),
    ("w", 78, PayloadFormat.VP9),
    ("x", 79, PayloadFormat.H264),
    ("y", 80, PayloadFormat.AV1),
)
_LIMITS = PlaneLimits(4, 8, 16, 16, 8, 64)
_WITHOUT_RTX = (PayloadFormat.OPUS, PayloadFormat.VP9)


class PacketPath:
    """One publisher with a Track of each codec, repair streams, and one subscriber, as tables and kernels.

    H.264 parameter sets are told for each, which only H.264 heeds.
    """

    def __init__(self) -> None:
        self.plane = Plane(0, host="127.0.0.1", port=0, limits=_LIMITS, rng=random.Random(1))
        self.plane._socket = _Family()
        self.rows: list[int] = []
        self.tracks: list[int] = []
        self.encrypt = _session(Policy.SSRC_ANY_OUTBOUND)
        self.encrypt_asking = _session(Policy.SSRC_ANY_OUTBOUND)
        publisher = self.plane.open_connection()
        self.plane.set_extensions(publisher, {k: int(k) for k in Extension})
        self.plane.set_keys(publisher, _session(Policy.SSRC_ANY_INBOUND), _session(Policy.SSRC_ANY_OUTBOUND))
        self.plane.addresses.set(publisher, (PUBLISHER,), PUBLISHER)
        self.plane.set_ufrags(publisher, [UFRAG])
        self.plane.checks.answer(publisher, ufrag=UFRAG, pwd=PWD, remote_ufrag="them", nominated=True)
        subscriber = self.plane.open_connection()
        self.plane.set_extensions(subscriber, {k: 15 - int(k) for k in Extension})
        self.plane.set_keys(subscriber, _session(Policy.SSRC_ANY_INBOUND), _session(Policy.SSRC_ANY_OUTBOUND))
        self.plane.addresses.set(subscriber, (SUBSCRIBER,), SUBSCRIBER)
        for number, (mid, ssrc, codec) in enumerate(_TRACKS):
            audio = codec == PayloadFormat.OPUS
            track = self.plane.open_track()
            options = {"mid": mid, "clock_rate": 90000, "audio": audio}
            media = self.plane.open_encoding(
                track,
                publisher,
                ssrc=ssrc,
                payload_type=96 + 2 * number,
                codec=codec,
                redundant_type=97 if audio else 0,
                asks=True,
                **options,
            )
            row = self.plane.open_subscription(track, subscriber, mid=mid, ssrc=500 + number, payload_type=100)
            if not audio:
                self.plane.open_encoding(
                    track, publisher, ssrc=ssrc + 100, payload_type=97 + 2 * number, repairs=media, **options
                )
                self.plane.set_target(row, 0, 0, number % 2)
            if codec in _WITHOUT_RTX:
                self.plane.repairs.use_resending(row, audio=audio)
            else:
                self.plane.repairs.use_rtx(row, ssrc=900 + number, payload_type=101)
            self.plane.tell_parameters(track, 0, [b"\x67\x42\xc0\x1e\xd9", b"\x68\xce\x3c\x80"])
            self.rows.append(row)
            self.tracks.append(track)
        self.now_us = 1
        self.apply()
        self.passed_on = self.apart = 0

    def apply(self) -> None:
        """Let the plane take what was posted."""
        plane = self.plane
        plane._buffers.state[VIRTUAL_US] = self.now_us
        apply_commands(plane._tables, plane._buffers, plane._queue.index, plane._queue.records, NO_SOCKET)

    def command(self, body: bytes) -> None:
        """What clients bring about: a subscriber asks for packets again or for another Layer, a publisher reports."""
        row = self.rows[body[0] % len(self.rows)]
        first, mask = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        if body[0] & 0xC0 == 0xC0:
            self.plane.pass_report(self.tracks[body[0] % len(self.tracks)], body[1], first << 32 | mask, first)
            self.apply()
            return
        if body[0] & 0x80:
            self.plane.set_target(row, body[1] % 3, body[2] & 3, body[3] & 7)
            self.apply()
            return
        self.plane._tables.subscriptions[row]["repeat_interval_ms"] = body[0] >> 4 & 3
        state = self.plane.subscription_state(row)
        if body[0] & 0x40:  # near what was sent
            first = (int(state.last_sequence) - body[1] % 16) & 0xFFFF
        nack = struct.pack("!BBHIIHH", *NACK_HEAD, int(state.ssrc), first, mask)
        self.receive(self.encrypt_asking.protect_rtcp(nack), SUBSCRIBER)

    def receive(self, data: bytes, source: Address) -> None:
        """Put one datagram through ingress, and the batch through fan-out when it is full."""
        plane, buffers = self.plane, self.plane._buffers
        buffers.received[: len(data)] = np.frombuffer(data, np.uint8)
        buffers.receive_names[:NAME_STRIDE] = sender(source)
        self.now_us += STEP_US
        buffers.state[VIRTUAL_US] = self.now_us
        row = receive_datagram(
            plane._tables,
            buffers,
            plane._notices.index,
            plane._notices.records,
            0,
            len(data),
            0,
            NO_SOCKET,
            self.now_us,
        )
        assert -1 <= row < BATCH_PACKETS
        # the next datagram is written over this one, so forward it now
        self.forward()

    def forward(self) -> None:
        """Fan the batch out; with no socket each message is counted as failed."""
        forward_batch(self.plane._tables, self.plane._buffers, NO_SOCKET, self.now_us)
        assert self.plane._buffers.state[PACKETS] == 0

    def run(self, data: bytes) -> None:
        """Interpret `data` as operations: a byte of kind, two bytes of length, that many bytes."""
        at = received = before = 0
        notices = self.plane._notices.index
        while at + 3 <= len(data):
            kind = data[at]
            length = int.from_bytes(data[at + 1 : at + 3], "big") % 2048
            body = data[at + 3 : at + 3 + length]
            at += 3 + length
            if notices[WRITTEN] - notices[READ] >= KEPT_NOTICES:
                self.take_notices()
            if kind & COMMAND == COMMAND and len(body) >= 5:
                self.command(body)
                continue
            compound = False
            source = STRANGER if kind & STRANGE else PUBLISHER
            if kind & 3 == 0:
                compound = len(body) > 1 and 192 <= body[1] < 224
                protect = self.encrypt.protect_rtcp if compound else self.encrypt.protect
                if compound and kind & VIEWER:
                    protect, source = self.encrypt_asking.protect_rtcp, SUBSCRIBER
                try:
                    body = protect(body[:MOST_PLAIN_BYTES])
                except Error:
                    continue  # libsrtp refuses to encrypt what is neither
                before = self.accounted() if compound else 0
            self.receive(body, source)
            if compound:  # one may tell of several paths, or of nothing that is new
                self.apart += self.accounted() - before
            else:
                received += 1
        assert self.accounted() - self.apart == received

    def accounted(self) -> int:
        """Every datagram was passed on, accepted, or dropped and counted: none is lost silently."""
        self.take_notices()
        counters = self.plane._tables.counters
        return self.passed_on + sum(int(counters[counter]) for counter in ACCOUNTS)

    def take_notices(self) -> None:
        """As the control side does; those that pass a datagram on are counted."""
        index, records = self.plane._notices.index, self.plane._notices.records
        for position in range(int(index[READ]), int(index[WRITTEN])):
            self.passed_on += int(records[position % len(records)]["kind"]) < NoticeKind.SOURCE_LEARNED
        index[READ] = index[WRITTEN]

    def close(self) -> None:
        """Free the events."""
        self.plane._socket = None
        self.plane.stop()


class _Family:
    family = 2
