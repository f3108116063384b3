"""One video frame in a plane's own memory, with subscribers that want it."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

import numpy as np
from pylibsrtp import Policy, Session

from sfu.routing.counters import COUNTER_COUNT
from sfu.routing.fanout import add_to_batch
from sfu.routing.messages import PACKETS, Buffers, make_buffers
from sfu.routing.native import srtp_handle
from sfu.routing.rewrite import build_template
from sfu.routing.sockets import encode_address
from sfu.routing.tables import Tables, make_tables
from sfu.wire.extensions import Extension
from sfu.wire.layers import describe_opaque
from sfu.wire.rtp import parse_rtp

SUBSCRIBERS = 100
FRAME_PACKETS = 9
_PAYLOAD_BYTES = 1150


@dataclass
class Frame:
    """Tables with one track and its subscribers, buffers with the track's received packets."""

    tables: Tables
    buffers: Buffers
    kinds: np.ndarray
    starts: list[tuple[int, int]]  # where each packet lies in `buffers.received`
    sessions: list[Session]

    def parse(self) -> None:
        """Parse the packets into rows of the batch, as the receiving stage leaves them."""
        for row, (start, end) in enumerate(self.starts):
            parse_rtp(self.buffers.received, start, end, self.kinds, self.buffers.packets, row)
            describe_opaque(self.buffers.packets, row)
            packet = self.buffers.packets[row]
            packet["source"] = 1
            packet["clock_rate"] = 90_000
            packet["audio"] = 0

    def batch(self) -> None:
        """Queue the packets on their track."""
        for row in range(len(self.starts)):
            add_to_batch(self.tables, self.buffers.packets, 0, row)
        self.buffers.state[PACKETS] = len(self.starts)


def make_frame(sink: socket.socket) -> Frame:
    """A frame of nine packets whose sizes differ by a byte, and 100 subscribers that all live at `sink`."""
    tables = make_tables(SUBSCRIBERS, 1, 1, SUBSCRIBERS, COUNTER_COUNT)
    buffers = make_buffers()
    kinds = np.zeros(16, np.uint8)
    kinds[4], kinds[2] = Extension.MID, Extension.ABS_SEND_TIME
    frame = Frame(tables, buffers, kinds, [], [])
    at = 0
    for index in range(FRAME_PACKETS):
        head = struct.pack("!BBHII", 0x90, 96, 1000 + index, 90_000, 0x1234)
        head += struct.pack("!HH", 0xBEDE, 2) + bytes([0x40, 0x30, 0x22, 1, 2, 3, 0, 0])
        data = head + bytes(_PAYLOAD_BYTES + (1 if index >= 5 else 0))
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
    connection["send_session"] = srtp_handle(session)
    connection["address"][: len(address)] = address
    connection["address_bytes"] = len(address)
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
    subscription["mid_bytes"] = 1
    subscription["mid"][0] = ord("0")
    build_template(frame.tables, row)
