"""Key frames whose first packet comes late: it was lost on its way in and repaired, or overtaken.

A subscriber cannot enter at the packets behind it. When it is there, the subscriber enters at it and gets those from
the history, in order.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels.history import is_kept
from sfu.routing.kernels.messages import FOLLOWED, Buffers
from sfu.routing.kernels.parameters import INCOMPLETE
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.layers import ALL_LAYERS

_MOST_STEPS = 2048
"""Packets of the Track, of all its Encodings, that are looked at."""


@stage
def find_following(tables: Tables, buffers: Buffers, packets: NDArray[Any], row: int) -> int:
    """List in `buffers.following` the positions of what the history has behind late packet `row`: by how much higher
    their number is, -1: missing. Returns the highest such; 0: there is none, or it is too far away.
    """
    packet = packets[row]
    following = buffers.following
    if buffers.state[FOLLOWED] == packet["history"]:
        return i64(packet["follows"])  # found for another subscriber
    buffers.state[FOLLOWED] = packet["history"]
    for ahead in range(LOGGED_PACKETS):
        following[ahead] = -1
    held = tables.history_packets
    farthest = i64(0)
    position = i64(packet["history"])
    for _ in range(_MOST_STEPS):
        back = i64(held[position % len(held)]["next"])
        if back <= 0 or not is_kept(tables, position - back):
            break
        position -= back
        other = held[position % len(held)]
        if other["source"] != packet["source"]:
            continue
        ahead = i64(other["sequence"] - packet["sequence"]) & 0xFFFF
        if ahead < LOGGED_PACKETS:
            following[ahead] = position
            farthest = max(farthest, ahead)
        elif ahead < 0x8000:
            return i64(0)
        elif other["late"] == 0:
            break  # all that came before it has lower numbers
    return farthest


@stage
def note_late_start(tables: Tables, buffers: Buffers, packets: NDArray[Any], row: int) -> None:
    """Say of a late packet that was just kept how far those behind it reach, if a key frame begins with it.

    In H.264 it does with parameter sets, too, if their picture is one and has them all by now: it could not be entered
    without.
    """
    packet = packets[row]
    packet["follows"] = 0
    if packet["key"] == 0 and (packet["sets"] == 0 or packet["bare"] == INCOMPLETE):
        return
    farthest = find_following(tables, buffers, packets, row)
    if packet["key"] == 0:
        for ahead in range(1, farthest + 1):
            position = buffers.following[ahead]
            if position < 0:
                continue
            other = tables.history_packets[position % len(tables.history_packets)]
            if other["timestamp"] != packet["timestamp"]:
                break
            if other["key"] == 1:
                packet["key"] = 1
                packet["switch"] = ALL_LAYERS
                break
    packet["follows"] = farthest if packet["key"] == 1 else 0
