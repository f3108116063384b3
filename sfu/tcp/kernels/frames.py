"""What comes on a TCP connection, frame by frame, to its legs (RFC 8656 sections 11 and 12, RFC 4571)."""

from __future__ import annotations

from sfu.tcp.kernels import native
from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.polling import end, look_at_leg, set_waits, tell
from sfu.tcp.kernels.rows import IN_BYTES, LEGS, MAX_MESSAGE_BYTES, Carries, Ended, NoticeKind, Pumped
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load16, load32
from sfu.wire.kernels.system import EAGAIN, EINTR, MSG_DONTWAIT, MSG_NOSIGNAL, errno

_UNKNOWN, _HTTP, _ICE, _TURN = (int(each) for each in Carries)
_CARRIES, _MESSAGE = int(NoticeKind.CARRIES), int(NoticeKind.MESSAGE)
_NONSENSE, _CLOSED = int(Ended.NONSENSE), int(Ended.CLOSED)
_PACKETS, _NO_LEG, _SEND_FAILED = int(Counter.PACKETS_IN), int(Counter.DROP_NO_LEG), int(Counter.DROP_SEND_FAILED)

COOKIE = 0x2112A442
HEADER_BYTES = 20
SEND_INDICATION = 0x0016
XOR_PEER_ADDRESS, DATA = 0x0012, 0x0013
_PEER_AT = HEADER_BYTES
"""Where a leg's prefix has its XOR-PEER-ADDRESS."""


@kernel
def classify(data: Octets, start: int, end: int) -> int:
    """What a connection carries that begins with these octets: -1 when there are too few to say, -2: nothing known."""
    count = end - start
    if count > 0 and 65 <= data[start] <= 90:  # the method of a request
        return _HTTP
    if count < 10:
        return -1
    if data[start] < 0x40 and load32(data, start + 4) == COOKIE:
        return _TURN
    if load32(data, start + 6) == COOKIE:
        return _ICE
    return -2


@kernel
def find_attribute(data: Octets, start: int, end: int, wanted: int) -> int:
    """Where the value of a STUN message's attribute begins; -1: it has none, or none that fits into it."""
    at = start + HEADER_BYTES
    while at + 4 <= end:
        size = load16(data, at + 2)
        if at + 4 + size > end:
            return -1
        if load16(data, at) == wanted:
            return at + 4
        at += 4 + ((size + 3) & ~3)
    return -1


@kernel
def same_peer(prefix: Octets, data: Octets, message: int, value: int) -> bool:
    """Whether an XOR-PEER-ADDRESS whose value begins at `value` names the address in a leg's prefix.

    The first 32 bits of an address are hidden by the cookie, which is one for all; the others of IPv6 by the message's
    transaction.
    """
    size = load16(data, value - 2)
    if size != load16(prefix, _PEER_AT + 2):
        return False
    for k in range(1, min(size, 8)):
        if data[value + k] != prefix[_PEER_AT + 4 + k]:
            return False
    for k in range(8, size):
        own = prefix[_PEER_AT + 4 + k] ^ prefix[k]
        if data[value + k] ^ data[message + k] != own:
            return False
    return True


@stage
def _send_to(pumped: Pumped, row: int, leg: int, at: int, count: int) -> None:
    address = pumped.inbox.ctypes.data + row * IN_BYTES + at
    if native.send(pumped.legs[row, leg]["fd"], address, count, MSG_DONTWAIT | MSG_NOSIGNAL) < 0:
        pumped.counters[_SEND_FAILED] += 1
    else:
        pumped.counters[_PACKETS] += 1


@stage
def _find_channel(pumped: Pumped, row: int, channel: int) -> int:
    for leg in range(LEGS):
        if pumped.legs[row, leg]["fd"] >= 0 and pumped.legs[row, leg]["channel"] == channel:
            return leg
    return -1


@stage
def _find_peer(pumped: Pumped, row: int, data: Octets, message: int, value: int) -> int:
    for leg in range(LEGS):
        if pumped.legs[row, leg]["fd"] >= 0 and same_peer(pumped.legs[row, leg]["prefix"], data, message, value):
            return leg
    return -1


