"""epoll: which descriptors are looked at, for what; the clock; and telling Python."""

from __future__ import annotations

import numpy as np

from sfu.tcp.kernels import native
from sfu.tcp.kernels.rows import EPOLL, LEGS, NOTICES, WAITING, NoticeKind, Pumped, State
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.row_index import hash_address, remove
from sfu.wire.kernels.system import CLOCK_MONOTONIC, clock_gettime

_OPEN, _ENDED = int(State.OPEN), int(State.ENDED)
_NOTICE_ENDED = int(NoticeKind.ENDED)


@stage
def read_clock(pumped: Pumped) -> int:
    """Milliseconds of CLOCK_MONOTONIC."""
    clock_gettime(CLOCK_MONOTONIC, pumped.clock.ctypes.data)
    return i64(pumped.clock[0] * 1000 + pumped.clock[1] // 1_000_000)


@stage
def key_of(row: int, leg: int) -> int:
    """What epoll tells of a descriptor: leg -1 is the TCP connection itself."""
    return row * 8 + leg + 1


@stage
def _control(pumped: Pumped, operation: int, fd: int, key: int, flags: int) -> None:
    pumped.event[:] = 0
    pumped.event[0] = np.uint32(flags)
    pumped.event[native.EVENT_KEY] = np.uint32(key)
    native.epoll_ctl(pumped.state[EPOLL], operation, fd, pumped.event.ctypes.data)


@kernel
def look_at(pumped: Pumped, fd: int, key: int) -> None:
    """Begin to look at a descriptor, for what comes."""
    _control(pumped, native.EPOLL_CTL_ADD, fd, key, native.EPOLLIN)


@stage
def look_again(pumped: Pumped, row: int) -> None:
    """Look at a TCP connection for what its row says now."""
    held = pumped.rows[row]
    if held["twin"]:
        return
    flags = (0 if held["waits"] else native.EPOLLIN) | (native.EPOLLOUT if held["writes"] else 0)
    _control(pumped, native.EPOLL_CTL_MOD, held["tcp"], key_of(row, i64(-1)), flags)


@stage
def set_waits(pumped: Pumped, row: int, waits: int) -> None:
    """Stop to read a TCP connection, or go on."""
    if pumped.rows[row]["waits"] != waits:
        pumped.rows[row]["waits"] = waits
        look_again(pumped, row)


@stage
def set_writes(pumped: Pumped, row: int, writes: int) -> None:
    """Be told when a TCP connection takes more, or no longer."""
    if pumped.rows[row]["writes"] != writes:
        pumped.rows[row]["writes"] = writes
        look_again(pumped, row)


@stage
def look_at_leg(pumped: Pumped, row: int, leg: int, paused: int, writes: int) -> None:
    """Read a leg or not, and be told or not when it takes more."""
    held = pumped.legs[row, leg]
    if held["paused"] != paused or held["writes"] != writes:
        held["paused"] = paused
        held["writes"] = writes
        flags = (0 if paused else native.EPOLLIN) | (native.EPOLLOUT if writes else 0)
        _control(pumped, native.EPOLL_CTL_MOD, held["fd"], key_of(row, leg), flags)


@stage
def leave_leg(pumped: Pumped, row: int, leg: int) -> None:
    """Look at a leg no more: of one whose other end is closed epoll would tell for ever."""
    _control(pumped, native.EPOLL_CTL_DEL, pumped.legs[row, leg]["fd"], i64(0), 0)


@stage
def tell(pumped: Pumped, row: int, kind: int, data: Octets, start: int, count: int) -> None:
    """Have Python told of something, with so many octets of `data`."""
    at = pumped.state[WAITING]
    if at == NOTICES:  # cannot be: see there
        return
    notice = pumped.notices[at]
    notice["row"] = row
    notice["kind"] = kind
    notice["bytes"] = count
    copy_octets(pumped.notice_data[at], i64(0), data, start, count)
    pumped.state[WAITING] = at + 1


@stage
def end(pumped: Pumped, row: int, why: int) -> None:
    """Be done with a connection; Python closes it."""
    held = pumped.rows[row]
    if held["state"] != _OPEN:
        return
    held["state"] = _ENDED
    held["ended"] = why
    if held["twin"]:
        remove(pumped.by_address, hash_address(held["address"], 0), row)
    else:
        _control(pumped, native.EPOLL_CTL_DEL, held["tcp"], i64(0), 0)
    for leg in range(LEGS):
        if pumped.legs[row, leg]["fd"] >= 0:
            _control(pumped, native.EPOLL_CTL_DEL, pumped.legs[row, leg]["fd"], i64(0), 0)
    tell(pumped, row, _NOTICE_ENDED, pumped.notice_data[0], i64(0), i64(0))
