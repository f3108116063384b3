"""The numbering that a subscriber sees: continuous, whatever is left out and wherever it comes from.

A subscription's offsets turn ingress numbers into egress numbers. They change where the source changes, and where
packets are left out or added; the latter changes are remembered for a while, because a packet that comes late needs
the offsets of its place. A gap in the ingress numbers stays a gap: its numbers are reserved, since what is missing may
still come, also after the source was left.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.left_sources import find_left_source, find_renumbering, remember_source
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS, RENUMBERINGS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, inlined, stage
from sfu.wire.payload_format import PayloadFormat

_VP8 = int(PayloadFormat.VP8)
_PICTURE_BITS = 0x7FFF
_MOST_ELAPSED_US = 10_000_000
"""Clocks of two Encodings that differ by more than this are taken to be unrelated."""

SEQUENCE, TIMESTAMP, PICTURE, TL0, FRAME, MARKER = 0, 1, 2, 3, 4, 5
NUMBERS = 6
"""Length of the array that says what is written into a packet, at the indexes above: egress numbers and the marker."""
NOWHERE, HERE = -1, -2
"""See `place_late`."""


@stage
def enter_source(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> None:
    """Fit a subscription's offsets to the numbering of packet `row`, the first of another source.

    The very first packet starts at the seeds. Afterwards the sequence goes on behind the highest number that was given
    or reserved, and the timestamp by the common clock of the Track's Encodings where that is known (RFC 3550 section
    6.4.1: sender reports), else by the time that has passed.
    """
    remember_source(tables, subscription)
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    timestamp = i64(entry["seed_timestamp"])
    sequence = i64(entry["seed_sequence"])
    if entry["started"] == 1:
        sequence = entry["last_sequence"] + 1
        timestamp = _next_timestamp(entry, packet)
    elif packet["picture_id"] >= 0:
        entry["last_picture"] = (packet["picture_id"] - 1) & _PICTURE_BITS
        entry["last_tl0"] = (packet["tl0_picture"] - 1) & 0xFF
    if entry["started"] == 0:
        entry["last_frame"] = (packet["frame_number"] - 1) & 0xFFFF
    entry["started"] = 1
    if packet["aligned"] == 1 and entry["aligned"] == 0:
        entry["common_offset"] = timestamp - packet["timestamp"] - packet["clock_offset"]
        entry["aligned"] = 1
    entry["source"] = packet["source"]
    entry["last_sequence"] = (sequence - 1) & 0xFFFF
    entry["last_timestamp"] = timestamp & 0xFFFFFFFF
    entry["sequence_offset"] = (sequence - packet["sequence"]) & 0xFFFF
    entry["timestamp_offset"] = (timestamp - packet["timestamp"]) & 0xFFFFFFFF
    entry["picture_offset"] = (entry["last_picture"] + 1 - packet["picture_id"]) & _PICTURE_BITS
    entry["tl0_offset"] = (entry["last_tl0"] + 1 - packet["tl0_picture"]) & 0xFF
    entry["frame_offset"] = (entry["last_frame"] + 1 - packet["frame_number"]) & 0xFFFF
    entry["highest"] = 0x10000 + packet["sequence"] - 1
    entry["dropped_picture"] = -1
    entry["renumbering_first"] = entry["renumbering_count"]
    _note_renumbering(tables, subscription, i64(entry["highest"]) + 1, False)


@stage
def leave_source(tables: Tables, subscription: int) -> None:
    """Stop forwarding a source; its numbering is remembered."""
    remember_source(tables, subscription)
    tables.subscriptions[subscription]["source"] = -1


@stage
def forget_clock(tables: Tables, subscription: int) -> None:
    """Forget the Track's common clock: the next source has no clock in common with the former ones."""
    tables.subscriptions[subscription]["aligned"] = 0


@stage
def advance(entry: Any, ahead: int) -> None:
    """Note a packet that has come in order, `ahead` of the highest so far."""
    entry["highest"] += ahead


