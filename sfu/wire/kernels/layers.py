"""What a frame means for each Layer, as the masks of sfu/wire/layers.py."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire import layers
from sfu.wire.kernels.kernel import kernel
from sfu.wire.layers import ALL_LAYERS

_EVERY_SPATIAL = 0x01010101

layer_bit = kernel(layers.layer_bit)


@kernel
def layers_from(spatial: int, temporal: int) -> int:
    """All Layers of at least this spatial and at least this temporal index: those that contain a frame of it, where
    each builds on all below.
    """
    row = (0xFF << temporal) & 0xFF
    return ((row * _EVERY_SPATIAL) << (8 * spatial)) & ALL_LAYERS


@kernel
def layers_of(spatial: int, temporal: int) -> int:
    """The Layers of just this spatial index and at least this temporal one."""
    return ((0xFF << temporal) & 0xFF) << (8 * spatial)


@kernel
def describe_opaque(packets: NDArray[Any], row: int) -> None:
    """Set the fields of a packet of which nothing is known: part of every Layer, decodable from anywhere."""
    packet = packets[row]
    packet["key"] = 0
    packet["frame_start"] = 0
    packet["frame_end"] = packet["marker"]
    packet["spatial"] = 0
    packet["temporal"] = 0
    packet["present"] = ALL_LAYERS
    packet["switch"] = 0
    packet["discardable"] = 0
    packet["raises"] = -1
    packet["picture_id"] = -1
    packet["picture_id_at"] = -1
    packet["picture_id_bits"] = 0
    packet["tl0_picture"] = -1
    packet["tl0_picture_at"] = -1
    packet["frame_number"] = -1
    packet["sets"] = 0
