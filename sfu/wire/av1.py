"""The AV1 payload's aggregation header (RTP Payload Format For AV1, section 4.4)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernel import i64, kernel
from sfu.wire.layers import ALL_LAYERS
from sfu.wire.octets import Octets

_BROKEN = 1


@kernel
def describe_av1(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """Describe an AV1 packet on top of `describe_opaque`; 0, or 1 when its aggregation header contradicts itself.

    Layers stand in the dependency descriptor alone. N marks the first packet of a coded video sequence, which begins
    with a key frame and so cannot continue an OBU of the packet before (Z).
    """
    packet = packets[row]
    if packet["payload_bytes"] == 0:
        return 0
    first = i64(buffer[packet["payload"]])
    if first & 0x88 == 0x88:
        return _BROKEN
    if first & 0x08:
        packet["key"] = 1
        packet["frame_start"] = 1
        packet["switch"] = ALL_LAYERS
    return 0
