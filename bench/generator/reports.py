"""What browsers send besides media, so that its cost is in the figures: reports and consent checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel
from bench.generator.layout import Tables
from bench.generator.native import CLOCK_REALTIME, MSG_DONTWAIT, clock_gettime, send, srtp_protect_rtcp
from bench.generator.octets import put_u16, put_u32

REPORT_INTERVAL_NS = 1_000_000_000
CONSENT_INTERVAL_NS = 2_500_000_000
_NTP_EPOCH_OFFSET_S = 2_208_988_800
_MAX_BLOCKS = 31


@kernel
def build_receiver_report(buffer: NDArray[np.uint8], ssrc: int, streams: NDArray[Any], count: int) -> int:
    """RTCP RR (RFC 3550 section 6.4.2) over `streams[:count]`; its length. LSR and DLSR are zero."""
    blocks = min(count, _MAX_BLOCKS)
    buffer[0] = 0x80 | blocks
    buffer[1] = 201
    put_u16(buffer, 2, 1 + 6 * blocks)
    put_u32(buffer, 4, ssrc)
    for index in range(blocks):
        at = 8 + 24 * index
        put_u32(buffer, at, np.int64(streams[index]["ssrc"]))
        expected = streams[index]["highest"] - streams[index]["first"] + 1
        lost = expected - np.int64(streams[index]["received"])
        put_u32(buffer, at + 4, min(max(lost, 0), 0x7FFFFF))
        put_u32(buffer, at + 8, streams[index]["highest"] & 0xFFFFFFFF)
        for word in range(3):
            put_u32(buffer, at + 12 + 4 * word, 0)
    return 8 + 24 * blocks


@kernel
def build_sender_report(buffer: NDArray[np.uint8], encoding: Any, timespec: NDArray[np.int64]) -> int:
    """RTCP SR + SDES CNAME (RFC 3550 sections 6.4.1, 6.5) of an encoding; its length."""
    clock_gettime(CLOCK_REALTIME, timespec.ctypes.data)
    buffer[0] = 0x80
    buffer[1] = 200
    put_u16(buffer, 2, 6)
    put_u32(buffer, 4, np.int64(encoding["ssrc"]))
    put_u32(buffer, 8, (timespec[0] + _NTP_EPOCH_OFFSET_S) & 0xFFFFFFFF)
    put_u32(buffer, 12, (timespec[1] << 32) // 1_000_000_000)
    put_u32(buffer, 16, np.int64(encoding["timestamp"]))
    put_u32(buffer, 20, np.int64(encoding["packets"]) & 0xFFFFFFFF)
    put_u32(buffer, 24, np.int64(encoding["bytes"]) & 0xFFFFFFFF)
    buffer[28] = 0x81
    buffer[29] = 202
    put_u16(buffer, 30, 3)
    put_u32(buffer, 32, np.int64(encoding["ssrc"]))
    buffer[36] = 1
    buffer[37] = 5
    for index in range(5):
        buffer[38 + index] = 98  # the CNAME "bbbbb"
    buffer[43] = 0
    return 44


@kernel
def send_rtcp(fd: int, session: int, size: int, buffers: Buffers) -> None:
    """Protect the first `size` bytes of the report buffer as SRTCP and send them."""
    buffers.length[0] = size
    if srtp_protect_rtcp(session, buffers.report.ctypes.data, buffers.length.ctypes.data) == 0:
        send(fd, buffers.report.ctypes.data, buffers.length[0], MSG_DONTWAIT)


@kernel
def send_consent(index: int, tables: Tables) -> None:
    """Send the next of the connection's prebuilt checks."""
    connection = tables.connections[index]
    consents = tables.consents
    turn = np.int64(connection["consents"]) % consents.shape[1]
    at = consents.ctypes.data + (index * consents.shape[1] + turn) * consents.shape[2]
    send(connection["fd"], at, tables.consent_lengths[index], MSG_DONTWAIT)
    connection["consents"] += np.uint64(1)


@kernel
def send_due(tables: Tables, buffers: Buffers, now_ns: int) -> None:
    """Send every report and consent check that is due; called every ten milliseconds or so."""
    connections, encodings = tables.connections, tables.encodings
    for index in range(connections.shape[0]):
        connection = connections[index]
        if connection["streams"] > 0 and now_ns >= connection["next_report_ns"]:
            connection["next_report_ns"] = now_ns + REPORT_INTERVAL_NS
            streams, count = tables.streams[index], connection["streams"]
            size = build_receiver_report(buffers.report, np.int64(connection["ssrc"]), streams, count)
            send_rtcp(connection["fd"], connection["rtcp_out"], size, buffers)
        if connection["next_consent_ns"] != 0 and now_ns >= connection["next_consent_ns"]:
            connection["next_consent_ns"] = now_ns + CONSENT_INTERVAL_NS
            send_consent(index, tables)
    for index in range(encodings.shape[0]):
        encoding = encodings[index]
        if encoding["packets"] > 0 and now_ns >= encoding["next_report_ns"]:
            encoding["next_report_ns"] = now_ns + REPORT_INTERVAL_NS
            size = build_sender_report(buffers.report, encoding, buffers.timespec)
            send_rtcp(connections[encoding["connection"]]["fd"], encoding["rtcp_out"], size, buffers)
