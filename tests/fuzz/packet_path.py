"""The packet path without its thread and socket: what a datagram does to the tables, called directly.

An input is a sequence of operations, so that state (learned sources, replays, batches) is fuzzed and not only
parsing. A datagram may be raw, or an RTP packet encrypted with the right key, so that the path behind libsrtp is
reached. Run with NUMBA_BOUNDSCHECK=1, an access beyond an array raises.
"""

from __future__ import annotations

import struct

import numpy as np
from pylibsrtp import Error, Policy, Session

from sfu.routing.commands import apply_commands
from sfu.routing.counters import Counter
from sfu.routing.fanout import forward_batch
from sfu.routing.ingress import receive_datagram
from sfu.routing.messages import BATCH_PACKETS, NAME_STRIDE, PACKETS
from sfu.routing.notices import NoticeKind
from sfu.routing.plane import Plane, PlaneLimits
from sfu.routing.sockets import Address, encode_address
from sfu.wire.extensions import Extension
from sfu.wire.rtp import PayloadFormat

_NO_DATAGRAMS = (Counter.DROP_SEND_FAILED, Counter.DROP_PROTECT_FAILED, Counter.DROP_LATE, Counter.DROP_NACK_RATE)
"""They count what goes out, or a part of a datagram."""
KEY = bytes(range(28))
PUBLISHER, SUBSCRIBER, STRANGER = ("10.0.0.1", 1000), ("10.0.0.2", 1000), ("10.0.0.9", 9)
_NO_SOCKET = -1
_CLOSED_ADDRESS = 2


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
_WITHOUT_RTX = (PayloadFormat.OPUS, PayloadFormat.VP9)


class PacketPath:
    """One publisher with a Track of each codec, repair streams, and one subscriber, as tables and kernels.

    H.264 parameter sets are told for each, which only H.264 heeds.
    """

    def __init__(self) -> None:
        self.plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(4, 8, 16, 16, 8, 64))
        self.plane._socket = _Family()
        self.rows: list[int] = []
        self.encrypt = _session(Policy.SSRC_ANY_OUTBOUND)
        self.encrypt_asking = _session(Policy.SSRC_ANY_OUTBOUND)
        publisher = self.plane.open_connection()
        self.plane.set_extensions(publisher, {k: int(k) for k in Extension})
        self.plane.set_keys(publisher, _session(Policy.SSRC_ANY_INBOUND), _session(Policy.SSRC_ANY_OUTBOUND))
        self.plane.set_address(publisher, PUBLISHER)
        subscriber = self.plane.open_connection()
        self.plane.set_extensions(subscriber, {k: 15 - int(k) for k in Extension})
        self.plane.set_keys(subscriber, _session(Policy.SSRC_ANY_INBOUND), _session(Policy.SSRC_ANY_OUTBOUND))
        self.plane.set_address(subscriber, SUBSCRIBER)
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
                self.plane.set_resending(row, audio=audio)
            else:
                self.plane.set_repair(row, ssrc=900 + number, payload_type=101)
            self.plane.tell_parameters(track, 0, [b"\x67\x42\xc0\x1e\xd9", b"\x68\xce\x3c\x80"])
            self.rows.append(row)
        self.apply()
        self.now_us = 1

    def apply(self) -> None:
        """Let the plane take what was posted."""
        plane = self.plane
        apply_commands(plane._tables, plane._buffers, plane._queue.index, plane._queue.records)

    def command(self, body: bytes) -> None:
        """What a subscriber can bring about: it asks for packets again, or for another Layer."""
        row = self.rows[body[0] % len(self.rows)]
        first, mask = int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")
        if body[0] & 0x80:
            self.plane.set_target(row, body[1] % 3, body[2] & 3, body[3] & 7)
        else:
            if body[0] & 0x40:  # near what was sent
                first = (int(self.plane.subscription_state(row).last_sequence) - body[1] % 16) & 0xFFFF
            self.plane.set_repeat_interval(row, body[0] >> 4 & 3)
            ssrc = int(self.plane.subscription_state(row).ssrc)
            nack = struct.pack("!BBHIIHH", 0x81, 205, 3, 1, ssrc, first, mask)
            self.receive(self.encrypt_asking.protect_rtcp(nack), SUBSCRIBER)
        self.apply()

    def receive(self, data: bytes, source: Address) -> None:
        """Put one datagram through ingress, and the batch through fan-out when it is full."""
        plane, buffers = self.plane, self.plane._buffers
        buffers.received[: len(data)] = np.frombuffer(data, np.uint8)
        buffers.receive_names[:NAME_STRIDE] = 0
        raw = encode_address(source, _CLOSED_ADDRESS)
        buffers.receive_names[: len(raw)] = raw
        self.now_us += 1000
        row = receive_datagram(
            plane._tables,
            buffers,
            plane._notices.index,
            plane._notices.records,
            0,
            len(data),
            0,
            _NO_SOCKET,
            self.now_us,
        )
        assert -1 <= row < BATCH_PACKETS
        # the next datagram is written over this one, so forward it now
        self.forward()

    def forward(self) -> None:
        """Fan the batch out; with no socket each message is counted as failed."""
        forward_batch(self.plane._tables, self.plane._buffers, _NO_SOCKET, self.now_us)
        assert self.plane._buffers.state[PACKETS] == 0

    def run(self, data: bytes) -> None:
        """Interpret `data` as operations: a byte of kind, two bytes of length, that many bytes."""
        at = 0
        received = 0
        while at + 3 <= len(data):
            kind = data[at]
            length = int.from_bytes(data[at + 1 : at + 3], "big") % 2048
            body = data[at + 3 : at + 3 + length]
            at += 3 + length
            if kind & 0x18 == 0x18 and len(body) >= 5:
                self.command(body)
                continue
            if kind & 3 == 0:
                try:
                    body = self.encrypt.protect(body[:1200])
                except Error:
                    continue  # libsrtp refuses to encrypt what is not RTP
            self.receive(body, STRANGER if kind & 4 else PUBLISHER)
            received += 1
        self.check(received)

    def check(self, received: int) -> None:
        """Every datagram was passed on, accepted, or dropped and counted: none is lost silently."""
        counters = self.plane._tables.counters
        passed_on = int(self.plane._notices.index[0]) - self._learned()
        dropped = sum(int(counters[c]) for c in Counter if c.name.startswith("DROP") and c not in _NO_DATAGRAMS)
        dropped += int(counters[Counter.REPAIR_PADDING])
        assert passed_on + dropped + int(counters[Counter.RECEIVED_RTP]) == received

    def _learned(self) -> int:
        records = self.plane._notices.records
        return sum(
            int(records[k]["kind"]) >= NoticeKind.SOURCE_LEARNED for k in range(int(self.plane._notices.index[0]))
        )

    def close(self) -> None:
        """Free the events."""
        self.plane._socket = None
        self.plane.stop()


class _Family:
    family = 2
