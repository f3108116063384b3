"""Sending: packets for one destination share a message (UDP_SEGMENT), messages share a system call (`sendmmsg`)."""

from __future__ import annotations

import numpy as np

from sfu.routing.kernels import native
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.instant import monotonic_us
from sfu.routing.kernels.messages import (
    COUNT,
    MAX_MESSAGE_BYTES,
    MAX_SEGMENTS,
    NAME_STRIDE,
    POSITION,
    SEND_BYTES,
    SEND_CONTROL_BYTES,
    SEND_MESSAGES,
    Buffers,
)
from sfu.routing.kernels.native import EAGAIN, EINTR, EINVAL, EIO, EMSGSIZE, MSG_DONTWAIT, MSG_NOSIGNAL
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.ancillary import SEGMENT_BYTES, read_local, write_segment
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, kernel, stage

_SENT_PACKETS = int(Counter.SENT_PACKETS)
_SENT_BYTES = int(Counter.SENT_BYTES)
_SENT_MESSAGES = int(Counter.SENT_MESSAGES)
_SEND_CALLS = int(Counter.SEND_CALLS)
_GSO_REFUSED = int(Counter.GSO_REFUSED)
_CONGESTED = int(Counter.DROP_SEND_CONGESTED)
_FAILED = int(Counter.DROP_SEND_FAILED)

ANY_BYTES = 0xFFFF
"""Stands for no limit: a connection's packets may share messages whatever their size."""
GSO_RETRY_US = 60_000_000
_GSO_STEP = 16
"""Smaller by that part is what is tried next: from 1,456 bytes to below an MTU of 1,280 in three steps."""

_MAX_WAITS = 4
_WAIT_MS = 1
"""Longest wait for a full socket buffer in a flush, 4 ms; what is left then is dropped and counted."""


@stage
def room_for(buffers: Buffers, size: int) -> bool:
    """Whether one more packet of up to `size` bytes fits before a flush."""
    return buffers.state[COUNT] < SEND_MESSAGES and buffers.state[POSITION] + size <= SEND_BYTES


@kernel
def append_packet(buffers: Buffers, connection: int, size: int, gso: bool) -> None:
    """Queue the packet that was written at `state[POSITION]`: in the open message where it fits, or in a new one."""
    state = buffers.state
    last = state[COUNT] - 1
    if (
        gso
        and last >= 0
        and buffers.owner[last] == connection
        and buffers.closed[last] == 0
        and buffers.segments[last] < MAX_SEGMENTS
        and size <= buffers.segment_bytes[last]
        and buffers.send_vectors[last]["bytes"] + size <= MAX_MESSAGE_BYTES
    ):
        buffers.segments[last] += 1
        buffers.send_vectors[last]["bytes"] += size
        if size < buffers.segment_bytes[last]:
            buffers.closed[last] = 1
    else:
        new = state[COUNT]
        buffers.owner[new] = connection
        buffers.closed[new] = 0 if gso else 1
        buffers.segments[new] = 1
        buffers.segment_bytes[new] = size
        buffers.send_vectors[new]["base"] = buffers.out.ctypes.data + state[POSITION]
        buffers.send_vectors[new]["bytes"] = size
        state[COUNT] += 1
    state[POSITION] += size


@stage
def _prepare(buffers: Buffers, tables: Tables) -> None:
    connections = tables.connections
    address_at = connections[0]["address"].ctypes.data - connections.ctypes.data
    local_at = connections[0]["local"].ctypes.data - connections.ctypes.data
    for k in range(buffers.state[COUNT]):
        owner = i64(buffers.owner[k])
        row = connections.ctypes.data + owner * connections.itemsize
        message = buffers.send_messages[k]
        message["name"] = row + address_at
        message["name_bytes"] = connections[owner]["address_bytes"]
        local_bytes = i64(connections[owner]["local_bytes"])
        if buffers.segments[k] > 1:
            at = k * SEND_CONTROL_BYTES
            write_segment(buffers.send_controls, at, i64(buffers.segment_bytes[k]))
            if local_bytes > 0:
                copy_octets(buffers.send_controls, at + SEGMENT_BYTES, connections[owner]["local"], i64(0), local_bytes)
            message["control"] = buffers.send_controls.ctypes.data + at
            message["control_bytes"] = SEGMENT_BYTES + local_bytes
        else:
            message["control"] = row + local_at
            message["control_bytes"] = local_bytes


