"""The numbering that a subscriber sees: continuous, whatever is left out and wherever it comes from.

A subscription's offsets turn ingress numbers into egress numbers. They change where the source changes, and where
packets are left out; the latter changes are remembered for a while, because a packet that comes late needs the offsets
of its place. A gap in the ingress numbers stays a gap: what is missing may still come.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.tables import LOGGED_PACKETS, SHIFTS, Tables
from sfu.wire.kernel import i64, kernel, stage
from sfu.wire.rtp import PayloadFormat

_VP8 = int(PayloadFormat.VP8)
_PICTURE_BITS = 0x7FFF
_MOST_ELAPSED_US = 10_000_000
"""Clocks of two Encodings that differ by more than this have nothing in common."""

SEQUENCE, TIMESTAMP, PICTURE, TL0, FRAME, MARKER = 0, 1, 2, 3, 4, 5
NUMBERS = 6
"""What is written into a packet, in an array: egress numbers, and whether the marker is set."""


@stage
def enter_source(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> None:
    """Fit a subscription's offsets to the numbering of packet `row`, the first of another source.

    The very first packet starts at the seeds. Afterwards the sequence goes on with the next number, and the timestamp
    by the common clock of the Track's Encodings where that is known (RFC 3550 section 6.4.1: sender reports), else by
    the time that has passed.
    """
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
        entry["common_offset"] = timestamp - packet["timestamp"] - packet["shift"]
        entry["aligned"] = 1
    entry["source"] = packet["source"]
    entry["last_sequence"] = (sequence - 1) & 0xFFFF
    entry["last_timestamp"] = timestamp & 0xFFFFFFFF
    entry["sequence_offset"] = (sequence - packet["sequence"]) & 0xFFFF
    entry["timestamp_offset"] = (timestamp - packet["timestamp"]) & 0xFFFFFFFF
    entry["picture_offset"] = (entry["last_picture"] + 1 - packet["picture_id"]) & _PICTURE_BITS
    entry["tl0_offset"] = (entry["last_tl0"] + 1 - packet["tl0_picture"]) & 0xFF
    entry["frame_offset"] = (entry["last_frame"] + 1 - packet["frame_number"]) & 0xFFFF
    entry["highest"] = (packet["sequence"] - 1) & 0xFFFF
    entry["entered_at"] = packet["sequence"]
    entry["dropped_picture"] = -1
    entry["shift_count"] = 0
    _note_shift(tables, subscription, i64(packet["sequence"]))


@stage
def _next_timestamp(entry: Any, packet: Any) -> int:
    """An egress timestamp after the last one."""
    elapsed_us = max(packet["arrival_us"] - entry["last_arrival_us"], 1000)
    expected = entry["last_timestamp"] + max(elapsed_us * packet["clock_rate"] // 1000000, 1)
    if packet["aligned"] == 0 or entry["aligned"] == 0:
        entry["aligned"] = 0  # known anew from this source's next entry
        return expected
    common = (packet["timestamp"] + packet["shift"] + entry["common_offset"]) & 0xFFFFFFFF
    ahead = (common - entry["last_timestamp"]) & 0xFFFFFFFF
    if ahead >= 0x80000000:
        ahead -= 0x100000000
    limit = (elapsed_us + _MOST_ELAPSED_US) * packet["clock_rate"] // 1000000
    if ahead > limit or ahead < -limit:
        entry["aligned"] = 0
        return expected
    # A key frame of the same moment as the last frame of the other Encoding: never back in time.
    return entry["last_timestamp"] + max(ahead, 1)


@stage
def drop_packet(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> None:
    """Leave packet `row` out, which came in order: later ones move up."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    entry["sequence_offset"] = (entry["sequence_offset"] - 1) & 0xFFFF
    if packet["codec"] == _VP8 and packet["picture_id"] >= 0 and packet["picture_id"] != entry["dropped_picture"]:
        # RFC 7741 section 4.2: receivers tell from a gap in the picture IDs that a frame was lost
        entry["dropped_picture"] = packet["picture_id"]
        entry["picture_offset"] = (entry["picture_offset"] - 1) & _PICTURE_BITS
    _note_shift(tables, subscription, (packet["sequence"] + 1) & 0xFFFF)


