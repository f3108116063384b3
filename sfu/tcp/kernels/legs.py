"""Reading a leg: packets become frames that wait for the connection, or go out by UDP; what the HTTP server writes
waits as it is.
"""

from __future__ import annotations

from sfu.tcp.kernels import native
from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.datagrams import SEGMENTS, send_frames
from sfu.tcp.kernels.outbox import count_waiting, flush, open_frame, put
from sfu.tcp.kernels.polling import leave_leg, look_at_leg
from sfu.tcp.kernels.receiving import receive_packets
from sfu.tcp.kernels.rows import HTTP_BYTES, MAX_MESSAGE_BYTES, RECEIVE_BYTES, Carries, Pumped
from sfu.wire.kernels.ancillary import segment_size
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, store16
from sfu.wire.kernels.system import EAGAIN, EINTR, MSG_DONTWAIT, MSG_TRUNC, errno

_ICE = int(Carries.ICE)
_PACKETS, _TRUNCATED = int(Counter.PACKETS_OUT), int(Counter.DROP_TRUNCATED)


@stage
def read_http(pumped: Pumped, row: int, now_ms: int) -> None:
    """Take what the HTTP server has written, as far as there is room."""
    held = pumped.rows[row]
    space = HTTP_BYTES - count_waiting(pumped, row)
    if space < HTTP_BYTES // 2:
        look_at_leg(pumped, row, i64(0), i64(1), i64(pumped.legs[row, 0]["writes"]))
        return
    count = native.recv(pumped.legs[row, 0]["fd"], pumped.received.ctypes.data, space, MSG_DONTWAIT)
    if count > 0:
        put(pumped, row, pumped.received, i64(0), i64(count), now_ms)
        flush(pumped, row, now_ms)
        return
    error = i64(0) if count == 0 else errno()
    if error not in (EAGAIN, EINTR):
        leave_leg(pumped, row, i64(0))
        held["closing"] = 1
        flush(pumped, row, now_ms)


@stage
def _count_head(pumped: Pumped, row: int, leg: int) -> int:
    """Octets before a packet, in the form that the connection has: its length, or a channel's, or an indication's."""
    if pumped.rows[row]["carries"] == _ICE:
        return 2
    if pumped.legs[row, leg]["channel"]:
        return 4
    return i64(pumped.legs[row, leg]["prefix_bytes"])


@stage
def _write(
    pumped: Pumped, row: int, leg: int, out: Octets, at: int, start: int, count: int, head: int, tail: int
) -> None:
    """Write a packet of a leg to `out[at:]`, with its head, and with zeros at its end."""
    held = pumped.legs[row, leg]
    if head == 2:
        store16(out, at, count)
    elif head == 4:
        store16(out, at, i64(held["channel"]))
        store16(out, at + 2, count)
    else:
        copy_octets(out, at, held["prefix"], i64(0), head)
        store16(out, at + 2, head - 20 + count + tail)
        store16(out, at + head - 2, count)
    copy_octets(out, at + head, pumped.received, start, count)
    for k in range(tail):
        out[at + head + count + k] = 0
    pumped.counters[_PACKETS] += 1


@kernel
def frame(pumped: Pumped, row: int, leg: int, start: int, count: int, now_ms: int) -> None:
    """Let a packet of a leg wait for its TCP connection."""
    head = _count_head(pumped, row, leg)
    tail = i64(0) if head == 2 else -count & 3
    at = open_frame(pumped, row, head + count + tail, i64(1), now_ms)
    if at >= 0:
        _write(pumped, row, leg, pumped.outbox[row], at, start, count, head, tail)


@kernel
def pass_on(pumped: Pumped, row: int, leg: int, start: int, stop: int, step: int) -> None:
    """Send packets of a leg, of `step` octets each, to its client by UDP. ChannelData have no padding there."""
    head = _count_head(pumped, row, leg)
    if head + step + 3 > MAX_MESSAGE_BYTES:
        pumped.counters[_TRUNCATED] += 1
        return
    at = segment = written = i64(0)
    while start < stop:
        count = min(step, stop - start)
        tail = i64(0) if head == 4 else -count & 3
        _write(pumped, row, leg, pumped.frames, at, start, count, head, tail)
        segment = max(segment, head + count + tail)
        at += head + count + tail
        start += count
        written += 1
        if written == SEGMENTS or start >= stop:
            send_frames(pumped, row, at, segment)
            at = segment = written = i64(0)


@stage
def read_packets(pumped: Pumped, row: int, leg: int, now_ms: int) -> None:
    """Take the packets that wait in a leg's socket, and send what the connection takes."""
    got = receive_packets(pumped, i64(pumped.legs[row, leg]["fd"]), False)
    for message in range(got):
        size = i64(pumped.messages[message]["bytes"] & 0xFFFFFFFF)
        if pumped.messages[message]["flags"] & MSG_TRUNC:
            pumped.counters[_TRUNCATED] += 1
            continue
        step = segment_size(pumped.messages, pumped.controls, message, size)
        start = i64(message * RECEIVE_BYTES)
        stop = start + size
        if pumped.rows[row]["twin"]:
            pass_on(pumped, row, leg, start, stop, step)
            continue
        while start < stop:
            frame(pumped, row, leg, start, min(step, stop - start), now_ms)
            start += step
    if got > 0 and pumped.rows[row]["twin"] == 0:
        flush(pumped, row, now_ms)
