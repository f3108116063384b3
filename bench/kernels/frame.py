"""One video frame in a plane's own memory, with subscribers that want it."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

import numpy as np
from pylibsrtp import Policy, Session

from sfu.routing.kernels.counters import COUNTER_COUNT
from sfu.routing.kernels.fanout import add_to_batch
from sfu.routing.kernels.messages import PACKETS, Buffers, make_buffers
from sfu.routing.kernels.native import srtp_handle
from sfu.routing.kernels.send import ANY_BYTES
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.routing.kernels.template import build_template
from sfu.wire.extensions import Extension
from sfu.wire.kernels.layers import describe_opaque
from sfu.wire.kernels.rtp import parse_rtp
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.payload_format import PayloadFormat
from sfu.wire.sockaddr import encode_address

SUBSCRIBERS = 100
FRAME_PACKETS = 9
HISTORY_PACKETS = 16384
_PAYLOAD_BYTES = 1150
_ESTIMATE_BPS = 50e6
_PAYLOAD_AT = 24
_VP8_DESCRIPTOR = bytes([0x80, 0xE0, 0x80, 0, 0, 0, 0])  # picture ID of 15 bits, TL0PICIDX, TID: RFC 7741 section 4.2
_TIMESTAMPS_A_FRAME = 3000


@dataclass
class Frame:
    """Tables with one track and its subscribers, buffers with the track's received packets."""

    tables: Tables
    buffers: Buffers
    kinds: np.ndarray
    starts: list[tuple[int, int]]  # where each packet lies in `buffers.received`
    sessions: list[Session]
    number: int = 0

    def advance(self) -> None:
        """Make it the next frame of its stream: numbers, timestamp, picture ID."""
        self.number += 1
        received = self.buffers.received
        for index, (start, _) in enumerate(self.starts):
            head = struct.pack("!HI", (1000 + FRAME_PACKETS * self.number + index) & 0xFFFF, self._timestamp)
            received[start + 2 : start + 8] = np.frombuffer(head, np.uint8)
            picture = struct.pack("!HB", 0x8000 | self.number & 0x7FFF, self.number & 0xFF)
            received[start + _PAYLOAD_AT + 2 : start + _PAYLOAD_AT + 5] = np.frombuffer(picture, np.uint8)
            received[start + _PAYLOAD_AT] = 0x90 if index == 0 else 0x80
            received[start + _PAYLOAD_AT + 7] = 0 if self.number == 1 else 1  # the first one is a key frame

    @property
    def _timestamp(self) -> int:
        return (90_000 + _TIMESTAMPS_A_FRAME * self.number) & 0xFFFFFFFF

    def parse(self, *, described: bool = False) -> None:
        """Parse the packets into rows of the batch, as the receiving stage leaves them.

        `described`: as VP8; else they are opaque, so that nothing is selected.
        """
        for row, (start, end) in enumerate(self.starts):
            parse_rtp(self.buffers.received, start, end, self.kinds, self.buffers.packets, row)
            describe_opaque(self.buffers.packets, row)
            packet = self.buffers.packets[row]
            packet["codec"] = PayloadFormat.OPAQUE
            if described:
                packet["codec"] = PayloadFormat.VP8
                assert describe_vp8(self.buffers.received, self.buffers.packets, row) == 0
            packet["index"] = 0
            packet["late"] = 0
            packet["history"] = -1
            packet["source"] = 1
            packet["clock_rate"] = 90_000
            packet["audio"] = 0

    def keep(self) -> None:
        """Let the subscribers ask for packets again: from now on they are kept and logged."""
        for row in range(SUBSCRIBERS):
            subscription = self.tables.subscriptions[row]
            subscription["log"] = row
            subscription["repair_type"], subscription["repair_ssrc"] = 97, 0x30000 + row

    def control(self) -> None:
        """Let the subscribers tell what they get: from now on packets are numbered across the connection, charged to
        the pacer, and logged. The estimate is so high that none has to wait.
        """
        for row in range(SUBSCRIBERS):
            connection = self.tables.connections[row]
            connection["extension_id"][Extension.TRANSPORT_SEQUENCE] = 3
            connection["controlled"] = 1
            self.tables.estimators[row]["estimate_bps"] = _ESTIMATE_BPS
            self.tables.subscriptions[row]["transport_cc"] = 1
            build_template(self.tables, row)

    def batch(self) -> None:
        """Queue the packets on their track."""
        for row in range(len(self.starts)):
            add_to_batch(self.tables, self.buffers.packets, 0, row)
        self.buffers.state[PACKETS] = len(self.starts)


def make_frame(sink: socket.socket) -> Frame:
    """A frame of nine packets whose sizes differ by a byte, and 100 subscribers that all live at `sink`."""
    tables = make_tables(SUBSCRIBERS, 1, 1, SUBSCRIBERS, COUNTER_COUNT, logs=SUBSCRIBERS, history=HISTORY_PACKETS)
    buffers = make_buffers()
    kinds = np.zeros(16, np.uint8)
    kinds[4], kinds[2] = Extension.MID, Extension.ABS_SEND_TIME
    frame = Frame(tables, buffers, kinds, [], [])
    at = 0
    for index in range(FRAME_PACKETS):
        head = struct.pack("!BBHII", 0x90, 96, 1000 + index, 90_000, 0x1234)
        head += struct.pack("!HH", 0xBEDE, 2) + bytes([0x40, 0x30, 0x22, 1, 2, 3, 0, 0])
        size = _PAYLOAD_BYTES + (1 if index >= 5 else 0)
        data = head + _VP8_DESCRIPTOR + bytes(size - len(_VP8_DESCRIPTOR))
        buffers.received[at : at + len(data)] = np.frombuffer(data, np.uint8)
        frame.starts.append((at, at + len(data)))
        at += 2048
    tables.tracks[0]["active"] = 1
    tables.tracks[0]["first_subscription"] = 0
    tables.tracks[0]["relay"][:] = -1
    address = encode_address(sink.getsockname(), socket.AF_INET)
    for row in range(SUBSCRIBERS):
        _add_subscriber(frame, row, address)
    frame.parse()
    return frame


def _add_subscriber(frame: Frame, row: int, address: np.ndarray) -> None:
    policy = Policy(
        key=bytes([row]) * 28, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM
    )
    # The same frame is protected over and over.
    policy.allow_repeat_tx = True
    session = Session(policy)
    frame.sessions.append(session)
    connection = frame.tables.connections[row]
    connection["active"] = 1
    connection["send_srtp"] = srtp_handle(session)
    connection["address"][: len(address)] = address
    connection["address_bytes"] = len(address)
    connection["gso_bytes"] = ANY_BYTES
    connection["extension_id"][Extension.MID] = 4
    connection["extension_id"][Extension.ABS_SEND_TIME] = 2
    subscription = frame.tables.subscriptions[row]
    subscription["active"] = 1
    subscription["connection"] = row
    subscription["next"] = row + 1 if row + 1 < SUBSCRIBERS else -1
    subscription["previous"] = row - 1
    subscription["ssrc"] = 0x20000 + row
    subscription["payload_type"] = 96
    subscription["log"] = -1
    subscription["source"] = -1
    subscription["current_index"] = -1
    subscription["target_spatial"], subscription["target_temporal"] = 3, 7
    subscription["mid_bytes"] = 1
    subscription["mid"][0] = ord("0")
    build_template(frame.tables, row)
