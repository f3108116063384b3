"""Receiving: drain a socket with `recvmmsg` and tell the datagrams apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.generator.buffers import Buffers
from bench.generator.kernel import kernel, stage
from bench.generator.layout import (
    NOTICE_BYTES,
    NOTICE_HEAD,
    NOTICE_TAIL,
    NOTICES,
    NOTICES_LOST,
    REAL_TIME_NS,
    RECEIVE_CALLS,
    SAMPLE_EVERY,
    Tables,
)
from bench.generator.native import MSG_DONTWAIT, MSG_TRUNC, monotonic_ns, recvmmsg
from bench.generator.octets import Octets, get_u16
from bench.generator.packets import handle_rtp
from bench.generator.reports import send_asked
from bench.generator.rtcp import handle_rtcp

#: Most messages taken from one socket before the others get their turn.
_ROUNDS = 4


@stage
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
    index: int,
    packet: Octets,
    kept: int,
    size: int,
    full: bool,
    now_ns: int,
    arrived_ns: int,
    tables: Tables,
    buffers: Buffers,
) -> None:
    """One datagram of `size` bytes of which `packet[:kept]` was copied (RFC 7983 says what it is).

    It was read at `now_ns`; it had come at `arrived_ns`.
    """
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
            if kept == size:
                handle_rtcp(index, packet, size, now_ns, tables, buffers)
        else:
            handle_rtp(index, packet, kept, size, full, now_ns, arrived_ns, tables, buffers)
    else:
        connection["other"] += np.uint64(1)


@kernel
def is_sampled(index: int, tables: Tables) -> bool:
    """Count a read, and tell whether its packets are all decrypted: one in SAMPLE_EVERY, and while some are missing."""
    connection = tables.connections[index]
    tables.control[RECEIVE_CALLS] += 1
    turn = np.int64(connection["calls"])
    connection["calls"] += np.uint64(1)
    if connection["publisher"] == 1 or connection["missing"] > 0:
        return True
    return (turn + index) % tables.control[SAMPLE_EVERY] == 0


@stage
def drain(index: int, tables: Tables, buffers: Buffers) -> None:
    """Take what waits in a connection's socket.

    A sampled read copies whole packets; the others copy headers only, and MSG_TRUNC tells the real length.
    """
    connection = tables.connections[index]
    for _round in range(_ROUNDS):
        full = is_sampled(index, tables)
        if full:
            rows, messages, stamps, flags = buffers.whole, buffers.whole_messages, buffers.whole_stamps, MSG_DONTWAIT
        else:
            rows, messages, stamps = buffers.short, buffers.short_messages, buffers.short_stamps
            flags = MSG_DONTWAIT | MSG_TRUNC
        if connection["stamped"] == 1:
            # Each read leaves the length of what it wrote there.
            for at in range(messages.shape[0]):
                messages[at]["control_length"] = stamps.shape[1] * stamps.itemsize
        taken = recvmmsg(connection["fd"], messages.ctypes.data, messages.shape[0], flags, 0)
        if taken <= 0:
            return
        now_ns = monotonic_ns(buffers.timespec)
        for at in range(taken):
            size = np.int64(messages[at]["length"])
            kept = min(size, rows.shape[1])
            arrived_ns = now_ns
            if connection["stamped"] == 1:
                arrived_ns = arrival(connection, messages[at], stamps[at], now_ns, tables)
            handle_datagram(index, rows[at], kept, size, full and kept == size, now_ns, arrived_ns, tables, buffers)
        if connection["missing"] > 0:
            send_asked(index, tables, buffers, now_ns)
        if taken < messages.shape[0]:
            return


@stage
def arrival(connection: Any, message: Any, stamp: NDArray[np.int64], now_ns: int, tables: Tables) -> int:
    """When a message came, on the monotonic clock: by the kernel's stamp, else when it was read.

    A browser has its machine to itself. How long a packet waits until the generator comes to its socket is no delay
    of the path, and must not be told of as if it were.
    """
    if message["control_length"] < stamp.shape[0] * stamp.itemsize:
        connection["unstamped"] += np.uint64(1)
        return now_ns
    return stamp[2] * 1_000_000_000 + stamp[3] - tables.control[REAL_TIME_NS]


@kernel
def segment_size(ancillary: Octets, ancillary_bytes: int, size: int) -> int:
    """The segment size that UDP_GRO reports in a control message, `size` when there is none."""
    if ancillary_bytes < 20:
        return size
    # An int at offset 16, in the machine's (little-endian) order.
    value = np.int64(ancillary[16]) | (np.int64(ancillary[17]) << 8)
    return value if value > 0 else size


@stage
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
                handle_datagram(index, packet, size, size, full, now_ns, now_ns, tables, buffers)
                start += size
        if connection["missing"] > 0:
            send_asked(index, tables, buffers, now_ns)
        if taken < messages.shape[0]:
            return