@stage
def _take_indication(pumped: Pumped, row: int, at: int, stop: int) -> None:
    data = pumped.inbox[row]
    peer, value = find_attribute(data, at, stop, XOR_PEER_ADDRESS), find_attribute(data, at, stop, DATA)
    leg = i64(-1) if peer < 0 or value < 0 else _find_peer(pumped, row, data, at, peer)
    if leg < 0:
        pumped.counters[_NO_LEG] += 1
    else:
        _send_to(pumped, row, leg, value, load16(data, value - 2))


@stage
def take_turn(pumped: Pumped, row: int, at: int, stop: int) -> int:
    """Take one message; return where the next begins, -1: it is not whole yet, -2: it is none."""
    data = pumped.inbox[row]
    if stop - at < 4:
        return -1
    size = load16(data, at + 2)
    if data[at] >= 0x40:
        following = at + ((4 + size + 3) & ~3)
        if data[at] >= 0x50 or size > MAX_MESSAGE_BYTES:
            return -2
        if following > stop:
            return -1
        leg = _find_channel(pumped, row, load16(data, at))
        if leg < 0:
            pumped.counters[_NO_LEG] += 1
        else:
            _send_to(pumped, row, leg, at + 4, size)
        return following
    following = at + HEADER_BYTES + size
    if size & 3 or following - at > MAX_MESSAGE_BYTES:
        return -2
    if following > stop:
        return -1
    if load32(data, at + 4) != COOKIE:
        return -2
    if load16(data, at) == SEND_INDICATION:
        _take_indication(pumped, row, at, following)
    else:
        tell(pumped, row, _MESSAGE, data, at, following - at)
        set_waits(pumped, row, 1)
    return following


@stage
def _take_ice(pumped: Pumped, row: int, at: int, stop: int) -> int:
    data = pumped.inbox[row]
    if stop - at < 2:
        return -1
    size = load16(data, at)
    if size > MAX_MESSAGE_BYTES:
        return -2
    if at + 2 + size > stop:
        return -1
    if pumped.legs[row, 0]["fd"] < 0:  # Python finds by the first check whose it is
        tell(pumped, row, _MESSAGE, data, at + 2, size)
        set_waits(pumped, row, 1)
        return -1
    if size > 0:
        _send_to(pumped, row, i64(0), at + 2, size)
    return at + 2 + size


@stage
def _take_http(pumped: Pumped, row: int, stop: int) -> int:
    """Hand on what came; return how many octets were taken."""
    if pumped.legs[row, 0]["fd"] < 0:
        return 0
    sent = native.send(
        pumped.legs[row, 0]["fd"], pumped.inbox.ctypes.data + row * IN_BYTES, stop, MSG_DONTWAIT | MSG_NOSIGNAL
    )
    if sent < 0:
        error = errno()
        if error not in (EAGAIN, EINTR):
            end(pumped, row, _CLOSED)
            return stop
        sent = i64(0)
    if sent < stop:
        look_at_leg(pumped, row, i64(0), i64(pumped.legs[row, 0]["paused"]), i64(1))
        set_waits(pumped, row, 1)
    return i64(sent)


@kernel
def take(pumped: Pumped, row: int) -> None:
    """Handle what has come, as far as it is whole and Python is not to be waited for."""
    held = pumped.rows[row]
    if held["carries"] == _UNKNOWN:
        carries = classify(pumped.inbox[row], i64(0), i64(held["in_bytes"]))
        if carries == -1:
            return
        if carries < 0:
            end(pumped, row, _NONSENSE)
            return
        held["carries"] = carries
        if carries == _HTTP:
            tell(pumped, row, _CARRIES, pumped.inbox[row], i64(0), i64(0))
            set_waits(pumped, row, 1)
            return
    at, stop = i64(0), i64(held["in_bytes"])
    if held["carries"] == _HTTP:
        at = _take_http(pumped, row, stop)
    else:
        while held["waits"] == 0:
            parse_turn = held["carries"] == _TURN
            following = take_turn(pumped, row, at, stop) if parse_turn else _take_ice(pumped, row, at, stop)
            if following == -2:
                end(pumped, row, _NONSENSE)
                return
            if following < 0:
                break
            at = following
    if at > 0:
        base = pumped.inbox.ctypes.data + row * IN_BYTES
        native.memmove(base, base + at, stop - at)
        held["in_bytes"] = stop - at
