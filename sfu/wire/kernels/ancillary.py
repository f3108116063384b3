"""Control messages of the system beside a datagram: how many it has joined (UDP_GRO), and to which of our addresses it
came (IP_PKTINFO, IPV6_PKTINFO; RFC 3542 section 6).

The latter, less the interface by which it came, is what makes an answer leave from there: so we keep it as it stands,
and call it a *local address*. It is empty where the socket is bound to one address.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, same_octets
from sfu.wire.kernels.system import SOL_UDP, UDP_GRO, UDP_SEGMENT
from sfu.wire.local_address import IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO

CONTROL_STRIDE = 64
"""Octets of control messages that belong to each message that is received: both of them take 64."""
SEGMENT_BYTES = 24
_HEAD_BYTES = 16
_IPV4_BYTES, _IPV6_BYTES = _HEAD_BYTES + 12, _HEAD_BYTES + 20
_IPV4_INTERFACE, _IPV6_INTERFACE = _HEAD_BYTES, _HEAD_BYTES + 16
"""Where the interface stands in `struct in_pktinfo` and in `struct in6_pktinfo`."""


@stage
def _native32(octets: Octets, at: int) -> int:
    return i64(octets[at]) | (i64(octets[at + 1]) << 8) | (i64(octets[at + 2]) << 16) | (i64(octets[at + 3]) << 24)


@stage
def _find(messages: NDArray[Any], controls: Octets, message: int, level: int, kind: int, size: int) -> int:
    """Where a control message of at least `size` octets stands; -1: there is none."""
    at = i64(message * CONTROL_STRIDE)
    end = at + min(i64(messages[message]["control_bytes"]), CONTROL_STRIDE)
    while at + _HEAD_BYTES <= end:
        length = _native32(controls, at)
        if length < _HEAD_BYTES or at + length > end:
            return -1
        if length >= size and _native32(controls, at + 8) == level and _native32(controls, at + 12) == kind:
            return at
        at += (length + 7) & ~7
    return -1


@stage
def segment_size(messages: NDArray[Any], controls: Octets, message: int, size: int) -> int:
    """The size of each datagram in a message that UDP_GRO has joined; `size` when it is a single one."""
    at = _find(messages, controls, message, SOL_UDP, UDP_GRO, _HEAD_BYTES + 4)
    if at >= 0:
        joined = _native32(controls, at + _HEAD_BYTES)
        if 0 < joined < size:
            return joined
    return size


@stage
def _keep(told: Octets, controls: Octets, at: int, size: int, interface: int) -> int:
    copy_octets(told, i64(0), controls, at, size)
    for k in range(4):  # an answer may take another way
        told[interface + k] = 0
        told[size + k] = 0
    return size + 4


@stage
def read_local(messages: NDArray[Any], controls: Octets, message: int, told: Octets) -> int:
    """Write the local address of a message that was received to `told`, which has `LOCAL_BYTES`; return its length, 0
    where the system tells of none.
    """
    at = _find(messages, controls, message, IPPROTO_IPV6, IPV6_PKTINFO, _IPV6_BYTES)
    if at >= 0:
        return _keep(told, controls, at, i64(_IPV6_BYTES), i64(_IPV6_INTERFACE))
    at = _find(messages, controls, message, IPPROTO_IP, IP_PKTINFO, _IPV4_BYTES)
    if at >= 0:
        return _keep(told, controls, at, i64(_IPV4_BYTES), i64(_IPV4_INTERFACE))
    return 0


@stage
def same_local(left: Octets, left_bytes: int, right: Octets, right_bytes: int) -> bool:
    """Whether two local addresses are the same."""
    return left_bytes == right_bytes and same_octets(left, i64(0), right, i64(0), left_bytes)


@stage
def write_segment(controls: Octets, at: int, size: int) -> None:
    """Write what has a message sent as datagrams of `size` octets: a little-endian cmsghdr {len 18, SOL_UDP,
    UDP_SEGMENT} and the size (udp(7)), `SEGMENT_BYTES` together.
    """
    for k in range(SEGMENT_BYTES):
        controls[at + k] = 0
    controls[at] = 18
    controls[at + 8] = SOL_UDP
    controls[at + 12] = UDP_SEGMENT
    controls[at + 16] = i64(size) & 0xFF
    controls[at + 17] = i64(size) >> 8
