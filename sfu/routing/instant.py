"""The plane's clock."""

from __future__ import annotations

from sfu.routing import native
from sfu.routing.messages import Buffers
from sfu.wire.kernel import kernel


@kernel
def monotonic_us(buffers: Buffers) -> int:
    """CLOCK_MONOTONIC in microseconds."""
    native.clock_gettime(native.CLOCK_MONOTONIC, buffers.timespec.ctypes.data)
    return buffers.timespec[0] * 1000000 + buffers.timespec[1] // 1000