@kernel
def flush(buffers: Buffers, tables: Tables, socket: int) -> None:
    """Send all queued messages; never waits longer than a few milliseconds, and never raises."""
    count = buffers.state[COUNT]
    if count == 0:
        return
    _prepare(buffers, tables)
    counters = tables.counters
    sent = 0
    waits = 0
    while sent < count:
        address = buffers.send_messages.ctypes.data + sent * buffers.send_messages.itemsize
        result = native.sendmmsg(socket, address, np.uint32(count - sent), MSG_DONTWAIT | MSG_NOSIGNAL)
        counters[_SEND_CALLS] += 1
        if result > 0:
            for k in range(sent, sent + result):
                _account(buffers, tables, k)
            sent += result
            continue
        error = native.errno()
        if error == EINTR:
            continue
        if error == EAGAIN:
            if waits == _MAX_WAITS:
                for k in range(sent, count):
                    counters[_CONGESTED] += buffers.segments[k]
                break
            waits += 1
            buffers.poll[0] = socket
            buffers.poll[1] = native.POLLOUT
            native.poll(buffers.poll.ctypes.data, 1, _WAIT_MS)
            continue
        if buffers.segments[sent] > 1 and (error == EIO or error == EINVAL or error == EMSGSIZE):
            _limit_gso(buffers, tables, sent, error)
            counters[_GSO_REFUSED] += 1
            _send_singly(buffers, tables, socket, sent)
        else:
            counters[_FAILED] += buffers.segments[sent]
        sent += 1
    buffers.state[COUNT] = 0
    buffers.state[POSITION] = 0


@stage
def _limit_gso(buffers: Buffers, tables: Tables, k: int, error: int) -> None:
    """Send what is as large as message `k`'s packets singly to its destination, for a while: the route's MTU refuses to
    segment it, or its device segments nothing (EIO).
    """
    connection = tables.connections[buffers.owner[k]]
    size = i64(buffers.segment_bytes[k])
    connection["gso_bytes"] = 0 if error == EIO else size - 1 - size // _GSO_STEP
    connection["gso_retry_us"] = monotonic_us(buffers) + GSO_RETRY_US


@stage
def retry_gso(tables: Tables, connection: int, now_us: int) -> None:
    """Let a connection's packets share messages again whatever their size, if it is time to try that."""
    entry = tables.connections[connection]
    if entry["gso_bytes"] < ANY_BYTES and now_us >= entry["gso_retry_us"]:
        entry["gso_bytes"] = ANY_BYTES


@stage
def _account(buffers: Buffers, tables: Tables, k: int) -> None:
    tables.counters[_SENT_MESSAGES] += 1
    tables.counters[_SENT_PACKETS] += buffers.segments[k]
    tables.counters[_SENT_BYTES] += buffers.send_vectors[k]["bytes"]
    connection = tables.connections[buffers.owner[k]]
    connection["packets_out"] += buffers.segments[k]
    connection["bytes_out"] += buffers.send_vectors[k]["bytes"]


@stage
def _send_one(buffers: Buffers, tables: Tables, socket: int, address: int, size: int) -> bool:
    """Send `size` octets that stand at a memory address by `single_message`, which says where to; whether they went."""
    vector = buffers.single_vector[0]
    vector["base"] = address
    vector["bytes"] = size
    tables.counters[_SEND_CALLS] += 1
    message = buffers.single_message.ctypes.data
    return bool(native.sendmmsg(socket, message, np.uint32(1), MSG_DONTWAIT | MSG_NOSIGNAL) == 1)


@stage
def _send_singly(buffers: Buffers, tables: Tables, socket: int, k: int) -> None:
    message = buffers.single_message[0]
    message["name"] = buffers.send_messages[k]["name"]
    message["name_bytes"] = buffers.send_messages[k]["name_bytes"]
    local = tables.connections[buffers.owner[k]]["local"]
    message["control"] = local.ctypes.data
    message["control_bytes"] = tables.connections[buffers.owner[k]]["local_bytes"]
    left = buffers.send_vectors[k]["bytes"]
    base = buffers.send_vectors[k]["base"]
    while left > 0:
        size = min(left, i64(buffers.segment_bytes[k]))
        if _send_one(buffers, tables, socket, base, size):
            tables.counters[_SENT_MESSAGES] += 1
            tables.counters[_SENT_PACKETS] += 1
            tables.counters[_SENT_BYTES] += size
            tables.connections[buffers.owner[k]]["packets_out"] += 1
            tables.connections[buffers.owner[k]]["bytes_out"] += size
        else:
            tables.counters[_FAILED] += 1
        base += size
        left -= size


@stage
def send_answer(buffers: Buffers, tables: Tables, answered: int, at: int, end: int, socket: int) -> None:
    """Send `out[at:end]` at once to where the received message `answered` has come from, from where it came to."""
    message = buffers.single_message[0]
    message["control"] = buffers.local.ctypes.data
    message["control_bytes"] = read_local(buffers.receive_messages, buffers.receive_controls, answered, buffers.local)
    message["name"] = buffers.receive_names.ctypes.data + answered * NAME_STRIDE
    message["name_bytes"] = buffers.receive_messages[answered]["name_bytes"]
    if not _send_one(buffers, tables, socket, buffers.out.ctypes.data + at, end - at):
        tables.counters[_CONGESTED if native.errno() == EAGAIN else _FAILED] += 1
