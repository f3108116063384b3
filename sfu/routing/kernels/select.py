"""Selection: which of a Track's packets a subscriber gets, for every codec alike.

The frame of a packet comes as masks of Layers (sfu/wire/layers.py). A subscription keeps its target (which
Encoding, and which Layer within it) and what it forwards now, the current one. It goes over from the current one to
the target only where the subscriber can decode: to another Encoding at a key frame of that Encoding; to another Layer
at the first frame of a picture, if that Layer is `intact` (nothing that it needs was left out) or can be decoded from
this frame on.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.history import is_kept
from sfu.routing.kernels.numbering import (
    HERE,
    NOWHERE,
    advance,
    drop_packet,
    enter_source,
    insert_before,
    place_late,
)
from sfu.routing.kernels.parameters import INCOMPLETE
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, inlined, stage
from sfu.wire.kernels.layers import layer_bit, layers_of
from sfu.wire.layers import SPATIAL_LAYERS
from sfu.wire.payload_format import PayloadFormat

SKIP, FORWARD, FILL = 0, 1, 2
"""Outcomes: nothing is sent; the packet is sent; an empty packet is sent in its place."""
PRECEDED, REPLAYED = 4, 8
"""Added to FORWARD. PRECEDED: the packet's parameter sets are sent before it. REPLAYED: packets of its source that came
before it, but belong behind it, are sent after it.
"""

_FIRST_VIDEO = int(PayloadFormat.VP8)
_LAST_VIDEO = int(PayloadFormat.AV1)
_H264 = int(PayloadFormat.H264)
_SWITCHES = int(Counter.LAYER_SWITCHES)
_LATE = int(Counter.DROP_LATE)

_WHILE_LEAVING = 1
"""Highest temporal Layer that is forwarded of an Encoding until the key frame of a lower one comes."""
_FREEZE_MARGIN_US = 150000
_FREEZE_FACTOR = 3


@stage
def _has_frames(packets: NDArray[Any], row: int) -> bool:
    codec = packets[row]["codec"]
    return _FIRST_VIDEO <= codec <= _LAST_VIDEO


@inlined
def select_packet(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> int:
    """Decide about packet `row` for a subscription, and number it: see `numbering.py` for the offsets that it sets."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    frames = _has_frames(packets, row)
    outcome = FORWARD
    entered = False
    if entry["started"] == 0 or entry["source"] != packet["source"]:
        if packet["late"] == 1 and entry["started"] == 1 and place_late(tables, subscription, packets, row) >= 0:
            return _select_late(tables, subscription, packets, row, frames)
        if frames and not _may_enter(entry, packet):
            return SKIP
        if packet["late"] == 1:
            if not frames or packet["follows"] == 0:
                return SKIP
            outcome |= REPLAYED
        if frames and entry["started"] == 1:
            entry["switches"] += 1
            tables.counters[_SWITCHES] += 1
        enter_source(tables, subscription, packets, row)
        entry["given_sets"] = -1
        entered = True
        if frames:
            entry["current_index"] = packet["index"]
            entry["current_spatial"] = 0
            entry["current_temporal"] = 0
            entry["intact"] = 0
            entry["picture_timestamp"] = -1
            entry["changed_at"] = -1
    ahead = (packet["sequence"] - entry["highest"]) & 0xFFFF
    if ahead == 0 or ahead >= 0x8000:
        return _select_late(tables, subscription, packets, row, frames)
    advance(entry, ahead)
    if not frames:
        return outcome
    if packet["payload_bytes"] == 0:  # padding, by which its publisher tries its own path
        drop_packet(tables, subscription, packets, row)
        return SKIP
    if packet["timestamp"] != entry["picture_timestamp"]:
        entry["picture_timestamp"] = packet["timestamp"]
        _begin_picture(tables, entry, packet)
    if _is_part(packet, i64(entry["current_spatial"]), i64(entry["current_temporal"])):
        entry["intact"] |= packet["switch"]
        if packet["key"] == 1 and packet["codec"] == _H264 and _needs_sets(tables, entry, packet, entered):
            entry["given_sets"] = packet["timestamp"]
            insert_before(tables, subscription)
            outcome |= PRECEDED
        return outcome
    entry["intact"] &= ~(packet["present"] & ~packet["discardable"])
    drop_packet(tables, subscription, packets, row)
    return SKIP