@stage
def _next_timestamp(entry: Any, packet: Any) -> int:
    """Return an egress timestamp after the last one."""
    elapsed_us = max(packet["arrival_us"] - entry["last_arrival_us"], 1000)
    expected = entry["last_timestamp"] + max(elapsed_us * packet["clock_rate"] // 1000000, 1)
    if packet["aligned"] == 0 or entry["aligned"] == 0:
        entry["aligned"] = 0  # until a source is entered whose place on the common clock is known
        return expected
    common = (packet["timestamp"] + packet["clock_offset"] + entry["common_offset"]) & 0xFFFFFFFF
    ahead = (common - entry["last_timestamp"]) & 0xFFFFFFFF
    if ahead >= 0x80000000:
        ahead -= 0x100000000
    limit = (elapsed_us + _MOST_ELAPSED_US) * packet["clock_rate"] // 1000000
    if ahead > limit or ahead < -limit:
        entry["aligned"] = 0
        return expected
    # A key frame may be of the same moment as the last frame of the other Encoding: time never goes back.
    return entry["last_timestamp"] + max(ahead, 1)


@stage
def drop_packet(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> None:
    """Leave out packet `row`, which came in order: later numbers move up.

    Packets that are missing before it keep their numbers, which count as given from now on.
    """
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    entry["sequence_offset"] = (entry["sequence_offset"] - 1) & 0xFFFF
    if packet["codec"] == _VP8 and packet["picture_id"] >= 0 and packet["picture_id"] != entry["dropped_picture"]:
        # RFC 7741 section 4.2: receivers tell from a gap in the picture IDs that a frame was lost
        entry["dropped_picture"] = packet["picture_id"]
        entry["picture_offset"] = (entry["picture_offset"] - 1) & _PICTURE_BITS
    entry["last_sequence"] = (packet["sequence"] + entry["sequence_offset"]) & 0xFFFF
    entry["last_timestamp"] = (packet["timestamp"] + entry["timestamp_offset"]) & 0xFFFFFFFF
    entry["last_arrival_us"] = packet["arrival_us"]
    if packet["picture_id"] >= 0:
        entry["last_picture"] = (packet["picture_id"] + entry["picture_offset"]) & _PICTURE_BITS
        entry["last_tl0"] = (packet["tl0_picture"] + entry["tl0_offset"]) & 0xFF
    if packet["frame_number"] >= 0:
        entry["last_frame"] = (packet["frame_number"] + entry["frame_offset"]) & 0xFFFF
    _note_renumbering(tables, subscription, i64(entry["highest"]) + 1, True)


@stage
def insert_before(tables: Tables, subscription: int) -> None:
    """Make room for one packet before the one that came last, in order."""
    entry = tables.subscriptions[subscription]
    entry["sequence_offset"] = (entry["sequence_offset"] + 1) & 0xFFFF
    _note_renumbering(tables, subscription, i64(entry["highest"]), False)


@stage
def insert_number(tables: Tables, subscription: int) -> int:
    """Take the next egress number for a packet that does not come from the source; later packets move down."""
    entry = tables.subscriptions[subscription]
    if entry["started"] == 0:
        sequence = i64(entry["seed_sequence"])
        entry["seed_sequence"] = (sequence + 1) & 0xFFFF
        return sequence
    entry["last_sequence"] = (entry["last_sequence"] + 1) & 0xFFFF
    if entry["source"] >= 0:  # otherwise the next source goes on from here
        entry["sequence_offset"] = (entry["sequence_offset"] + 1) & 0xFFFF
        _note_renumbering(tables, subscription, i64(entry["highest"]) + 1, False)
    return i64(entry["last_sequence"])


@stage
def _note_renumbering(tables: Tables, subscription: int, sequence: int, dropped: bool) -> None:
    """Remember that the present offsets hold from extended ingress number `sequence` on; a run of drops is one.
    `dropped`: the number before it was left out, so that it needs no place, as one that is missing does.
    """
    entry = tables.subscriptions[subscription]
    renumberings = tables.renumberings[subscription]
    count = i64(entry["renumbering_count"])
    own = count - entry["renumbering_first"]
    if own > 0:
        last = renumberings[(count - 1) % RENUMBERINGS]
        if last["sequence"] == sequence or (dropped and own > 1 and last["sequence"] == sequence - 1):
            count -= 1
    renumbering = renumberings[count % RENUMBERINGS]
    renumbering["sequence"] = sequence
    renumbering["sequence_offset"] = entry["sequence_offset"]
    renumbering["picture_offset"] = entry["picture_offset"]
    entry["renumbering_count"] = count + 1


@stage
def place_late(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> int:
    """Return where a late packet has its place: `HERE` in the current source, or the index of the left source that it
    belongs to; `NOWHERE` if it is from before its source was entered, or older than what is remembered.
    """
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    if entry["source"] == packet["source"]:
        behind = (entry["highest"] - packet["sequence"]) & 0xFFFF
        first, end = i64(entry["renumbering_first"]), i64(entry["renumbering_count"])
        sequence = i64(entry["highest"]) - behind
        if behind < LOGGED_PACKETS and find_renumbering(tables, subscription, sequence, first, end) >= 0:
            return HERE
    return find_left_source(tables, subscription, packets, row)


@stage
def _number_late(tables: Tables, subscription: int, packets: NDArray[Any], row: int, numbers: NDArray[Any]) -> None:
    """Do as `number_packet` for a packet whose place `place_late` has found."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    timestamp_offset, tl0_offset = i64(entry["timestamp_offset"]), i64(entry["tl0_offset"])
    frame_offset, spatial = i64(entry["frame_offset"]), i64(entry["current_spatial"])
    at = -1
    if entry["source"] == packet["source"]:
        sequence = i64(entry["highest"]) - ((entry["highest"] - packet["sequence"]) & 0xFFFF)
        at = find_renumbering(
            tables, subscription, sequence, i64(entry["renumbering_first"]), i64(entry["renumbering_count"])
        )
    if at < 0:
        left = find_left_source(tables, subscription, packets, row)
        left_source = tables.left_sources[subscription, left]
        timestamp_offset, tl0_offset = i64(left_source["timestamp_offset"]), i64(left_source["tl0_offset"])
        frame_offset, spatial = i64(left_source["frame_offset"]), i64(left_source["spatial"])
        sequence = i64(left_source["highest"]) - ((left_source["highest"] - packet["sequence"]) & 0xFFFF)
        at = find_renumbering(
            tables, subscription, sequence, i64(left_source["renumbering_first"]), i64(left_source["renumbering_end"])
        )
    renumbering = tables.renumberings[subscription, at]
    numbers[SEQUENCE] = (packet["sequence"] + renumbering["sequence_offset"]) & 0xFFFF
    numbers[TIMESTAMP] = (packet["timestamp"] + timestamp_offset) & 0xFFFFFFFF
    numbers[PICTURE] = (packet["picture_id"] + renumbering["picture_offset"]) & _PICTURE_BITS
    numbers[TL0] = (packet["tl0_picture"] + tl0_offset) & 0xFF
    numbers[FRAME] = (packet["frame_number"] + frame_offset) & 0xFFFF
    ends = packet["frame_end"] == 1 and packet["spatial"] == spatial
    numbers[MARKER] = 1 if packet["marker"] == 1 or ends else 0


@inlined
def number_packet(tables: Tables, subscription: int, packets: NDArray[Any], row: int, numbers: NDArray[Any]) -> None:
    """Set `numbers` to what the subscriber shall see in packet `row`, which was selected; note the highest of them."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    if entry["source"] != packet["source"] or (entry["highest"] - packet["sequence"]) & 0xFFFF != 0:
        _number_late(tables, subscription, packets, row, numbers)
        return
    numbers[SEQUENCE] = (packet["sequence"] + entry["sequence_offset"]) & 0xFFFF
    numbers[TIMESTAMP] = (packet["timestamp"] + entry["timestamp_offset"]) & 0xFFFFFFFF
    numbers[PICTURE] = (packet["picture_id"] + entry["picture_offset"]) & _PICTURE_BITS
    numbers[TL0] = (packet["tl0_picture"] + entry["tl0_offset"]) & 0xFF
    numbers[FRAME] = (packet["frame_number"] + entry["frame_offset"]) & 0xFFFF
    # The last packet that a subscriber gets of a picture ends it, also where Layers above are left out.
    ends = packet["frame_end"] == 1 and packet["spatial"] == entry["current_spatial"]
    numbers[MARKER] = 1 if packet["marker"] == 1 or ends else 0
    entry["picture_ended"] = numbers[MARKER]
    entry["last_sequence"] = numbers[SEQUENCE]
    entry["last_timestamp"] = numbers[TIMESTAMP]
    entry["last_arrival_us"] = packet["arrival_us"]
    if packet["picture_id"] >= 0:
        entry["last_picture"] = numbers[PICTURE]
        entry["last_tl0"] = numbers[TL0]
    if packet["frame_number"] >= 0:
        entry["last_frame"] = numbers[FRAME]
