"""RTCP that comes in: decrypted here; what tells of the path goes to the estimator, receiver reports to the
subscriptions' rows, NACKs are answered, and the rest goes to the control side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.estimate import end_feedback, handle_packet, note_unread, set_remote, unwrap_reference
from sfu.bwe.kernels.receiver_clock import watch_clock
from sfu.bwe.kernels.sent_log import ARRIVED, SENT_LOG
from sfu.bwe.kernels.state import NEVER_US
from sfu.routing.kernels import native
from sfu.routing.kernels.allowances import RTCP, take_allowance
from sfu.routing.kernels.connection_columns import MAX_ADDRESSES
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.estimates import probe_if_due, tell_estimate
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.nack import answer_nack
from sfu.routing.kernels.notice_records import NoticeKind
from sfu.routing.kernels.notices import push_datagram
from sfu.routing.kernels.publisher_reports import note_sender_report
from sfu.routing.kernels.receiver_reports import decides_by_reports, take_blocks
from sfu.routing.kernels.sources import NOBODY, find_slot, has_room, note_source
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, load16, load32
from sfu.wire.kernels.remb import parse_remb
from sfu.wire.kernels.rtcp_build import BLOCK_BYTES, RECEIVER_REPORT_BYTES, SENDER_REPORT_BYTES
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED, parse_transport_feedback

_NO_KEYS = int(Counter.DROP_RTCP_NO_KEYS)
_AUTHENTICATION = int(Counter.DROP_RTCP_AUTHENTICATION)
_OVER_RATE = int(Counter.DROP_RTCP_RATE)
_SOURCE_LIMIT = int(Counter.DROP_RTCP_SOURCE_LIMIT)
_DROPPED = int(Counter.DROP_FEEDBACK)
_UNSENT = int(Counter.FEEDBACK_UNSENT)
_RECEIVED = int(Counter.RECEIVED_FEEDBACK)
_RTCP_NOTICE = int(NoticeKind.RTCP)
_LEAST_BYTES = 8
_REFERENCE_WRAP_US = (1 << 24) * 64_000
_SENDER_REPORT, _RECEIVER_REPORT, _DESCRIPTION = 200, 201, 202
_TRANSPORT_FEEDBACK, _PAYLOAD_FEEDBACK, _EXTENDED_REPORT = 205, 206, 207
_NACK = 1
_TAKEN, _NEEDED, _MALFORMED = 0, 1, 2
_WIDE = 15  # the format of transport-wide feedback, and of application layer feedback such as REMB


@stage
def note_heard(tables: Tables, remote: int, now_us: int) -> None:
    """Note that something authentic has come from the address in row `remote`."""
    tables.addresses[remote]["heard_us"] = now_us


@stage
def receive_rtcp(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    remote: int,
    start: int,
    end: int,
    message: int,
    socket: int,
    now_us: int,
) -> None:
    """Handle the SRTCP packet in `received[start:end]`, from the address in row `remote`."""
    counters = tables.counters
    connection = remote // MAX_ADDRESSES
    if tables.connections[connection]["receive_srtp"] == 0:
        counters[_NO_KEYS] += 1
        return
    if end - start < _LEAST_BYTES:
        counters[_AUTHENTICATION] += 1
        return
    ssrc = load32(buffers.received, start + 4)
    if find_slot(tables, connection, ssrc) < 0 and not has_room(tables, connection, ssrc, now_us):
        counters[_SOURCE_LIMIT] += 1  # before decryption: libsrtp keeps state for each
        return
    buffers.length[0] = end - start
    session = tables.connections[connection]["receive_srtp"]
    address = buffers.received.ctypes.data + start
    if native.srtp_unprotect_rtcp(session, address, buffers.length.ctypes.data) != native.SRTP_OK:
        counters[_AUTHENTICATION] += 1
        return
    note_heard(tables, remote, now_us)
    given_up = note_source(tables, connection, ssrc, now_us, now_us)
    if given_up != NOBODY:
        native.forget_stream(session, given_up)
    end = start + i64(buffers.length[0])
    if take_feedback(tables, buffers, notice_index, notices, connection, start, end, socket, now_us):
        return
    if take_allowance(tables, connection, RTCP, now_us):
        push_datagram(tables, buffers, notice_index, notices, _RTCP_NOTICE, connection, start, end, message)
    else:
        counters[_OVER_RATE] += 1


@stage
def _take_report(tables: Tables, connection: int, octets: Octets, start: int, end: int, now_us: int) -> int:
    """Take the sender or receiver report in `octets[start:end]`; return whether the control side needs it, too."""
    sends = octets[start + 1] == _SENDER_REPORT
    blocks = i64(octets[start]) & 0x1F
    fixed = SENDER_REPORT_BYTES if sends else RECEIVER_REPORT_BYTES
    if end - start < fixed + blocks * BLOCK_BYTES:
        return _MALFORMED
    if sends:
        note_sender_report(tables, connection, octets, start, now_us)
    take_blocks(tables, connection, octets, start + fixed, blocks, now_us)
    return _NEEDED if sends or (blocks > 0 and decides_by_reports(tables, connection, now_us)) else _TAKEN


@stage
def take_feedback(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    start: int,
    end: int,
    socket: int,
    now_us: int,
) -> bool:
    """Take what a compound packet tells of the path and of our streams, and answer its NACKs; return whether it holds
    nothing for the control side.
    """
    received = buffers.received
    at = start
    whole = True
    while at + 4 <= end:
        kind = i64(received[at + 1])
        stop = at + 4 * (load16(received, at + 2) + 1)
        if stop > end or i64(received[at]) & 0xC0 != 0x80:
            return False  # the control side counts what is malformed
        form = i64(received[at]) & 0x1F
        body = stop
        if i64(received[at]) & 0x20:
            padding = i64(received[stop - 1])
            if padding == 0 or padding > stop - at - 4:
                return False
            body = stop - padding
        if kind == _TRANSPORT_FEEDBACK and form == _WIDE:
            _handle_feedback(tables, buffers, connection, at, body, now_us)
            tell_estimate(tables, buffers, notice_index, notices, connection, now_us)
        elif kind == _TRANSPORT_FEEDBACK and form == _NACK:
            if not answer_nack(tables, buffers, notice_index, notices, connection, at, body, socket, now_us):
                return False
        elif kind == _PAYLOAD_FEEDBACK and form == _WIDE:
            rate = parse_remb(received, at, body)
            if rate >= 0 and tables.connections[connection]["controlled"] != 0:
                set_remote(tables.estimators[connection], float(rate), now_us)
                tell_estimate(tables, buffers, notice_index, notices, connection, now_us)
        elif kind == _RECEIVER_REPORT or kind == _SENDER_REPORT:
            taken = _take_report(tables, connection, received, at, body, now_us)
            if taken == _MALFORMED:
                return False
            whole = whole and taken == _TAKEN
        elif kind != _DESCRIPTION and kind != _EXTENDED_REPORT:
            whole = False
        at = stop
    return whole and at == end


@stage
def _handle_feedback(tables: Tables, buffers: Buffers, connection: int, start: int, end: int, now_us: int) -> None:
    entry = tables.connections[connection]
    if entry["controlled"] != 1:
        tables.counters[_DROPPED] += 1
        return
    count = parse_transport_feedback(buffers.received, start, end, buffers.feedback, buffers.fates)
    if count <= 0:
        tables.counters[_DROPPED] += 1
        note_unread(tables.estimators[connection], now_us)
        return
    tables.counters[_RECEIVED] += 1
    state = tables.estimators[connection]
    log = tables.sent[connection]
    next_sequence = entry["transport_sequence"]
    behind = (next_sequence - buffers.feedback[0]) & 0xFFFF
    first = next_sequence - (behind if behind > 0 else 0x10000)
    moved = unwrap_reference(state, buffers.feedback[2], _REFERENCE_WRAP_US) - buffers.feedback[2]
    arrived = 0
    first_us = last_us = i64(NEVER_US)
    for k in range(count):
        sequence = first + k
        packet = log[sequence % SENT_LOG]
        if not 0 <= sequence < next_sequence or i64(packet["sequence"]) != sequence & 0xFFFFFFFF:
            tables.counters[_UNSENT] += 1
            continue
        received = buffers.fates[k] != NOT_RECEIVED
        if received and packet["fate"] != ARRIVED:
            arrived += 1
            last_us = i64(buffers.fates[k] + moved)
            if arrived == 1:
                first_us = last_us
        handle_packet(state, packet, buffers.fates[k] + moved, received, now_us)
    if arrived > 0:
        watch_clock(state, first_us, last_us)
    end_feedback(state, arrived, now_us)
    probe_if_due(tables, connection, now_us)
