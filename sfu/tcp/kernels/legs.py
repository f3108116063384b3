"""Reading a leg: packets become frames that wait for the connection, what the HTTP server writes waits as it is."""

from __future__ import annotations

import numpy as np

from sfu.tcp.kernels import native
from sfu.tcp.kernels.outbox import count_waiting, flush, open_frame, put
from sfu.tcp.kernels.polling import leave_leg, look_at_leg
from sfu.tcp.kernels.rows import HTTP_BYTES, RECEIVE_BYTES, RECEIVE_MESSAGES, Carries, Counter, Pumped
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.gro import CONTROL_STRIDE, segment_size
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import store16
from sfu.wire.kernels.system import EAGAIN, EINTR, MSG_DONTWAIT, MSG_TRUNC, errno, recvmmsg

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


@kernel
def frame(pumped: Pumped, row: int, leg: int, start: int, count: int, now_ms: int) -> None:
    """Let a packet of a leg wait, in the form that the connection has."""
    held = pumped.legs[row, leg]
    if pumped.rows[row]["carries"] == _ICE:
        head, tail = i64(2), i64(0)
    elif held["channel"]:
        head, tail = i64(4), -count & 3
    else:
        head, tail = i64(held["prefix_bytes"]), -count & 3
    at = open_frame(pumped, row, head + count + tail, i64(1), now_ms)
    if at < 0:
        return
    out = pumped.outbox[row]
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


@stage
def read_packets(pumped: Pumped, row: int, leg: int, now_ms: int) -> None:
    """Take the packets that wait in a leg's socket, and send what the connection takes."""
    for k in range(RECEIVE_MESSAGES):
        pumped.messages[k]["control_bytes"] = CONTROL_STRIDE
        pumped.messages[k]["flags"] = 0
    got = recvmmsg(
        pumped.legs[row, leg]["fd"],
        pumped.messages.ctypes.data,
        np.uint32(RECEIVE_MESSAGES),
        MSG_DONTWAIT,
        0,
    )
    for message in range(got):
        size = i64(pumped.messages[message]["bytes"] & 0xFFFFFFFF)
        if pumped.messages[message]["flags"] & MSG_TRUNC:
            pumped.counters[_TRUNCATED] += 1
            continue
        step = segment_size(pumped.messages, pumped.controls, message, size)
        start = i64(message * RECEIVE_BYTES)
        stop = start + size
        while start < stop:
            frame(pumped, row, leg, start, min(step, stop - start), now_ms)
            start += step
    if got > 0:
        flush(pumped, row, now_ms)
