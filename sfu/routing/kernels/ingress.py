"""Ingress: one received datagram, from demultiplexing (RFC 7983) to its place in the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels import native
from sfu.routing.kernels.acceptance import accept_packet, note_for_publisher
from sfu.routing.kernels.allowances import CHECKS, CLAIMS, DATA_RECORDS, RECORDS, take_allowance
from sfu.routing.kernels.classify import carries_type, find_source, learn_source, match_encoding, may_learn
from sfu.routing.kernels.connection_columns import MAX_ADDRESSES, UFRAGS
from sfu.routing.kernels.consent import answer_check
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.feedback import note_heard, receive_rtcp
from sfu.routing.kernels.index import find_address, find_ufrag
from sfu.routing.kernels.messages import NAME_STRIDE, PACKETS, Buffers
from sfu.routing.kernels.notice_records import NoticeKind
from sfu.routing.kernels.notices import push_datagram, push_source
from sfu.routing.kernels.restore import restore_packet
from sfu.routing.kernels.rings import MAX_RTP_BYTES
from sfu.routing.kernels.sources import NOBODY
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.binding import parse_ufrag
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.rtp import RtpStatus, parse_rtp, strip_padding

STUN, DTLS, RTP, RTCP, UNKNOWN = 0, 1, 2, 3, 4
_APPLICATION_DATA = 23  # a DTLS record of it (RFC 6347 section 4.1)

_EMPTY = int(Counter.DROP_EMPTY)
_UNKNOWN_PROTOCOL = int(Counter.DROP_UNKNOWN_PROTOCOL)
_UNKNOWN_ADDRESS = int(Counter.DROP_UNKNOWN_ADDRESS)
_STUN_UNKNOWN_USER = int(Counter.DROP_STUN_UNKNOWN_USER)
_STUN_RATE = int(Counter.DROP_STUN_RATE)
_DTLS_UNKNOWN_ADDRESS = int(Counter.DROP_DTLS_UNKNOWN_ADDRESS)
_DTLS_RATE = int(Counter.DROP_DTLS_RATE)
_NO_KEYS = int(Counter.DROP_NO_KEYS)
_RTP_DROPS = int(Counter.DROP_RTP_TRUNCATED) - int(RtpStatus.TRUNCATED)
_OVERSIZE = int(Counter.DROP_RTP_OVERSIZE)
_UNKNOWN_SOURCE = int(Counter.DROP_UNKNOWN_SOURCE)
_SOURCE_LIMIT = int(Counter.DROP_SOURCE_LIMIT)
_PAYLOAD_TYPE = int(Counter.DROP_PAYLOAD_TYPE)
_AUTHENTICATION = int(Counter.DROP_SRTP_AUTHENTICATION)
_REPLAY = int(Counter.DROP_SRTP_REPLAY)
_SRTP_OTHER = int(Counter.DROP_SRTP_OTHER)
_STUN_NOTICE = int(NoticeKind.STUN)
_DTLS_NOTICE = int(NoticeKind.DTLS)


@stage
def demultiplex(buffer: NDArray[np.uint8], start: int, end: int) -> int:
    """The protocol of a datagram by its first bytes (RFC 7983 section 7, RFC 5761 section 4)."""
    first = i64(buffer[start])
    if first < 4:
        return STUN
    if 20 <= first < 64:
        return DTLS
    if 128 <= first < 192 and end - start >= 2:
        if 192 <= i64(buffer[start + 1]) < 224:
            return RTCP
        return RTP
    return UNKNOWN


@stage
def _receive_stun(
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
    """Answer or pass on a connectivity check from the address `remote` (-1: a stranger's), if it is for one of ours.

    Whoever floods us with others has not seen our SDP; nothing of that is worth Python's time.
    """
    found = find_ufrag(tables.by_ufrag, tables.ufrags, parse_ufrag(buffers.received, start, end))
    if found < 0:
        tables.counters[_STUN_UNKNOWN_USER] += 1
        return
    owner = found // UFRAGS
    known = remote >= 0 and remote // MAX_ADDRESSES == owner
    if not take_allowance(tables, owner, CHECKS if known else CLAIMS, now_us):
        tables.counters[_STUN_RATE] += 1
        return
    ufrag = i64(tables.ufrags[found])
    if not known or not answer_check(tables, buffers, remote, ufrag, start, end, message, socket, now_us):
        push_datagram(tables, buffers, notice_index, notices, _STUN_NOTICE, owner, start, end, message)


@kernel
def receive_datagram(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    start: int,
    end: int,
    message: int,
    socket: int,
    now_us: int,
) -> int:
    """Handle the datagram in `received[start:end]` that came with receive message `message`.

    Returns the batch row of an accepted RTP packet, or -1.
    """
    counters = tables.counters
    if end <= start:
        counters[_EMPTY] += 1
        return -1
    protocol = demultiplex(buffers.received, start, end)
    if protocol == UNKNOWN:
        counters[_UNKNOWN_PROTOCOL] += 1
        return -1
    remote = find_address(tables.by_address, tables.addresses, buffers.receive_names, message * NAME_STRIDE)
    connection = remote // MAX_ADDRESSES if remote >= 0 else -1
    if connection >= 0:
        tables.connections[connection]["packets_in"] += 1
        tables.connections[connection]["bytes_in"] += end - start
    if protocol == STUN:
        _receive_stun(tables, buffers, notice_index, notices, remote, start, end, message, socket, now_us)
        return -1
    if connection < 0:
        counters[_DTLS_UNKNOWN_ADDRESS if protocol == DTLS else _UNKNOWN_ADDRESS] += 1
        return -1
    if protocol == DTLS:
        data = tables.connections[connection]["takes_data"] == 1 and buffers.received[start] == _APPLICATION_DATA
        if take_allowance(tables, connection, DATA_RECORDS if data else RECORDS, now_us):
            push_datagram(tables, buffers, notice_index, notices, _DTLS_NOTICE, connection, start, end, message)
        else:
            counters[_DTLS_RATE] += 1
        return -1
    if protocol == RTCP:
        receive_rtcp(tables, buffers, notice_index, notices, remote, start, end, message, socket, now_us)
        return -1
    if tables.connections[connection]["receive_srtp"] == 0:
        counters[_NO_KEYS] += 1
        return -1
    return _receive_rtp(tables, buffers, notice_index, notices, remote, start, end, now_us)


@stage
def _receive_rtp(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    remote: int,
    start: int,
    end: int,
    now_us: int,
) -> int:
    counters = tables.counters
    connection = remote // MAX_ADDRESSES
    packets = buffers.packets
    row = buffers.state[PACKETS]
    if end - start > MAX_RTP_BYTES:
        counters[_OVERSIZE] += 1
        return -1
    kinds = tables.connections[connection]["extension_kind"]
    status = parse_rtp(buffers.received, start, end, kinds, packets, row)
    if status != 0:
        counters[_RTP_DROPS + status] += 1
        return -1
    ssrc = packets[row]["ssrc"]
    encoding = find_source(tables, connection, ssrc)
    new = encoding < 0
    if new:
        # Decided before decryption: libsrtp keeps state for each SSRC that it has authenticated.
        encoding = match_encoding(tables, connection, buffers.received, packets, row)
        if encoding < 0:
            counters[_UNKNOWN_SOURCE] += 1
            return -1
        if not may_learn(tables, encoding, ssrc, now_us):
            counters[_SOURCE_LIMIT] += 1
            return -1
    if not carries_type(tables.encodings, encoding, i64(packets[row]["payload_type"])):
        counters[_PAYLOAD_TYPE] += 1
        return -1
    buffers.length[0] = end - start
    result = native.srtp_unprotect(
        tables.connections[connection]["receive_srtp"],
        buffers.received.ctypes.data + start,
        buffers.length.ctypes.data,
    )
    if result != native.SRTP_OK:
        if result == native.SRTP_AUTH_FAIL:
            counters[_AUTHENTICATION] += 1
        elif result == native.SRTP_REPLAY_FAIL or result == native.SRTP_REPLAY_OLD:
            counters[_REPLAY] += 1
        else:
            counters[_SRTP_OTHER] += 1
        return -1
    note_heard(tables, remote, now_us)
    status = strip_padding(buffers.received, start + i64(buffers.length[0]), packets, row)
    if status != 0:
        counters[_RTP_DROPS + status] += 1
        return -1
    if new:
        given_up = learn_source(tables, encoding, ssrc, now_us)
        if given_up != NOBODY:
            native.forget_stream(tables.connections[connection]["receive_srtp"], given_up)
        push_source(tables, buffers, notice_index, notices, encoding, ssrc)
    packets[row]["arrival_us"] = now_us
    tables.connections[connection]["last_arrival_us"] = now_us
    note_for_publisher(tables, buffers, notice_index, notices, connection, packets[row], end - start, now_us)
    media = i64(tables.encodings[encoding]["repairs"])
    if media >= 0 and not restore_packet(tables, encoding, buffers.received, packets, row):
        return -1
    accepted = accept_packet(tables, buffers, notice_index, notices, encoding if media < 0 else media, row, media >= 0)
    return row if accepted else -1
