"""Receiving: drain a socket with `recvmmsg`, count by RTP header, decrypt and check a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel
from bench.generator.layout import (
    LATENCY_COUNT,
    LATENCY_SAMPLES,
    NOTICE_BYTES,
    NOTICE_HEAD,
    NOTICE_TAIL,
    NOTICES,
    NOTICES_LOST,
    RECEIVE_CALLS,
    SAMPLE_EVERY,
    STAMP_BYTES,
    STAMP_MARK,
    Tables,
)
from bench.generator.native import MSG_DONTWAIT, MSG_TRUNC, monotonic_ns, recvmmsg, srtp_unprotect
from bench.generator.numbers import extend_sequence
from bench.generator.octets import Octets, get_u16, get_u32

Length = NDArray[np.int32]

#: Most messages taken from one socket before the others get their turn.
_ROUNDS = 4


@kernel
def find_stream(streams: NDArray[Any], count: int, ssrc: int) -> int:
    """Row of `ssrc` among `streams[:count]`, else -1."""
    for row in range(count):
        if streams[row]["ssrc"] == ssrc:
            return row
    return -1


@kernel
def count_rtp(connection: Any, streams: NDArray[Any], sequence: int, ssrc: int, size: int) -> int:
    """Count one RTP packet of `size` bytes; returns its stream's row, -1 when the rows are used up."""
    row = find_stream(streams, connection["streams"], ssrc)
    if row < 0:
        row = np.int64(connection["streams"])
        if row >= streams.shape[0]:
            connection["overflow"] += np.uint64(1)
            return -1
        connection["streams"] = row + 1
        streams[row]["ssrc"] = ssrc
        # One cycle up, so that an older packet that arrives next does not go below zero.
        streams[row]["first"] = sequence + 0x10000
        streams[row]["highest"] = sequence + 0xFFFF
    stream = streams[row]
    extended = extend_sequence(stream["highest"], sequence)
    if extended > stream["highest"]:
        stream["highest"] = extended
    else:
        stream["reordered"] += np.uint64(1)
        if extended < stream["first"]:
            stream["first"] = extended
    stream["received"] += np.uint64(1)
    stream["bytes"] += np.uint64(size)
    connection["packets"] += np.uint64(1)
    connection["bytes"] += np.uint64(size)
    return row


@kernel
def check_sample(
    stream: Any, packet: Octets, size: int, session: int, now_ns: int, tables: Tables, length: Length
) -> None:
    """Decrypt `packet[:size]` in place, check the stamp against the sequence number, note the latency.

    length: int32[1], scratch.
    """
    stream["sampled"] += np.uint64(1)
    length[0] = size
    if srtp_unprotect(session, packet.ctypes.data, length.ctypes.data) != 0:
        stream["unauthentic"] += np.uint64(1)
        return
    end = np.int64(length[0])
    if packet[0] & 0x20:
        # A server may add RTP padding (RFC 3550 section 5.1).
        end -= np.int64(packet[end - 1])
    at = end - STAMP_BYTES
    if at < 12 or end > size or get_u32(packet, at + 12) != STAMP_MARK:
        stream["malformed"] += np.uint64(1)
        return
    offset = (get_u16(packet, 2) - get_u32(packet, at + 8)) & 0xFFFF
    if stream["offset"] < 0:
        stream["offset"] = offset
    elif stream["offset"] != offset:
        stream["malformed"] += np.uint64(1)
        return
    sent_ns = (get_u32(packet, at) << 32) | get_u32(packet, at + 4)
    index = tables.control[LATENCY_COUNT]
    if index < LATENCY_SAMPLES:
        tables.latency_ns[index] = now_ns - sent_ns
    tables.control[LATENCY_COUNT] = index + 1


@kernel
def post_notice(index: int, packet: Octets, size: int, tables: Tables) -> None:
    """Hand a datagram to Python; dropped and counted when the ring is full."""
    control = tables.control
    head = control[NOTICE_HEAD]
    if head - control[NOTICE_TAIL] >= NOTICES:
        control[NOTICES_LOST] += 1
        return
    slot = tables.notices[head % NOTICES]
    size = min(size, NOTICE_BYTES)
    slot["connection"] = index
    slot["length"] = size
    data = slot["data"]
    for at in range(size):
        data[at] = packet[at]
    control[NOTICE_HEAD] = head + 1


