"""The frame marking header extension (RFC 9626)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.layers import layers_from
from sfu.wire.kernels.octets import Octets
from sfu.wire.layers import ALL_LAYERS


@kernel
def describe_frame_marking(buffer: Octets, at: int, length: int, packets: NDArray[Any], row: int) -> int:
    """Describe a packet by its frame marking, for codecs whose payload does not tell temporal layers; always 0.

    The short form (one byte, section 3.2) knows no layers; the long one (two or three bytes, section 3.1) has the
    temporal ID. Layer IDs of spatial scalability differ by codec and are left alone.
    """
    packet = packets[row]
    value = i64(buffer[at])
    packet["frame_start"] = value >> 7
    packet["frame_end"] = (value >> 6) & 1
    temporal = value & 0x07 if length > 1 else 0
    packet["temporal"] = temporal
    packet["present"] = layers_from(0, temporal)
    if value & 0x20:
        packet["switch"] = ALL_LAYERS
    elif length > 1 and value & 0x08 and temporal > 0:
        packet["switch"] = layers_from(0, temporal) & ~layers_from(0, temporal + 1)
    if value & 0x10:
        packet["discardable"] = packet["present"]
    return 0
