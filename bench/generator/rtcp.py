"""RTCP that comes in: sender reports at subscribers, requests and feedback at publishers."""

from __future__ import annotations

import numpy as np

from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel, stage
from bench.generator.layout import Tables
from bench.generator.native import srtp_unprotect_rtcp
from bench.generator.numbers import find_stream
from bench.generator.octets import Octets, get_u16, get_u32
from bench.generator.repeats import repeat_packet

_SENDER_REPORT, _TRANSPORT_FEEDBACK, _PAYLOAD_FEEDBACK = 200, 205, 206
_NACK, _TRANSPORT_WIDE = 1, 15
_PLI, _FIR = 1, 4
_NACK_REACH = 16


@stage
def handle_rtcp(index: int, packet: Octets, size: int, now_ns: int, tables: Tables, buffers: Buffers) -> None:
    """Decrypt one SRTCP datagram in place and do what it asks for."""
    connection = tables.connections[index]
    buffers.length[0] = size
    if (
        connection["srtp_in"] == 0
        or srtp_unprotect_rtcp(connection["srtp_in"], packet.ctypes.data, buffers.length.ctypes.data) != 0
    ):
        connection["rtcp_failed"] += np.uint64(1)
        return
    read_compound(index, packet, np.int64(buffers.length[0]), now_ns, tables, buffers)


@kernel
def read_compound(index: int, packet: Octets, size: int, now_ns: int, tables: Tables, buffers: Buffers) -> None:
    """Walk a compound in the clear (RFC 3550 appendix A.2); what is cut off or of no interest is passed over."""
    connection = tables.connections[index]
    at = 0
    while at + 8 <= size:
        end = at + 4 * (1 + get_u16(packet, at + 2))
        if end > size:
            return
        kind, form = packet[at + 1], packet[at] & 0x1F
        if kind == _SENDER_REPORT and end - at >= 28:
            _note_sender_report(index, packet, at, now_ns, tables)
        elif kind == _TRANSPORT_FEEDBACK and form == _TRANSPORT_WIDE:
            connection["feedbacks_in"] += np.uint64(1)
        elif kind == _TRANSPORT_FEEDBACK and form == _NACK and connection["publisher"] == 1:
            _answer_nack(index, packet, at, end, now_ns, tables, buffers)
        elif kind == _PAYLOAD_FEEDBACK and form in (_PLI, _FIR):
            _ask_keyframe(index, tables)
        at = end


@stage
def _note_sender_report(index: int, packet: Octets, at: int, now_ns: int, tables: Tables) -> None:
    """The next receiver report says which sender report was the last (RFC 3550 section 6.4.1, LSR and DLSR)."""
    streams = tables.streams[index]
    row = find_stream(streams, np.int64(tables.connections[index]["streams"]), get_u32(packet, at + 4))
    if row >= 0:
        streams[row]["sender_report"] = get_u32(packet, at + 10)
        streams[row]["sender_report_ns"] = now_ns


@stage
def _ask_keyframe(index: int, tables: Tables) -> None:
    """PLI or FIR (RFC 4585 section 6.3.1, RFC 5104 section 4.3.1): the publisher's next frame is a key frame."""
    tables.connections[index]["keyframe_requests"] += np.uint64(1)
    encodings = tables.encodings
    for at in range(encodings.shape[0]):
        if encodings[at]["connection"] == index and encodings[at]["video"] == 1:
            encodings[at]["keyframe"] = 1


@stage
def _answer_nack(index: int, packet: Octets, at: int, end: int, now_ns: int, tables: Tables, buffers: Buffers) -> None:
    """Send again what a Generic NACK (RFC 4585 section 6.2.1) asks for."""
    ssrc = get_u32(packet, at + 8)
    encodings = tables.encodings
    for row in range(encodings.shape[0]):
        if encodings[row]["connection"] != index or encodings[row]["ssrc"] != ssrc:
            continue
        for pair in range(at + 12, end - 3, 4):
            first, mask = get_u16(packet, pair), get_u16(packet, pair + 2)
            repeat_packet(row, first, tables, buffers)
            for bit in range(_NACK_REACH):
                if (mask >> bit) & 1:
                    repeat_packet(row, (first + 1 + bit) & 0xFFFF, tables, buffers)
