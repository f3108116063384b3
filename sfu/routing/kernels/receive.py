"""Receiving: `recvmmsg` with UDP_GRO, and the split of what it brings into datagrams."""

from __future__ import annotations

import numpy as np

from sfu.routing.kernels import native
from sfu.routing.kernels.messages import (
    CONTROL_STRIDE,
    NAME_STRIDE,
    RECEIVE_MESSAGES,
    Buffers,
)
from sfu.wire.kernels.kernel import i64, stage


@stage
def receive_messages(buffers: Buffers, socket: int, first: int) -> int:
    """Take what waits in the socket into the messages from `first` on.

    Returns the number of messages, or minus the error number.
    """
    for k in range(first, RECEIVE_MESSAGES):
        message = buffers.receive_messages[k]
        message["name_bytes"] = NAME_STRIDE
        message["control_bytes"] = CONTROL_STRIDE
        message["flags"] = 0
    result = native.recvmmsg(
        socket,
        buffers.receive_messages.ctypes.data + first * buffers.receive_messages.itemsize,
        np.uint32(RECEIVE_MESSAGES - first),
        native.MSG_DONTWAIT,
        0,
    )
    if result < 0:
        return -i64(native.errno())
    return i64(result)


@stage
def _native32(buffers: Buffers, at: int) -> int:
    controls = buffers.receive_controls
    return (
        i64(controls[at]) | (i64(controls[at + 1]) << 8) | (i64(controls[at + 2]) << 16) | (i64(controls[at + 3]) << 24)
    )


@stage
def segment_size(buffers: Buffers, message: int, size: int) -> int:
    """The size of each datagram in a message that UDP_GRO has joined; `size` when it is a single one."""
    if buffers.receive_messages[message]["control_bytes"] < 20:
        return size
    at = message * CONTROL_STRIDE
    if _native32(buffers, at + 8) == native.SOL_UDP and _native32(buffers, at + 12) == native.UDP_GRO:
        joined = _native32(buffers, at + 16)
        if 0 < joined < size:
            return joined
    return size