@stage
def leave_layer(tables: Tables, subscription: int) -> None:
    """Leave the current Layer, if there is one: nothing is forwarded until a key frame has come."""
    entry = tables.subscriptions[subscription]
    entry["current_index"] = -1
    entry["pictures"] = 0


@stage
def _select_late(tables: Tables, subscription: int, packets: NDArray[Any], row: int, frames: bool) -> int:
    """Decide about a packet that is late: a number is reserved for it, or there is no place for it any more."""
    entry = tables.subscriptions[subscription]
    place = place_late(tables, subscription, packets, row)
    if place == NOWHERE:
        tables.counters[_LATE] += 1
        return SKIP
    if not frames:
        return FORWARD
    spatial, temporal = i64(entry["current_spatial"]), i64(entry["current_temporal"])
    if place != HERE:
        spatial = i64(tables.left_sources[subscription, place]["spatial"])
        temporal = i64(tables.left_sources[subscription, place]["temporal"])
    return FORWARD if _is_part(packets[row], spatial, temporal) else FILL


@stage
def _needs_sets(tables: Tables, entry: Any, packet: Any, entered: bool) -> bool:
    """Whether an H.264 subscriber needs the parameter sets before a key frame: they did not come with it, or they came
    before the packet at which it is entered.
    """
    if not is_kept(tables, i64(packet["parameters"])) or entry["given_sets"] == packet["timestamp"]:
        return False
    return entered or packet["bare"] == 1


@stage
def _may_enter(entry: Any, packet: Any) -> bool:
    """Whether to enter the Encoding whose key frame begins: it is the target; or it is a lower one, and nothing flows
    yet or the current Encoding has begun anew.
    """
    if packet["key"] == 0 or (packet["codec"] == _H264 and packet["bare"] == INCOMPLETE):
        return False
    index = packet["index"]
    if index == entry["target_index"]:
        return True
    current = entry["current_index"]
    return index < entry["target_index"] and (current < 0 or index == current)


@stage
def _is_part(packet: Any, spatial: int, temporal: int) -> bool:
    return packet["present"] & layer_bit(spatial, temporal) != 0


@stage
def _begin_picture(tables: Tables, entry: Any, packet: Any) -> None:
    """Move the current Layer towards the target, as far as the subscriber can decode."""
    _note_gap(entry, packet)
    spatial = i64(entry["target_spatial"])
    temporal = i64(entry["target_temporal"])
    if entry["target_index"] < entry["current_index"]:
        temporal = min(temporal, _WHILE_LEAVING)
    if entry["current_spatial"] == spatial and entry["current_temporal"] == temporal:
        return
    intact = i64(entry["intact"])
    usable = intact
    # "Switch" holds only for who can decode this frame: a key frame, one of an intact Layer, or one right above that.
    rises = packet["present"] & layers_of(i64(entry["current_spatial"]), 0) != 0 and intact != 0
    if packet["key"] == 1 or packet["present"] & intact != 0 or rises:
        usable |= packet["switch"]
    raises = i64(packet["raises"])
    if raises >= 0:
        for s in range(SPATIAL_LAYERS):
            if intact & layer_bit(s, raises):
                usable |= layers_of(s, raises)
    s = spatial
    while s >= 0:
        t = temporal
        while t >= 0:
            if usable & layer_bit(s, t):
                if s != entry["current_spatial"] or t != entry["current_temporal"]:
                    entry["current_spatial"] = s
                    entry["current_temporal"] = t
                    entry["intact"] = usable
                    if intact != 0:
                        entry["changed_at"] = packet["timestamp"]
                        entry["switches"] += 1
                        tables.counters[_SWITCHES] += 1
                return
            t -= 1
        s -= 1


@stage
def _note_gap(entry: Any, packet: Any) -> None:
    """Count freezes as the W3C's statistics do (webrtc-stats, freezeCount): pictures that come far later than usual."""
    gap = packet["arrival_us"] - entry["picture_arrival_us"]
    if entry["pictures"] > 0:
        usual = entry["picture_gap_us"]
        if entry["pictures"] > 5 and gap > max(_FREEZE_FACTOR * usual, usual + _FREEZE_MARGIN_US):
            entry["freezes"] += 1
        entry["picture_gap_us"] = gap if entry["pictures"] == 1 else usual + (gap - usual) // 8
    entry["pictures"] += 1
    entry["picture_arrival_us"] = packet["arrival_us"]
