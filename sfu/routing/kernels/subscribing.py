"""A subscription's place in the list of the track that it receives; it can move to another track's, or to none."""

from __future__ import annotations

from sfu.routing.kernels.numbering import forget_clock, leave_source
from sfu.routing.kernels.select import leave_layer
from sfu.routing.kernels.sender_reports import await_report
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage


@stage
def link_subscription(tables: Tables, row: int, track: int) -> None:
    """Put a subscription into the list of `track`."""
    entry = tables.subscriptions[row]
    listed = tables.tracks[track]
    first = i64(listed["first_subscription"])
    entry["track"] = track
    entry["previous"] = -1
    entry["next"] = first
    if first >= 0:
        tables.subscriptions[first]["previous"] = row
    listed["first_subscription"] = row
    listed["subscriptions"] += 1


@stage
def unlink_subscription(tables: Tables, row: int) -> None:
    """Take a subscription out of its track's list, if it is in one."""
    entry = tables.subscriptions[row]
    if entry["track"] < 0:
        return
    listed = tables.tracks[entry["track"]]
    if entry["previous"] >= 0:
        tables.subscriptions[entry["previous"]]["next"] = entry["next"]
    else:
        listed["first_subscription"] = entry["next"]
    if entry["next"] >= 0:
        tables.subscriptions[entry["next"]]["previous"] = entry["previous"]
    listed["subscriptions"] -= 1
    entry["track"] = -1


@stage
def move_subscription(tables: Tables, row: int, track: int) -> None:
    """Go on with another track, -1: with none for now. The numbering that the subscriber sees goes on: two packets
    under one number would give its key away.

    Timestamps go on by the time that passes, since the clocks of two publishers have nothing in common.
    """
    unlink_subscription(tables, row)
    if track >= 0:
        link_subscription(tables, row, track)
        await_report(tables, row)
    leave_source(tables, row)
    forget_clock(tables, row)
    leave_layer(tables, row)
