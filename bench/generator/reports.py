"""What browsers send besides media: reports, feedback, what they ask for, and consent checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.arrivals import next_feedback
from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel, stage
from bench.generator.layout import AUDIO, OTHER, REPAIR, Tables
from bench.generator.missing import ask
from bench.generator.native import CLOCK_REALTIME, MSG_DONTWAIT, clock_gettime, send, srtp_protect_rtcp
from bench.generator.octets import Octets, put_u16, put_u32

#: Of a publisher's sender reports.
REPORT_INTERVAL_NS = 1_000_000_000
FEEDBACK_INTERVAL_NS = 100_000_000
_MS_NS = 1_000_000
#: Between two receiver reports on a stream: one second of video, five of audio, half as much to half more (libwebrtc).
_VIDEO_REPORT_MS = (500, 1500)
_AUDIO_REPORT_MS = (2500, 7500)
#: Between two consent checks (RFC 7675 section 5.1).
_CONSENT_MS = (4000, 6000)
_NTP_EPOCH_OFFSET_S = 2_208_988_800
_FAR_NS = 1 << 62
_LEAST_LOST, _MOST_LOST = -(1 << 23), (1 << 23) - 1


@kernel
def draw_ms(connection: Any, bounds: tuple[int, int]) -> int:
    """A random whole number of milliseconds between two bounds, from the connection's own sequence."""
    state = (np.int64(connection["random"]) * 1_103_515_245 + 12_345) & 0x7FFFFFFF
    connection["random"] = state
    return bounds[0] + ((state * (bounds[1] - bounds[0])) >> 31)


