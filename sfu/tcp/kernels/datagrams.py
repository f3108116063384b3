"""UDP: what clients of TURN send to a twin goes to their legs, and what comes on a leg goes to its client at once.

Nothing waits here: what the system does not take is dropped, as on any path of UDP.
"""

from __future__ import annotations

from sfu.tcp.kernels import native
from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.frames import COOKIE, HEADER_BYTES, SEND_INDICATION, take_turn
from sfu.tcp.kernels.polling import tell
from sfu.tcp.kernels.receiving import receive_packets
from sfu.tcp.kernels.rows import (
    FRAMES_BYTES,
    MAX_MESSAGE_BYTES,
    NAME_STRIDE,
    RECEIVE_BYTES,
    ROW,
    STRANGERS_MS,
    TWIN_NOTICES,
    TWINS_TOLD,
    NoticeKind,
    Pumped,
)
from sfu.wire.kernels.ancillary import SEGMENT_BYTES, read_local, same_local, segment_size, write_segment
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import load16, load32
from sfu.wire.kernels.row_index import ROW as INDEX_ROW
from sfu.wire.kernels.row_index import hash_address, same_address
from sfu.wire.kernels.system import MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC
from sfu.wire.local_address import LOCAL_BYTES
from sfu.wire.sockaddr import SOCKADDR_BYTES

_STRANGER_NOTICE = int(NoticeKind.STRANGER)
_TRUNCATED, _SEND_FAILED = int(Counter.DROP_TRUNCATED), int(Counter.DROP_SEND_FAILED)
_STRANGER, _STRANGER_RATE = int(Counter.DROP_STRANGER), int(Counter.DROP_STRANGER_RATE)
_REQUEST_RATE, _MALFORMED = int(Counter.DROP_REQUEST_RATE), int(Counter.DROP_MALFORMED)
_ROW_BYTES, _ADDRESS_AT = ROW.itemsize, int(ROW.fields["address"][1])  # type: ignore[index]

ALLOCATE = 0x0003
LEAST_ALLOCATE_BYTES = HEADER_BYTES + 8
"""With its REQUESTED-TRANSPORT, which it must have. What we answer to a stranger is no three times as long."""
STRANGER_BYTES = SOCKADDR_BYTES + LOCAL_BYTES
"""Before what a stranger says: where he is, and to which of our addresses he has said it."""
STRANGER_MS, STRANGERS_BURST_MS = 5, 1000
"""Two hundred strangers' requests a second, and as many at once: some 15 ms of Python."""
REQUEST_MS, REQUEST_BURST_MS = 50, 1500
"""Of one client twenty requests a second, and thirty at once."""
SEGMENTS = 32
"""Frames that are sent as one message (UDP_SEGMENT)."""


