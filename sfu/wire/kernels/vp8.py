"""The VP8 payload descriptor (RFC 7741 section 4.2)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.layers import layers_from
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.picture import read_picture_id, read_tl0_picture
from sfu.wire.layers import ALL_LAYERS

_BROKEN = 1


@kernel
def describe_vp8(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """Describe a VP8 packet on top of `describe_opaque`; 0, or 1 when the descriptor is cut off.

    An empty payload (padding only) stays as it is.
    """
    packet = packets[row]
    start = packet["payload"]
    end = start + packet["payload_bytes"]
    if end == start:
        return 0
    first = i64(buffer[start])
    at = start + 1
    extended = i64(0)
    if first & 0x80:
        if at >= end:
            return _BROKEN
        extended = i64(buffer[at])
        at += 1
    if extended & 0x80:
        at = read_picture_id(buffer, at, end, packets, row)
    if at >= 0 and extended & 0x40:
        at = read_tl0_picture(buffer, at, end, packets, row)
    layer = i64(0)
    if at >= 0 and extended & 0x30:
        layer = i64(buffer[at]) if at < end and extended & 0x20 else i64(0)
        at += 1
    if at < 0 or at >= end:
        return _BROKEN  # "the VP8 payload header" or the rest of a partition must follow
    temporal = layer >> 6
    begins = first & 0x17 == 0x10  # the S bit, and partition 0; the bit between them is reserved, hence ignored
    packet["frame_start"] = 1 if begins else 0
    packet["temporal"] = temporal
    packet["present"] = layers_from(0, temporal)
    if begins and i64(buffer[at]) & 0x01 == 0:
        packet["key"] = 1
        packet["switch"] = ALL_LAYERS
    elif layer & 0x20 and temporal > 0:
        # Y, "depends only on the base layer": who has that can go up to this layer, but not beyond it
        packet["switch"] = layers_from(0, temporal) & ~layers_from(0, temporal + 1)
    if first & 0x20:
        packet["discardable"] = packet["present"]
    return 0
