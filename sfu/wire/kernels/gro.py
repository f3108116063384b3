"""UDP_GRO: of what sizes the datagrams are that the system has joined into one message."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.system import SOL_UDP, UDP_GRO

CONTROL_STRIDE = 64
"""Octets of control messages that belong to each message."""


@stage
def _native32(octets: Octets, at: int) -> int:
    return i64(octets[at]) | (i64(octets[at + 1]) << 8) | (i64(octets[at + 2]) << 16) | (i64(octets[at + 3]) << 24)


@stage
def segment_size(messages: NDArray[Any], controls: Octets, message: int, size: int) -> int:
    """The size of each datagram in a message that UDP_GRO has joined; `size` when it is a single one."""
    if messages[message]["control_bytes"] < 20:
        return size
    at = message * CONTROL_STRIDE
    if _native32(controls, at + 8) == SOL_UDP and _native32(controls, at + 12) == UDP_GRO:
        joined = _native32(controls, at + 16)
        if 0 < joined < size:
            return joined
    return size
