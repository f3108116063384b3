"""Sources that a subscription has left: their numbering is remembered, since packets of theirs may still be repaired.

The numbers of what was missing then were reserved. A receiver asks for them until they come, so they are given to what
comes late, as if the source went on.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS, SHIFTS, STRETCHES
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

_REMEMBERED_US = 2_000_000
"""So long after a source was left its packets are taken: numbers must not have come round by then."""


@stage
def leave_source(tables: Tables, subscription: int) -> None:
    """Remember the numbering of the source that a subscription forwards, if any, and forward none."""
    entry = tables.subscriptions[subscription]
    if entry["source"] < 0:
        return
    stretch = tables.stretches[subscription, entry["stretch_count"] % STRETCHES]
    stretch["source"] = entry["source"]
    stretch["highest"] = entry["highest"]
    stretch["shift_first"] = entry["shift_first"]
    stretch["shift_end"] = entry["shift_count"]
    stretch["left_us"] = entry["last_arrival_us"]
    stretch["timestamp_offset"] = entry["timestamp_offset"]
    stretch["tl0_offset"] = entry["tl0_offset"]
    stretch["frame_offset"] = entry["frame_offset"]
    stretch["spatial"] = entry["current_spatial"]
    stretch["temporal"] = entry["current_temporal"]
    entry["stretch_count"] += 1
    entry["source"] = -1


@stage
def find_shift(tables: Tables, subscription: int, sequence: int, first: int, end: int) -> int:
    """The place of the change that holds for an extended ingress number, among those counted from `first` up to `end`;
    -1: before all that is remembered of them.
    """
    oldest = max(first, i64(tables.subscriptions[subscription]["shift_count"]) - SHIFTS)
    for count in range(end - 1, oldest - 1, -1):
        at = count % SHIFTS
        if sequence >= tables.shifts[subscription, at]["sequence"]:
            return at
    return -1


@stage
def find_stretch(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> int:
    """The place of the stretch that a late packet belongs to, the latest; -1: none that is remembered."""
    packet = packets[row]
    count = i64(tables.subscriptions[subscription]["stretch_count"])
    for back in range(1, min(count, STRETCHES) + 1):
        at = (count - back) % STRETCHES
        stretch = tables.stretches[subscription, at]
        behind = (stretch["highest"] - packet["sequence"]) & 0xFFFF
        if stretch["source"] != packet["source"] or behind >= LOGGED_PACKETS:
            continue
        if packet["arrival_us"] - stretch["left_us"] > _REMEMBERED_US:
            return -1
        first, end = i64(stretch["shift_first"]), i64(stretch["shift_end"])
        if find_shift(tables, subscription, i64(stretch["highest"]) - behind, first, end) >= 0:
            return at
    return -1
