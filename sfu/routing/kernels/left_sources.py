"""Sources that a subscription has left: their numbering is remembered, since packets of theirs may still be repaired.

The numbers of what was missing then were reserved. A receiver asks for them until they come, so they are given to what
comes late, as if the source went on.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.subscription_columns import LEFT_SOURCES, LOGGED_PACKETS, RENUMBERINGS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

_REMEMBERED_US = 2_000_000
"""Time for which packets of a left source are taken: numbers must not have come round by then."""


@stage
def remember_source(tables: Tables, subscription: int) -> None:
    """Remember the numbering of the source, if any, that a subscription forwards and is about to leave."""
    entry = tables.subscriptions[subscription]
    if entry["source"] < 0:
        return
    left_source = tables.left_sources[subscription, entry["left_source_count"] % LEFT_SOURCES]
    left_source["source"] = entry["source"]
    left_source["highest"] = entry["highest"]
    left_source["renumbering_first"] = entry["renumbering_first"]
    left_source["renumbering_end"] = entry["renumbering_count"]
    left_source["left_us"] = entry["last_arrival_us"]
    left_source["timestamp_offset"] = entry["timestamp_offset"]
    left_source["tl0_offset"] = entry["tl0_offset"]
    left_source["frame_offset"] = entry["frame_offset"]
    left_source["spatial"] = entry["current_spatial"]
    left_source["temporal"] = entry["current_temporal"]
    entry["left_source_count"] += 1


@stage
def find_renumbering(tables: Tables, subscription: int, sequence: int, first: int, end: int) -> int:
    """The place of the change that holds for an extended ingress number, among those counted from `first` up to `end`;
    -1: before all that is remembered of them.
    """
    oldest = max(first, i64(tables.subscriptions[subscription]["renumbering_count"]) - RENUMBERINGS)
    for count in range(end - 1, oldest - 1, -1):
        at = count % RENUMBERINGS
        if sequence >= tables.renumberings[subscription, at]["sequence"]:
            return at
    return -1


@stage
def find_left_source(tables: Tables, subscription: int, packets: NDArray[Any], row: int) -> int:
    """The place of the left source that a late packet belongs to, the latest; -1: none that is remembered."""
    packet = packets[row]
    count = i64(tables.subscriptions[subscription]["left_source_count"])
    for back in range(1, min(count, LEFT_SOURCES) + 1):
        at = (count - back) % LEFT_SOURCES
        left_source = tables.left_sources[subscription, at]
        behind = (left_source["highest"] - packet["sequence"]) & 0xFFFF
        if left_source["source"] != packet["source"] or behind >= LOGGED_PACKETS:
            continue
        if packet["arrival_us"] - left_source["left_us"] > _REMEMBERED_US:
            return -1
        first, end = i64(left_source["renumbering_first"]), i64(left_source["renumbering_end"])
        if find_renumbering(tables, subscription, i64(left_source["highest"]) - behind, first, end) >= 0:
            return at
    return -1
