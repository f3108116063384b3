"""The loop: what comes of clients, by TCP or UDP, goes to their legs, what comes on legs goes to their clients."""

from __future__ import annotations

from sfu.tcp.kernels import native
from sfu.tcp.kernels.datagrams import read_twin, send_datagrams
from sfu.tcp.kernels.legs import read_http, read_packets
from sfu.tcp.kernels.outbox import flush, put
from sfu.tcp.kernels.polling import end, key_of, look_at, look_at_leg, read_clock, set_writes
from sfu.tcp.kernels.reading import go_on, read_tcp
from sfu.tcp.kernels.rows import (
    EPOLL,
    EVENTS,
    MAX_MESSAGE_BYTES,
    ORDERED,
    TWIN_KEYS,
    TWINS_TOLD,
    WAITING,
    WAKE,
    WAKE_EVENT,
    Carries,
    Ended,
    Order,
    Pumped,
    State,
)
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.row_index import hash_address, insert
from sfu.wire.kernels.system import read

_OPEN, _HTTP, _TURN = int(State.OPEN), int(Carries.HTTP), int(Carries.TURN)
_CLOSED, _DISMISSED = int(Ended.CLOSED), int(Ended.DISMISSED)
_OPEN_ORDER, _ATTACH, _BIND, _ANSWER = int(Order.OPEN), int(Order.ATTACH), int(Order.BIND), int(Order.ANSWER)

_LONGEST_MS = 1000


@stage
def _handle_tcp(pumped: Pumped, row: int, flags: int, now_ms: int) -> None:
    if flags & native.EPOLLOUT:
        set_writes(pumped, row, 0)
        flush(pumped, row, now_ms)
        if pumped.rows[row]["carries"] == _HTTP and pumped.rows[row]["closing"] == 0:
            look_at_leg(pumped, row, i64(0), i64(0), i64(pumped.legs[row, 0]["writes"]))
    if flags & (native.EPOLLIN | native.EPOLLERR | native.EPOLLHUP | native.EPOLLOUT):
        if pumped.rows[row]["waits"] and flags & (native.EPOLLERR | native.EPOLLHUP):
            end(pumped, row, _CLOSED)
            return
        read_tcp(pumped, row, now_ms)


@stage
def _handle_leg(pumped: Pumped, row: int, leg: int, flags: int, now_ms: int) -> None:
    if pumped.rows[row]["carries"] != _HTTP:
        read_packets(pumped, row, leg, now_ms)
        return
    if flags & native.EPOLLOUT:  # it takes what has waited
        look_at_leg(pumped, row, leg, i64(pumped.legs[row, leg]["paused"]), i64(0))
        go_on(pumped, row, now_ms)
    if flags & (native.EPOLLIN | native.EPOLLHUP | native.EPOLLERR):
        read_http(pumped, row, now_ms)


@stage
def _open(pumped: Pumped, row: int, now_ms: int) -> None:
    held = pumped.rows[row]
    held["heard_ms"] = held["moved_ms"] = now_ms
    if held["twin"]:
        held["carries"] = _TURN
        insert(pumped.by_address, hash_address(held["address"], 0), row)
        return
    look_at(pumped, i64(held["tcp"]), key_of(row, i64(-1)))
    read_tcp(pumped, row, now_ms)


@stage
def _answer(pumped: Pumped, row: int, number: int, now_ms: int) -> None:
    """Send the octets that stand at an order, and go on with what has come."""
    count = i64(pumped.orders[number]["bytes"])
    if pumped.rows[row]["twin"]:
        pumped.rows[row]["waits"] = 0
        if count > 0:
            send_datagrams(pumped, row, pumped.order_data.ctypes.data + number * MAX_MESSAGE_BYTES, count, count)
        return
    put(pumped, row, pumped.order_data[number], i64(0), count, now_ms)
    flush(pumped, row, now_ms)
    go_on(pumped, row, now_ms)


@stage
def _carry_out(pumped: Pumped, number: int, now_ms: int) -> None:
    order = pumped.orders[number]
    row, leg, kind = i64(order["row"]), i64(order["leg"]), i64(order["order"])
    if kind == _OPEN_ORDER:
        _open(pumped, row, now_ms)
    elif pumped.rows[row]["state"] != _OPEN:
        return
    elif kind == _ATTACH:
        look_at(pumped, i64(pumped.legs[row, leg]["fd"]), key_of(row, leg))
    elif kind == _BIND:
        pumped.legs[row, leg]["channel"] = order["number"]
    elif kind == _ANSWER:
        _answer(pumped, row, number, now_ms)
    else:
        end(pumped, row, _DISMISSED)


@kernel
def run_pump(pumped: Pumped) -> None:
    """Carry out the orders, and serve all connections until Python is to be told something, or wakes us. Entered
    without the GIL.
    """
    now_ms = read_clock(pumped)
    for number in range(pumped.state[ORDERED]):
        _carry_out(pumped, number, now_ms)
    pumped.state[ORDERED] = 0
    while pumped.state[WAITING] == 0:
        pumped.state[TWINS_TOLD] = 0
        count = native.epoll_wait(pumped.state[EPOLL], pumped.events.ctypes.data, EVENTS, _LONGEST_MS)
        now_ms = read_clock(pumped)
        woken = False
        for k in range(count):
            flags = i64(pumped.events[k * native.EVENT_WORDS])
            key = i64(pumped.events[k * native.EVENT_WORDS + native.EVENT_KEY])
            if key == WAKE:
                read(pumped.state[WAKE_EVENT], pumped.clock.ctypes.data, 8)
                woken = True
                continue
            if key >= TWIN_KEYS:
                read_twin(pumped, key - TWIN_KEYS, now_ms)
                continue
            row, leg = key >> 3, (key & 7) - 1
            if pumped.rows[row]["state"] != _OPEN:
                continue
            if leg < 0:
                _handle_tcp(pumped, row, flags, now_ms)
            else:
                _handle_leg(pumped, row, leg, flags, now_ms)
        if woken:
            return
