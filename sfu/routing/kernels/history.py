"""The packet history: one stored copy of each video packet, shared by all its subscribers.

A ring of the shard's latest packets, decrypted. Who sent a packet to whom under which numbers stands in the
subscriptions' logs, which refer to positions in the ring; a position that is a whole ring behind is gone. A packet's
`next` says here how many positions back the one before it of the same track lies, 0: there is none.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.media_columns import PACKET_SLOT_BYTES
from sfu.routing.kernels.numbering import FRAME, MARKER, PICTURE, SEQUENCE, TIMESTAMP, TL0
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.rtp import move_offsets

TAKEN, MARKED, WAITING, EMPTY = 1, 2, 4, 8
"""Flags of a log entry."""


@stage
def keep_packet(tables: Tables, track: int, packets: NDArray[Any], row: int, buffer: Octets) -> None:
    """Store packet `row` of a track, and note its position in it."""
    entry = tables.tracks[track]
    position = tables.history_written[0]
    slot = position % len(tables.history_packets)
    start = packets[row]["start"]
    length = packets[row]["payload"] + packets[row]["payload_bytes"] - start
    copy_octets(tables.history_data, slot * PACKET_SLOT_BYTES, buffer, start, length)
    packets[row]["history"] = position
    tables.history_packets[slot] = packets[row]
    move_offsets(tables.history_packets, slot, slot * PACKET_SLOT_BYTES - start)
    back = position - entry["kept"]
    tables.history_packets[slot]["next"] = back if entry["kept"] >= 0 and is_kept(tables, i64(entry["kept"])) else 0
    entry["kept"] = position
    tables.history_written[0] = position + 1


@stage
def keep_made(tables: Tables, packets: NDArray[Any], row: int, buffer: Octets, first: int, payload_bytes: int) -> int:
    """Store a packet of our own before packet `row`, like which it is but for its payload; return its position.

    `first`: the octet with which the payload begins; `fill_payload` writes the others. Nobody finds the packet by its
    number, and it is in no track's chain.
    """
    position = i64(tables.history_written[0])
    slot = position % len(tables.history_packets)
    start = packets[row]["start"]
    copy_octets(tables.history_data, slot * PACKET_SLOT_BYTES, buffer, start, packets[row]["payload"] - start)
    tables.history_packets[slot] = packets[row]
    kept = tables.history_packets[slot]
    kept["payload_bytes"] = payload_bytes
    kept["marker"] = 0
    kept["frame_end"] = 0
    kept["key"] = 0
    kept["pad"] = 0
    kept["next"] = 0
    kept["history"] = position
    kept["source"] = -1
    move_offsets(tables.history_packets, slot, slot * PACKET_SLOT_BYTES - start)
    tables.history_data[kept["payload"]] = first
    tables.history_written[0] = position + 1
    return position


@stage
def fill_payload(tables: Tables, position: int, at: int, octets: Octets, start: int, length: int) -> int:
    """Write a part of the payload of a packet that `keep_made` has stored; return the offset behind it."""
    payload = tables.history_packets[position % len(tables.history_packets)]["payload"]
    copy_octets(tables.history_data, payload + at, octets, start, length)
    return at + length


@stage
def is_kept(tables: Tables, position: int) -> bool:
    """Whether the packet at a position is still in the ring."""
    return position >= max(0, tables.history_written[0] - len(tables.history_packets))


@stage
def begin_log(tables: Tables, log: int) -> None:
    """Begin a row of the logs for another subscription, to which nothing was sent yet."""
    for k in range(LOGGED_PACKETS):
        tables.logs[log, k]["flags"] = 0


@stage
def stop_waiting(sent: Any, flags: int) -> None:
    """Note that a logged packet leaves the pacer; `flags`: `EMPTY` if an empty packet goes in its place after all."""
    sent["flags"] = i64(sent["flags"]) & ~WAITING | flags


@stage
def log_packet(tables: Tables, subscription: int, position: int, numbers: NDArray[np.int64], flags: int) -> None:
    """Log that the subscriber got the packet at `position` of the history, under these numbers.

    `flags`: `WAITING` where it is still to be sent, `EMPTY` where an empty packet goes in its place.
    """
    sent = tables.logs[tables.subscriptions[subscription]["log"], numbers[SEQUENCE] % LOGGED_PACKETS]
    sent["history"] = position
    sent["timestamp"] = numbers[TIMESTAMP]
    sent["sequence"] = numbers[SEQUENCE]
    sent["picture"] = numbers[PICTURE]
    sent["frame"] = numbers[FRAME]
    sent["tl0"] = numbers[TL0]
    sent["flags"] = TAKEN | (MARKED * numbers[MARKER]) | flags
    sent["repeated_ms"] = 0
    sent["repeats"] = 0
