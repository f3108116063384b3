"""Ingress: one received datagram, from demultiplexing (RFC 7983) to its place in the batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing import native
from sfu.routing.classify import find_source, learn_source, match_encoding
from sfu.routing.counters import Counter
from sfu.routing.fanout import add_to_batch
from sfu.routing.index import find_connection
from sfu.routing.messages import NAME_STRIDE, PACKETS, Buffers
from sfu.routing.notices import NoticeKind, push_datagram, push_source
from sfu.routing.reception import account_packet
from sfu.routing.rings import MAX_RTP_BYTES
from sfu.routing.tables import MAX_NEW_SOURCES, Tables
from sfu.wire.kernel import i64, kernel
from sfu.wire.rtp import RtpStatus, parse_rtp, strip_padding

STUN, DTLS, RTP, RTCP, UNKNOWN = 0, 1, 2, 3, 4

_RECEIVED = int(Counter.RECEIVED_RTP)
_EMPTY = int(Counter.DROP_EMPTY)
_UNKNOWN_PROTOCOL = int(Counter.DROP_UNKNOWN_PROTOCOL)
_UNKNOWN_ADDRESS = int(Counter.DROP_UNKNOWN_ADDRESS)
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
_RTCP_NOTICE = int(NoticeKind.RTCP)


@kernel
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


@kernel
def receive_datagram(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    start: int,
    end: int,
    message: int,
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
    connection = find_connection(tables.by_address, tables.connections, buffers.receive_names, message * NAME_STRIDE)
    if connection >= 0:
        tables.connections[connection]["packets_in"] += 1
        tables.connections[connection]["bytes_in"] += end - start
    if protocol == STUN or protocol == DTLS:
        kind = _STUN_NOTICE if protocol == STUN else _DTLS_NOTICE
        push_datagram(tables, buffers, notice_index, notices, kind, connection, start, end, message)
        return -1
    if connection < 0:
        counters[_UNKNOWN_ADDRESS] += 1
        return -1
    if tables.connections[connection]["receive_session"] == 0:
        counters[_NO_KEYS] += 1
        return -1
    if protocol == RTCP:
        push_datagram(tables, buffers, notice_index, notices, _RTCP_NOTICE, connection, start, end, message)
        return -1
    return _receive_rtp(tables, buffers, notice_index, notices, connection, start, end, now_us)


@kernel
def _receive_rtp(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    start: int,
    end: int,
    now_us: int,
) -> int:
    counters = tables.counters
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
        if tables.connections[connection]["new_sources"] >= MAX_NEW_SOURCES:
            counters[_SOURCE_LIMIT] += 1
            return -1
    entry = tables.encodings[encoding]
    if entry["payload_type"] != packets[row]["payload_type"]:
        counters[_PAYLOAD_TYPE] += 1
        return -1
    buffers.length[0] = end - start
    result = native.srtp_unprotect(
        tables.connections[connection]["receive_session"],
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
    status = strip_padding(buffers.received, start + i64(buffers.length[0]), packets, row)
    if status != 0:
        counters[_RTP_DROPS + status] += 1
        return -1
    if new:
        learn_source(tables, encoding, ssrc)
        push_source(tables, buffers, notice_index, notices, connection, encoding, ssrc)
    account_packet(tables.encodings, encoding, packets, row, now_us)
    counters[_RECEIVED] += 1
    tables.connections[connection]["last_arrival_us"] = now_us
    packets[row]["source"] = (i64(encoding) << 32) | i64(entry["generation"])
    packets[row]["clock_rate"] = entry["clock_rate"]
    packets[row]["audio"] = entry["audio"]
    packets[row]["arrival_us"] = now_us
    buffers.state[PACKETS] = row + 1
    add_to_batch(tables, packets, i64(entry["track"]), row)
    return row
