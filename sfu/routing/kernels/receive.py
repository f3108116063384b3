"""Receiving: `recvmmsg` with UDP_GRO."""

from __future__ import annotations

import numpy as np

from sfu.routing.kernels import native
from sfu.routing.kernels.messages import (
    NAME_STRIDE,
    RECEIVE_MESSAGES,
    Buffers,
)
from sfu.wire.kernels.ancillary import CONTROL_STRIDE
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
