"""Packets that carry nothing new: with them a probe is sent where there is not enough to send."""

from __future__ import annotations

from typing import Any

from sfu.routing.kernels.history import TAKEN, WAITING
from sfu.routing.kernels.numbering import insert_number
from sfu.routing.kernels.rewrite import count_packet, count_repeat, next_repair_number
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.template import stamp
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, store16, store32
from sfu.wire.kernels.rtp import HEADER_BYTES

PADDING_BYTES = 255
"""Largest padding that RFC 3550 section 5.1 allows."""


@stage
def find_padder(tables: Tables, connection: int) -> int:
    """Return a subscription of the connection that can carry padding; -1 if there is none.

    Best in its retransmission stream, whether its media flow or not. Without one, among its video itself, where that
    rests between two pictures.
    """
    found = -1
    row = i64(tables.connections[connection]["first_subscription"])
    while row >= 0:
        entry = tables.subscriptions[row]
        if entry["repair_type"] > 0 and entry["log"] >= 0:
            return row
        if entry["pads"] == 1 and entry["transport_sequence_at"] >= 0 and _rests(entry):
            found = row
        row = i64(entry["sibling"])
    return found


@stage
def _rests(entry: Any) -> bool:
    return entry["started"] == 0 or entry["paused"] == 1 or entry["picture_ended"] == 1


@stage
def find_repeatable(tables: Tables, subscription: int, back: int) -> int:
    """Return the egress number of the packet sent `back` packets ago, if it is still kept; else -1."""
    entry = tables.subscriptions[subscription]
    if entry["log"] < 0 or entry["repair_type"] == 0 or entry["started"] == 0:
        return -1
    sequence = i64(entry["last_sequence"] - back) & 0xFFFF
    sent = tables.logs[entry["log"], sequence % LOGGED_PACKETS]
    if i64(sent["flags"]) & (TAKEN | WAITING) != TAKEN or i64(sent["sequence"]) != sequence:
        return -1
    if sent["history"] < tables.history_written[0] - len(tables.history_packets):
        return -1
    return sequence


@stage
def write_padding(tables: Tables, subscription: int, out: Octets, at: int, now_us: int) -> int:
    """Write a packet of padding only; return its length in bytes.

    It goes into the retransmission stream, or without one among the video, and takes a number there.
    """
    entry = tables.subscriptions[subscription]
    end = i64(entry["template_bytes"])
    copy_octets(out, at, entry["template"], 0, end)
    if entry["repair_type"] > 0:
        out[at + 1] = entry["repair_type"]
        store16(out, at + 2, next_repair_number(entry))
        store32(out, at + 8, entry["repair_ssrc"])
        count_repeat(entry)
    else:
        store16(out, at + 2, insert_number(tables, subscription))
        entry["padded"] = 1
        count_packet(entry, 0)
    timestamp = i64(entry["last_timestamp"]) if entry["started"] == 1 else i64(entry["seed_timestamp"])
    store32(out, at + 4, timestamp & 0xFFFFFFFF)
    stamp(entry, tables.connections[entry["connection"]], out, at, now_us, False)
    if end == HEADER_BYTES + 4:
        out[at] = 0x80
        end = HEADER_BYTES
    else:
        while end & 3:
            out[at + end] = 0
            end += 1
        store16(out, at + 14, (end - HEADER_BYTES - 4) >> 2)
    out[at] = i64(out[at]) | 0x20
    for k in range(PADDING_BYTES - 1):
        out[at + end + k] = 0
    out[at + end + PADDING_BYTES - 1] = PADDING_BYTES
    return end + PADDING_BYTES
