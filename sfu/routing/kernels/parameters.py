"""H.264 parameter sets: kept by Encoding, so that a key frame that comes without them can be decoded.

Some encoders send them with the first picture only, or in SDP only (`sprop-parameter-sets`, RFC 6184 section 8.1). They
go before each key frame that lacks them, as a packet of their own; and before the first key frame of each subscriber,
who enters at the key frame itself and so has not got the packets of parameter sets that came before it.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.history import fill_payload, keep_made
from sfu.routing.kernels.media_columns import LARGEST_SET_BYTES, PACKET_SLOT_BYTES, PARAMETER_BYTES, PARAMETER_INDEXES
from sfu.routing.kernels.tables import Tables
from sfu.wire.extensions import Extension
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.h264 import PICTURE_SET, SEQUENCE_SET, STAP_A, set_id
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, load16, same_octets, store16

INCOMPLETE = 2
"""Value of a key frame's `bare`: parameter sets are missing, and it cannot be entered before they have come."""
_BOTH = 3
"""Value of a packet's `sets`: there are parameter sets of both kinds in it."""
_HIGHEST_REFERENCE = 0x60
_DEPENDENCIES = int(Extension.DEPENDENCY_DESCRIPTOR)


@stage
def forget_parameters(tables: Tables, track: int) -> None:
    """Begin a fresh row of a track without parameter sets."""
    for index in range(PARAMETER_INDEXES):
        entry = tables.parameters[track, index]
        entry["bytes"] = 0
        entry["sequence_timestamp"] = -1
        entry["picture_timestamp"] = -1
        entry["gap_timestamp"] = -1
        entry["in_band"] = 0
        entry["declared_bytes"] = 0


@stage
def prepare_parameters(tables: Tables, track: int, packets: NDArray[Any], row: int, buffer: Octets) -> None:
    """Keep the parameter sets in packet `row`, and find those that it needs if a key frame begins with it."""
    packet = packets[row]
    packet["parameters"] = -1
    packet["bare"] = 0
    index = i64(packet["index"])
    if index >= PARAMETER_INDEXES or (packet["sets"] == 0 and packet["key"] == 0 and packet["gap"] == 0):
        return
    entry = tables.parameters[track, index]
    stamp = packet["timestamp"]
    if packet["gap"] == 1:
        entry["gap_timestamp"] = stamp
    if packet["sets"] != 0:
        _note_packet(entry, packets, row, buffer)
    whole = entry["sequence_timestamp"] == stamp and entry["picture_timestamp"] == stamp
    if packet["key"] == 0:
        if packet["late"] == 1 and packet["sets"] != 0:  # who enters here needs both kinds, see replay.py
            if not whole:
                packet["bare"] = INCOMPLETE
            elif packet["sets"] != _BOTH:
                packet["parameters"] = _keep_as_packet(tables, entry, packets, row, buffer)
        return
    if whole:
        entry["in_band"] = 1
    elif entry["gap_timestamp"] != stamp:
        entry["in_band"] = 0
        packet["bare"] = 1
    elif entry["in_band"] == 1:
        packet["bare"] = INCOMPLETE  # the sets that are missing may differ from the known ones, and may still come
        return
    else:
        packet["bare"] = 1
    if packet["sets"] != _BOTH:
        packet["parameters"] = _keep_as_packet(tables, entry, packets, row, buffer)
        if packet["parameters"] < 0 and packet["extension_bytes"][_DEPENDENCIES] == 0:
            packet["bare"] = INCOMPLETE


@stage
def _note_packet(entry: Any, packets: NDArray[Any], row: int, buffer: Octets) -> None:
    packet = packets[row]
    at = i64(packet["payload"])
    end = at + packet["payload_bytes"]
    stamp = packet["timestamp"]
    newest = i64(entry["sequence_timestamp"])
    if packet["late"] == 1 and newest >= 0 and (stamp - newest) & 0xFFFFFFFF >= 0x80000000:
        return  # newer ones have come
    if i64(buffer[at]) & 0x1F != STAP_A:
        _note_set(entry, buffer, at, end - at, stamp)
        return
    at += 1
    while at + 2 <= end:  # lengths were checked by describe_h264
        length = load16(buffer, at)
        _note_set(entry, buffer, at + 2, length, stamp)
        at += 2 + length


