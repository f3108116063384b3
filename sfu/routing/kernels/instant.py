"""The plane's clock."""

from __future__ import annotations

from sfu.routing.kernels import native
from sfu.routing.kernels.messages import VIRTUAL_US, Buffers
from sfu.wire.kernels.kernel import stage


@stage
def monotonic_us(buffers: Buffers) -> int:
    """CLOCK_MONOTONIC in microseconds, or the virtual time of a test."""
    if buffers.state[VIRTUAL_US] > 0:
        return buffers.state[VIRTUAL_US]
    native.clock_gettime(native.CLOCK_MONOTONIC, buffers.timespec.ctypes.data)
    return buffers.timespec[0] * 1000000 + buffers.timespec[1] // 1000
