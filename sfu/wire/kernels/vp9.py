"""The VP9 payload descriptor (RFC 9628 section 4.2)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.layers import layers_from, layers_of
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.picture import read_picture_id, read_tl0_picture
from sfu.wire.layers import ALL_LAYERS, SPATIAL_LAYERS

_BROKEN = 1
_MAX_REFERENCES = 3


@kernel
def describe_vp9(buffer: Octets, packets: NDArray[Any], row: int, top: int) -> int:
    """Describe a VP9 packet on top of `describe_opaque`; 0, or 1 when the descriptor makes no sense.

    `top`: the highest spatial layer that the stream has, as its scalability structure said; -1: it never said. What
    this packet itself announces goes before.
    """
    packet = packets[row]
    start = packet["payload"]
    end = start + packet["payload_bytes"]
    if end == start:
        return 0
    first = i64(buffer[start])
    at = start + 1
    if first & 0x80:  # I: picture ID
        at = read_picture_id(buffer, at, end, packets, row)
    flexible = _is_flexible(first)
    layer = i64(0)
    if first & 0x20:  # L: layer indices
        if at < 0 or at >= end:
            return _BROKEN
        layer = i64(buffer[at])
        at += 1
        if not flexible:
            at = read_tl0_picture(buffer, at, end, packets, row)
    if flexible and first & 0x40:  # P: references to earlier pictures
        at = _skip_references(buffer, at, end)
    if first & 0x02:  # V: scalability structure
        structure = at
        at = skip_structure(buffer, structure, end)
        if at >= 0:
            top = i64(buffer[structure]) >> 5
    spatial = (layer >> 1) & 0x07
    if at < 0 or at >= end or spatial >= SPATIAL_LAYERS or (spatial == 0 and layer & 0x01):
        return _BROKEN
    _set_frame(packets, row, first, layer, top, i64(buffer[at]))
    return 0


@stage
def _set_frame(packets: NDArray[Any], row: int, first: int, layer: int, top: int, header: int) -> None:
    """Say what the frame means for each Layer, by the first octet, that of the layer indices (0: none), and the first
    one of the payload, which is the frame's header where it begins.
    """
    packet = packets[row]
    temporal = layer >> 5
    spatial = (layer >> 1) & 0x07
    packet["frame_start"] = (first >> 3) & 1
    packet["frame_end"] = (first >> 2) & 1
    packet["spatial"] = spatial
    packet["temporal"] = temporal
    packet["present"] = layers_from(spatial, temporal)
    if first & 0x01 and spatial < top:
        # Z: "not a reference for upper spatial layers", so whoever gets one of those does without
        packet["present"] = layers_of(spatial, temporal)
    if first & 0x40 == 0 and not (spatial == 0 and packet["frame_start"] == 1 and _is_other(header)):
        # P: no earlier picture is needed. Some senders never set it (FFmpeg), so the frame's header has the last word.
        if spatial == 0:
            packet["key"] = packet["frame_start"]
            packet["switch"] = ALL_LAYERS
        elif spatial < top:
            packet["switch"] = layers_of(spatial, 0)  # frames above may still depend on earlier pictures
        else:
            packet["switch"] = layers_from(spatial, 0)
    if layer & 0x10:  # U
        packet["raises"] = temporal


@stage
def _is_other(header: int) -> bool:
    """Whether a frame's first octet is for certain that of no key frame (VP9 bitstream specification, section 6.2)."""
    if header >> 6 != 2:  # frame_marker: what is encrypted end to end has none
        return False
    shift = 1 if header & 0x30 == 0x30 else 2  # profile 3 has a reserved bit more
    return (header >> shift) & 0x03 != 0  # show_existing_frame, frame_type


@stage
def _is_flexible(first: int) -> bool:
    """Whether the F bit counts: without a picture ID (I) receivers ignore it."""
    return first & 0x90 == 0x90


@stage
def _skip_references(buffer: Octets, at: int, end: int) -> int:
    """The offset behind up to three reference indices, each with a bit that tells of another; -1 if there are more."""
    for _ in range(_MAX_REFERENCES):
        if at < 0 or at >= end:
            return -1
        at += 1
        if i64(buffer[at - 1]) & 0x01 == 0:
            return at
    return -1


@kernel
def find_top_layer(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """The highest spatial layer that the scalability structure in a described packet announces; -1: it has none."""
    start = packets[row]["payload"]
    end = start + packets[row]["payload_bytes"]
    if end == start or i64(buffer[start]) & 0x02 == 0:
        return -1
    first = i64(buffer[start])
    at = start + 1
    if first & 0x80:
        at += 2 if packets[row]["picture_id_bits"] == 15 else 1
    flexible = _is_flexible(first)
    if first & 0x20:
        at += 1 if flexible else 2
    if flexible and first & 0x40:
        while i64(buffer[at]) & 0x01:
            at += 1
        at += 1
    return i64(buffer[at]) >> 5


@kernel
def skip_structure(buffer: Octets, at: int, end: int) -> int:
    """The offset behind the scalability structure at `at` (RFC 9628 section 4.2.1); -1 when it is cut off."""
    if at < 0 or at >= end:
        return -1
    value = i64(buffer[at])
    at += 1
    if value & 0x10:  # Y: a width and height for each spatial layer
        at += 4 * ((value >> 5) + 1)
    if value & 0x08:  # G: the group of pictures
        if at >= end:
            return -1
        pictures = i64(buffer[at])
        at += 1
        for _ in range(pictures):
            if at >= end:
                return -1
            at += 1 + ((i64(buffer[at]) >> 2) & 0x03)
    return at if at <= end else -1