@stage
def insert_number(tables: Tables, subscription: int) -> int:
    """Take the next egress number for a packet that is none of the source's: later ones move down."""
    entry = tables.subscriptions[subscription]
    if entry["started"] == 0:
        sequence = i64(entry["seed_sequence"])
        entry["seed_sequence"] = (sequence + 1) & 0xFFFF
        return sequence
    entry["last_sequence"] = (entry["last_sequence"] + 1) & 0xFFFF
    if entry["source"] >= 0:  # otherwise the next source goes on from here
        entry["sequence_offset"] = (entry["sequence_offset"] + 1) & 0xFFFF
        _note_shift(tables, subscription, (entry["highest"] + 1) & 0xFFFF)
    return i64(entry["last_sequence"])


@stage
def _note_shift(tables: Tables, subscription: int, sequence: int) -> None:
    """Remember that the offsets of now hold from ingress number `sequence` on; a run of drops, or several changes at
    one place, are one change.
    """
    entry = tables.subscriptions[subscription]
    shifts = tables.shifts[subscription]
    count = i64(entry["shift_count"])
    if count > 1 and (sequence - shifts[(count - 1) % SHIFTS]["sequence"]) & 0xFFFF <= 1:
        count -= 1
    shift = shifts[count % SHIFTS]
    shift["sequence"] = sequence
    shift["sequence_offset"] = entry["sequence_offset"]
    shift["picture_offset"] = entry["picture_offset"]
    entry["shift_count"] = count + 1


@stage
def _find_shift(tables: Tables, subscription: int, sequence: int) -> int:
    """The place of the change that holds for ingress number `sequence`; -1: before all that is remembered."""
    count = i64(tables.subscriptions[subscription]["shift_count"])
    for back in range(1, min(count, SHIFTS) + 1):
        at = (count - back) % SHIFTS
        if (sequence - tables.shifts[subscription, at]["sequence"]) & 0xFFFF < 0x8000:
            return at
    return -1


@stage
def number_late(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> bool:
    """Whether the place of a late packet is known: not before the source was entered, nor beyond what is remembered."""
    entry = tables.subscriptions[subscription]
    sequence = i64(packets[row]["sequence"])
    if (entry["highest"] - sequence) & 0xFFFF >= LOGGED_PACKETS:
        return False
    return _find_shift(tables, subscription, sequence) >= 0


@kernel
def number_packet(tables: Tables, subscription: int, packets: NDArray[Any], row: int, numbers: NDArray[Any]) -> None:
    """Set `numbers` to what the subscriber shall see in packet `row`, which was selected; note the highest of them."""
    entry = tables.subscriptions[subscription]
    packet = packets[row]
    sequence_offset = i64(entry["sequence_offset"])
    picture_offset = i64(entry["picture_offset"])
    late = (entry["highest"] - packet["sequence"]) & 0xFFFF
    if late != 0:
        at = _find_shift(tables, subscription, i64(packet["sequence"]))
        sequence_offset = i64(tables.shifts[subscription, at]["sequence_offset"])
        picture_offset = i64(tables.shifts[subscription, at]["picture_offset"])
    numbers[SEQUENCE] = (packet["sequence"] + sequence_offset) & 0xFFFF
    numbers[TIMESTAMP] = (packet["timestamp"] + entry["timestamp_offset"]) & 0xFFFFFFFF
    numbers[PICTURE] = (packet["picture_id"] + picture_offset) & _PICTURE_BITS
    numbers[TL0] = (packet["tl0_picture"] + entry["tl0_offset"]) & 0xFF
    numbers[FRAME] = (packet["frame_number"] + entry["frame_offset"]) & 0xFFFF
    # The last packet that a subscriber gets of a picture ends it, also where Layers above are left out.
    ends = packet["frame_end"] == 1 and packet["spatial"] == entry["current_spatial"]
    numbers[MARKER] = 1 if packet["marker"] == 1 or ends else 0
    if late == 0:
        entry["picture_ended"] = numbers[MARKER]
        entry["last_sequence"] = numbers[SEQUENCE]
        entry["last_timestamp"] = numbers[TIMESTAMP]
        entry["last_arrival_us"] = packet["arrival_us"]
        if packet["picture_id"] >= 0:
            entry["last_picture"] = numbers[PICTURE]
            entry["last_tl0"] = numbers[TL0]
        if packet["frame_number"] >= 0:
            entry["last_frame"] = numbers[FRAME]