@stage
def put_report_block(out: Octets, at: int, stream: Any, now_ns: int) -> None:
    """A report block on a stream (RFC 3550 section 6.4.1, appendix A.3); the next one goes on where it ends."""
    expected = np.int64(stream["highest"]) - np.int64(stream["first"]) + 1
    arrived = np.int64(stream["arrived"])
    lost = min(max(expected - arrived, _LEAST_LOST), _MOST_LOST)
    recent = expected - np.int64(stream["told_expected"])
    recent_lost = recent - (arrived - np.int64(stream["told_arrived"]))
    fraction = 0
    if recent > 0 and recent_lost > 0:
        fraction = min((recent_lost << 8) // recent, 255)
    stream["told_expected"] = expected
    stream["told_arrived"] = arrived
    put_u32(out, at, np.int64(stream["ssrc"]))
    put_u32(out, at + 4, (fraction << 24) | (lost & 0xFFFFFF))
    # The numbering began one cycle up.
    put_u32(out, at + 8, (np.int64(stream["highest"]) - 0x10000) & 0xFFFFFFFF)
    put_u32(out, at + 12, np.int64(stream["jitter"]) & 0xFFFFFFFF)
    put_u32(out, at + 16, np.int64(stream["sender_report"]))
    delay = 0
    if stream["sender_report"] != 0:
        delay = (now_ns - np.int64(stream["sender_report_ns"])) // 1000 * 65536 // 1_000_000
    put_u32(out, at + 20, delay & 0xFFFFFFFF)


@kernel
def build_receiver_report(out: Octets, ssrc: int, streams: NDArray[Any], row: int, now_ns: int) -> int:
    """RTCP RR (RFC 3550 section 6.4.2) on a stream, and on its retransmissions if there were any; its length."""
    put_report_block(out, 8, streams[row], now_ns)
    blocks = 1
    repair = np.int64(streams[row]["repair"])
    if repair >= 0 and streams[repair]["arrived"] > 0:
        put_report_block(out, 32, streams[repair], now_ns)
        blocks = 2
    out[0] = 0x80 | blocks
    out[1] = 201
    put_u16(out, 2, 1 + 6 * blocks)
    put_u32(out, 4, ssrc)
    return 8 + 24 * blocks


@kernel
def build_sender_report(buffer: Octets, encoding: Any, timespec: NDArray[np.int64]) -> int:
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


@stage
def send_rtcp(fd: int, session: int, size: int, buffers: Buffers) -> None:
    """Protect the first `size` bytes of the report buffer as SRTCP and send them."""
    buffers.length[0] = size
    if srtp_protect_rtcp(session, buffers.report.ctypes.data, buffers.length.ctypes.data) == 0:
        send(fd, buffers.report.ctypes.data, buffers.length[0], MSG_DONTWAIT)


@stage
def send_consent(index: int, tables: Tables) -> None:
    """Send the next of the connection's prebuilt checks."""
    connection = tables.connections[index]
    consents = tables.consents
    turn = np.int64(connection["consents"]) % consents.shape[1]
    at = consents.ctypes.data + (index * consents.shape[1] + turn) * consents.shape[2]
    send(connection["fd"], at, tables.consent_lengths[index], MSG_DONTWAIT)
    connection["consents"] += np.uint64(1)


@stage
def send_asked(index: int, tables: Tables, buffers: Buffers, now_ns: int) -> None:
    """Ask for what is missing on a connection and due."""
    connection = tables.connections[index]
    size = ask(index, now_ns, tables, buffers.report)
    if size > 0:
        send_rtcp(connection["fd"], connection["rtcp_out"], size, buffers)


@stage
def send_feedback(index: int, tables: Tables, buffers: Buffers) -> None:
    """Tell when the packets since the last feedback came."""
    connection = tables.connections[index]
    while True:
        size = next_feedback(index, tables, buffers.report, buffers.symbols)
        if size == 0:
            return
        send_rtcp(connection["fd"], connection["rtcp_out"], size, buffers)


@stage
def send_receiver_reports(index: int, tables: Tables, buffers: Buffers, now_ns: int) -> None:
    """Report on each stream that is due; each has a report of its own, as each has a receiver in libwebrtc."""
    connection = tables.connections[index]
    streams = tables.streams[index]
    soonest = _FAR_NS
    for row in range(connection["streams"]):
        stream = streams[row]
        if stream["kind"] == REPAIR or stream["kind"] == OTHER:
            continue
        if now_ns >= stream["next_report_ns"]:
            bounds = _AUDIO_REPORT_MS if stream["kind"] == AUDIO else _VIDEO_REPORT_MS
            first = stream["next_report_ns"] == 0
            # The first ones are spread, as those of people who join at different times are.
            wait_ms = draw_ms(connection, (0, bounds[1])) if first else draw_ms(connection, bounds)
            stream["next_report_ns"] = now_ns + wait_ms * _MS_NS
            if not first and stream["arrived"] > 0:
                size = build_receiver_report(buffers.report, np.int64(connection["ssrc"]), streams, row, now_ns)
                send_rtcp(connection["fd"], connection["rtcp_out"], size, buffers)
        soonest = min(soonest, np.int64(stream["next_report_ns"]))
    connection["next_report_ns"] = soonest


@stage
def send_due(tables: Tables, buffers: Buffers, now_ns: int) -> None:
    """Send every report, feedback and consent check that is due; called every ten milliseconds or so."""
    connections, encodings = tables.connections, tables.encodings
    for index in range(connections.shape[0]):
        connection = connections[index]
        if connection["streams"] > 0:
            if now_ns >= connection["next_report_ns"]:
                send_receiver_reports(index, tables, buffers, now_ns)
            if now_ns >= connection["next_feedback_ns"]:
                # On a fixed beat, but with no hurry to make up for what was late.
                due = connection["next_feedback_ns"] + FEEDBACK_INTERVAL_NS
                connection["next_feedback_ns"] = due if due > now_ns else now_ns + FEEDBACK_INTERVAL_NS
                send_feedback(index, tables, buffers)
            if connection["missing"] > 0:
                send_asked(index, tables, buffers, now_ns)
        if connection["next_consent_ns"] != 0 and now_ns >= connection["next_consent_ns"]:
            connection["next_consent_ns"] = now_ns + draw_ms(connection, _CONSENT_MS) * _MS_NS
            send_consent(index, tables)
    for index in range(encodings.shape[0]):
        encoding = encodings[index]
        if encoding["packets"] > 0 and now_ns >= encoding["next_report_ns"]:
            encoding["next_report_ns"] = now_ns + REPORT_INTERVAL_NS
            size = build_sender_report(buffers.report, encoding, buffers.timespec)
            send_rtcp(connections[encoding["connection"]]["fd"], encoding["rtcp_out"], size, buffers)