@stage
def _note_set(entry: Any, buffer: Octets, at: int, length: int, stamp: int) -> None:
    kind = i64(buffer[at]) & 0x1F
    if kind == SEQUENCE_SET:
        entry["sequence_timestamp"] = stamp
    elif kind == PICTURE_SET:
        entry["picture_timestamp"] = stamp
    else:
        return
    keep_set(entry, buffer, at, length)


@stage
def keep_set(entry: Any, buffer: Octets, at: int, length: int) -> None:
    """Keep a parameter set in the place of a former one of its kind and id; the oldest give way."""
    kind = i64(buffer[at]) & 0x1F
    if length < 2 or length > LARGEST_SET_BYTES or (kind != SEQUENCE_SET and kind != PICTURE_SET):
        return
    data = entry["data"]
    identifier = set_id(buffer, at, at + length)
    place = i64(0)
    while place < entry["bytes"]:
        size = load16(data, place)
        if i64(data[place + 2]) & 0x1F == kind and set_id(data, place + 2, place + 2 + size) == identifier:
            if size == length and same_octets(data, place + 2, buffer, at, length):
                return
            break
        place += 2 + size
    entry["changes"] += 1
    if place < entry["bytes"]:
        _remove(entry, place)
    while entry["bytes"] + 2 + length > PARAMETER_BYTES:
        _remove(entry, i64(0))
    end = i64(entry["bytes"])
    store16(data, end, length)
    copy_octets(data, end + 2, buffer, at, length)
    entry["bytes"] = end + 2 + length
    entry["changes"] += 1


@stage
def _remove(entry: Any, place: int) -> None:
    data = entry["data"]
    size = 2 + load16(data, place)
    for k in range(place + size, i64(entry["bytes"])):
        data[k - size] = data[k]
    entry["bytes"] -= size


@stage
def _keep_as_packet(tables: Tables, entry: Any, packets: NDArray[Any], row: int, buffer: Octets) -> int:
    """Store the parameter sets in the history as a packet that goes before packet `row` and is like it otherwise.
    Return its position, or -1 if there is no complete set or no room.
    """
    header = packets[row]["payload"] - packets[row]["start"]
    size = 1 + i64(entry["bytes"])
    if header + size > PACKET_SLOT_BYTES or not _has_kind(entry, SEQUENCE_SET) or not _has_kind(entry, PICTURE_SET):
        return -1
    position = keep_made(tables, packets, row, buffer, _HIGHEST_REFERENCE | STAP_A, size)
    end = _copy_kind(tables, entry, SEQUENCE_SET, position, i64(1))
    _copy_kind(tables, entry, PICTURE_SET, position, end)
    return position


@stage
def _has_kind(entry: Any, kind: int) -> bool:
    at = i64(0)
    while at < entry["bytes"]:
        if i64(entry["data"][at + 2]) & 0x1F == kind:
            return True
        at += 2 + load16(entry["data"], at)
    return False


@stage
def _copy_kind(tables: Tables, entry: Any, kind: int, position: int, end: int) -> int:
    """Append the sets of one kind to a packet's payload, a length before each; return the offset behind them."""
    data = entry["data"]
    at = i64(0)
    while at < entry["bytes"]:
        size = 2 + load16(data, at)
        if i64(data[at + 2]) & 0x1F == kind:
            end = fill_payload(tables, position, end, data, at, size)
        at += size
    return end


@stage
def tell_set(tables: Tables, track: int, command: Any) -> None:
    """Take over a part of a parameter set that stands in SDP."""
    entry = tables.parameters[track, i64(command["index"])]
    if command["first"] == 1:
        entry["declared_bytes"] = 0
    for k in range(i64(command["part_bytes"])):
        at = entry["declared_bytes"]
        if at < LARGEST_SET_BYTES:
            entry["declared"][at] = command["part"][k]
            entry["declared_bytes"] = at + 1
    if command["last"] == 1 and entry["declared_bytes"] > 0:
        keep_set(entry, entry["declared"], i64(0), i64(entry["declared_bytes"]))
        entry["declared_bytes"] = 0