@stage
def send_datagrams(pumped: Pumped, row: int, address: int, count: int, segment: int) -> bool:
    """Send octets to a client by UDP, as datagrams of `segment` octets, of which the last may be shorter."""
    message, vector = pumped.sent[0], pumped.sent_vector[0]
    vector["base"] = address
    vector["bytes"] = count
    message["name"] = pumped.rows.ctypes.data + row * _ROW_BYTES + _ADDRESS_AT
    message["name_bytes"] = SOCKADDR_BYTES
    message["vectors"] = pumped.sent_vector.ctypes.data
    message["vector_count"] = 1
    used = i64(0)
    if segment < count:
        write_segment(pumped.sent_control, used, segment)
        used += SEGMENT_BYTES
    local_bytes = i64(pumped.rows[row]["local_bytes"])
    if local_bytes > 0:
        copy_octets(pumped.sent_control, used, pumped.rows[row]["local"], i64(0), local_bytes)
        used += local_bytes
    message["control"] = pumped.sent_control.ctypes.data
    message["control_bytes"] = used
    fd = pumped.twins[pumped.rows[row]["twin"] - 1]
    return bool(native.sendmsg(fd, pumped.sent.ctypes.data, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)


@kernel
def send_frames(pumped: Pumped, row: int, count: int, segment: int) -> None:
    """Send the frames that stand in `frames[:count]`, each of `segment` octets, the last perhaps shorter."""
    base = pumped.frames.ctypes.data
    if segment < count and send_datagrams(pumped, row, base, count, segment):
        return
    at = i64(0)  # where the route takes no UDP_SEGMENT, one by one
    while at < count:
        if not send_datagrams(pumped, row, base + at, min(segment, count - at), segment):
            pumped.counters[_SEND_FAILED] += 1
        at += segment


@stage
def _find_row(pumped: Pumped, twin: int, at: int, local_bytes: int) -> int:
    """The row of the client whose sockaddr stands in `names[at]`, and who sends to the local address that stands in
    `local`; -1: there is none.
    """
    index, mask = pumped.by_address, len(pumped.by_address) - 1
    slot = hash_address(pumped.names, at) & mask
    while index[slot, INDEX_ROW] >= 0:
        row = i64(index[slot, INDEX_ROW])
        held = pumped.rows[row]
        if (
            held["twin"] == twin + 1
            and same_address(held["address"], 0, pumped.names, at)
            and same_local(held["local"], i64(held["local_bytes"]), pumped.local, local_bytes)
        ):
            return row
        slot = (slot + 1) & mask
    return -1


@kernel
def meet_stranger(pumped: Pumped, twin: int, name: int, local_bytes: int, start: int, end: int, now_ms: int) -> None:
    """Have Python told who asks for an allocation; whatever else comes of strangers is dropped."""
    data, state = pumped.received, pumped.state
    size = end - start
    asks = size >= LEAST_ALLOCATE_BYTES and load16(data, start) == ALLOCATE and load32(data, start + 4) == COOKIE
    if not asks or size > MAX_MESSAGE_BYTES - STRANGER_BYTES:
        pumped.counters[_STRANGER] += 1
        return
    begins_ms = max(i64(state[STRANGERS_MS]), now_ms)
    if begins_ms - now_ms >= STRANGERS_BURST_MS or state[TWINS_TOLD] >= TWIN_NOTICES:
        pumped.counters[_STRANGER_RATE] += 1
        return
    state[STRANGERS_MS] = begins_ms + STRANGER_MS
    state[TWINS_TOLD] += 1
    told = pumped.frames
    copy_octets(told, i64(0), pumped.names, name, i64(SOCKADDR_BYTES))
    for k in range(local_bytes, LOCAL_BYTES):
        pumped.local[k] = 0
    copy_octets(told, i64(SOCKADDR_BYTES), pumped.local, i64(0), i64(LOCAL_BYTES))
    copy_octets(told, i64(STRANGER_BYTES), data, start, size)
    tell(pumped, twin, _STRANGER_NOTICE, told, i64(0), STRANGER_BYTES + size)


@kernel
def take_datagram(pumped: Pumped, row: int, start: int, end: int, now_ms: int) -> None:
    """Handle one datagram of a client that has a row."""
    held = pumped.rows[row]
    size = end - start
    held["heard_ms"] = now_ms
    if size < 4 or size > MAX_MESSAGE_BYTES:
        pumped.counters[_MALFORMED] += 1
        return
    kind = load16(pumped.received, start)
    if kind < 0x4000 and kind != SEND_INDICATION:
        begins_ms = max(i64(held["asks_ms"]), now_ms)
        if held["waits"] or begins_ms - now_ms >= REQUEST_BURST_MS or pumped.state[TWINS_TOLD] >= TWIN_NOTICES:
            pumped.counters[_REQUEST_RATE] += 1
            return
        held["asks_ms"] = begins_ms + REQUEST_MS
        pumped.state[TWINS_TOLD] += 1
    inbox = pumped.inbox[row]
    copy_octets(inbox, i64(0), pumped.received, start, size)
    stop = size if kind < 0x4000 else (size + 3) & ~3
    for k in range(size, stop):  # ChannelData need no padding here
        inbox[k] = 0
    if take_turn(pumped, row, i64(0), stop) < 0:
        pumped.counters[_MALFORMED] += 1


@stage
def read_twin(pumped: Pumped, twin: int, now_ms: int) -> None:
    """Take what waits in a twin."""
    got = receive_packets(pumped, i64(pumped.twins[twin]), True)
    for message in range(got):
        size = i64(pumped.messages[message]["bytes"] & 0xFFFFFFFF)
        if pumped.messages[message]["flags"] & MSG_TRUNC:
            pumped.counters[_TRUNCATED] += 1
            continue
        step = segment_size(pumped.messages, pumped.controls, message, size)
        name = i64(message * NAME_STRIDE)
        local_bytes = read_local(pumped.messages, pumped.controls, message, pumped.local)
        row = _find_row(pumped, twin, name, local_bytes)
        start = i64(message * RECEIVE_BYTES)
        stop = start + size
        while start < stop:
            end = min(start + step, stop)
            if row < 0:
                meet_stranger(pumped, twin, name, local_bytes, start, end, now_ms)
            else:
                take_datagram(pumped, row, start, end, now_ms)
            start = end


assert SEGMENTS * MAX_MESSAGE_BYTES <= FRAMES_BYTES
