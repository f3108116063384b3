"""What a decrypted packet is: the frame that it belongs to, or the voice in it, whatever the codec."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.tables import Tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.av1 import describe_av1
from sfu.wire.kernels.dependency import UNKNOWN, describe_dependencies
from sfu.wire.kernels.frame_marking import describe_frame_marking
from sfu.wire.kernels.h264 import describe_h264
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.layers import describe_opaque, layers_of
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.red import primary_of
from sfu.wire.kernels.vp8 import describe_vp8
from sfu.wire.kernels.vp9 import describe_vp9, find_top_layer
from sfu.wire.payload_format import PayloadFormat

_VP8 = int(PayloadFormat.VP8)
_VP9 = int(PayloadFormat.VP9)
_H264 = int(PayloadFormat.H264)
_AV1 = int(PayloadFormat.AV1)
_RED = int(PayloadFormat.RED)
_LEVEL = int(Extension.AUDIO_LEVEL)
_DEPENDENCIES = int(Extension.DEPENDENCY_DESCRIPTOR)
_MARKING = int(Extension.FRAME_MARKING)
_UNKNOWN_STRUCTURE = int(Counter.UNKNOWN_STRUCTURE)
_DESCRIPTOR = int(Counter.DROP_DESCRIPTOR)


@stage
def describe_packet(tables: Tables, encoding: int, buffer: Octets, packets: NDArray[Any], row: int) -> bool:
    """Fill in what the codec says of packet `row`; False when its descriptor is broken, which is counted."""
    entry = tables.encodings[encoding]
    codec = packets[row]["codec"]
    describe_opaque(packets, row)
    if entry["audio"] == 1:
        return codec != _RED or _describe_red(tables, buffer, packets, row)
    status = 0
    if codec == _VP8:
        status = describe_vp8(buffer, packets, row)
    elif codec == _VP9:
        status = describe_vp9(buffer, packets, row, i64(entry["spatial_top"]))
        if status == 0 and packets[row]["late"] == 0:
            _note_top_layer(entry, find_top_layer(buffer, packets, row), packets[row]["key"] == 1)
    elif codec == _H264:
        status = describe_h264(buffer, packets, row)
    elif codec == _AV1:
        status = describe_av1(buffer, packets, row)
    if status == 0 and packets[row]["extension_bytes"][_DEPENDENCIES] > 0:
        status = describe_dependencies(buffer, packets, row, tables.structures, encoding)
        if status == UNKNOWN:
            tables.counters[_UNKNOWN_STRUCTURE] += 1
            status = 0
        elif status == 0:
            entry["needs_key_frame"] = tables.structures[encoding]["needs_key_frame"]
    elif status == 0 and codec == _H264 and packets[row]["extension_bytes"][_MARKING] > 0:
        at = packets[row]["extension_at"][_MARKING]
        status = describe_frame_marking(buffer, at, i64(packets[row]["extension_bytes"][_MARKING]), packets, row)
    if status != 0:
        tables.counters[_DESCRIPTOR] += 1
        return False
    return True


@stage
def forget_structure(tables: Tables, encoding: int) -> None:
    """Forget the dependency structure: another stream begins, whose descriptors refer to nothing that came before."""
    tables.structures[encoding]["valid"] = 0


@stage
def _note_top_layer(entry: Any, top: int, key: bool) -> None:
    """A VP9 stream has announced its highest spatial layer (-1: it has not). One that ends between key frames may
    leave its subscribers with nothing that they could decode: they need not have had the frames of the lower ones.
    """
    if key:
        entry["needs_key_frame"] = 0
    if top < 0:
        return
    if not key and top < entry["spatial_top"]:
        for spatial in range(top + 1, i64(entry["spatial_top"]) + 1):
            entry["needs_key_frame"] |= layers_of(spatial, 0)
    entry["spatial_top"] = top


@stage
def _describe_red(tables: Tables, buffer: Octets, packets: NDArray[Any], row: int) -> bool:
    start = packets[row]["payload"]
    found = primary_of(buffer, start, start + packets[row]["payload_bytes"])
    if found < 0:
        tables.counters[_DESCRIPTOR] += 1
        return False
    packets[row]["primary"] = found - start
    return True


@stage
def account_frame(tables: Tables, encoding: int, packets: NDArray[Any], row: int) -> None:
    """Count a described packet by its layer, and take the audio level."""
    entry = tables.encodings[encoding]
    packet = packets[row]
    if entry["audio"] == 0:
        entry["media_packets"] += min(packet["payload_bytes"], 1)
        if packet["key"] == 1 and packet["timestamp"] != entry["key_timestamp"]:
            entry["key_frames"] += 1
            entry["key_timestamp"] = packet["timestamp"]
        entry["spatial_layers"] = max(entry["spatial_layers"], packet["spatial"] + 1)
        entry["temporal_layers"] = max(entry["temporal_layers"], packet["temporal"] + 1)
        entry["layer_octets"][(packet["spatial"] & 3) * 8 + (packet["temporal"] & 7)] += packet["payload_bytes"]


@stage
def account_level(tables: Tables, encoding: int, buffer: Octets, packets: NDArray[Any], row: int) -> None:
    """Take the audio level of a packet that has one (RFC 6464 section 3): a voice flag and 0..127 -dBov."""
    if packets[row]["extension_bytes"][_LEVEL] == 0:
        return
    entry = tables.encodings[encoding]
    value = i64(buffer[packets[row]["extension_at"][_LEVEL]])
    entry["levels"] += 1
    entry["loudness"] += 127 - (value & 0x7F)
    entry["voiced"] += value >> 7
