"""Receiving by UDP: `recvmmsg`, with UDP_GRO."""

from __future__ import annotations

import numpy as np

from sfu.tcp.kernels.rows import NAME_STRIDE, RECEIVE_MESSAGES, Pumped
from sfu.wire.kernels.ancillary import CONTROL_STRIDE
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.system import MSG_DONTWAIT, recvmmsg


@stage
def receive_packets(pumped: Pumped, fd: int, named: bool) -> int:
    """Take what waits in a socket, with the senders' addresses if they are wanted; return how many messages."""
    for k in range(RECEIVE_MESSAGES):
        message = pumped.messages[k]
        message["name"] = pumped.names.ctypes.data + k * NAME_STRIDE if named else 0
        message["name_bytes"] = NAME_STRIDE if named else 0
        message["control_bytes"] = CONTROL_STRIDE
        message["flags"] = 0
    return i64(recvmmsg(fd, pumped.messages.ctypes.data, np.uint32(RECEIVE_MESSAGES), MSG_DONTWAIT, 0))