@kernel
def handle_datagram(
    index: int, packet: Octets, kept: int, size: int, full: bool, now_ns: int, tables: Tables, length: Length
) -> None:
    """One datagram of `size` bytes of which `packet[:kept]` was copied (RFC 7983 says what it is)."""
    connection = tables.connections[index]
    if kept < 12:
        connection["other"] += np.uint64(1)
        return
    first = packet[0]
    if first < 4:
        connection["stun"] += np.uint64(1)
        # Answers to consent checks need nothing more; a server's own check (type 0x0001) wants an answer.
        if get_u16(packet, 0) == 1:
            post_notice(index, packet, kept, tables)
    elif 128 <= first < 192:
        if 192 <= packet[1] < 224:
            connection["rtcp"] += np.uint64(1)
            if connection["publisher"]:
                post_notice(index, packet, kept, tables)
            return
        streams = tables.streams[index]
        row = count_rtp(connection, streams, get_u16(packet, 2), get_u32(packet, 8), size)
        if row >= 0 and full and connection["srtp_in"] != 0:
            check_sample(streams[row], packet, size, connection["srtp_in"], now_ns, tables, length)
    else:
        connection["other"] += np.uint64(1)


@kernel
def is_sampled(index: int, tables: Tables) -> bool:
    """Count a read, and tell whether it is one of those whose packets are all checked: one in SAMPLE_EVERY."""
    connection = tables.connections[index]
    tables.control[RECEIVE_CALLS] += 1
    turn = np.int64(connection["calls"])
    connection["calls"] += np.uint64(1)
    return connection["publisher"] == 1 or (turn + index) % tables.control[SAMPLE_EVERY] == 0


@kernel
def drain(index: int, tables: Tables, buffers: Buffers) -> None:
    """Take what waits in a connection's socket.

    A sampled read copies whole packets; the others copy headers only, and MSG_TRUNC tells the real length.
    """
    connection = tables.connections[index]
    for _round in range(_ROUNDS):
        full = is_sampled(index, tables)
        if full:
            rows, messages, flags = buffers.whole, buffers.whole_messages, MSG_DONTWAIT
        else:
            rows, messages, flags = buffers.short, buffers.short_messages, MSG_DONTWAIT | MSG_TRUNC
        taken = recvmmsg(connection["fd"], messages.ctypes.data, messages.shape[0], flags, 0)
        if taken <= 0:
            return
        now_ns = monotonic_ns(buffers.timespec)
        for at in range(taken):
            size = np.int64(messages[at]["length"])
            kept = min(size, rows.shape[1])
            handle_datagram(index, rows[at], kept, size, full and kept == size, now_ns, tables, buffers.length)
        if taken < messages.shape[0]:
            return


@kernel
def segment_size(ancillary: Octets, ancillary_bytes: int, size: int) -> int:
    """The segment size that UDP_GRO reports in a control message, `size` when there is none."""
    if ancillary_bytes < 20:
        return size
    # An int at offset 16, in the machine's (little-endian) order.
    value = np.int64(ancillary[16]) | (np.int64(ancillary[17]) << 8)
    return value if value > 0 else size


@kernel
def drain_gro(index: int, tables: Tables, buffers: Buffers) -> None:
    """As `drain` for a socket with UDP_GRO: every message is copied whole and cut into its segments."""
    connection = tables.connections[index]
    messages = buffers.gro_messages
    for _round in range(_ROUNDS):
        full = is_sampled(index, tables)
        for at in range(messages.shape[0]):
            messages[at]["control_length"] = buffers.ancillary.shape[1]
        taken = recvmmsg(connection["fd"], messages.ctypes.data, messages.shape[0], MSG_DONTWAIT, 0)
        if taken <= 0:
            return
        now_ns = monotonic_ns(buffers.timespec)
        for at in range(taken):
            total = np.int64(messages[at]["length"])
            step = segment_size(buffers.ancillary[at], np.int64(messages[at]["control_length"]), total)
            start = 0
            while start < total:
                size = min(step, total - start)
                packet = buffers.gro[at, start : start + size]
                handle_datagram(index, packet, size, size, full, now_ns, tables, buffers.length)
                start += size
        if taken < messages.shape[0]:
            return
