"""What becomes of a packet that was decrypted: counted, described, and taken into the batch or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.arrival_report import report_arrival
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.describe import account_frame, account_level, describe_packet
from sfu.routing.kernels.fanout import add_to_batch
from sfu.routing.kernels.media_columns import ARRIVALS
from sfu.routing.kernels.messages import PACKETS, Buffers
from sfu.routing.kernels.notices import push_gap, push_key_frame_needed, push_repaired, push_source
from sfu.routing.kernels.reception import (
    DUPLICATE,
    JUMP,
    account_packet,
    account_repaired,
    extend_sequence,
    note_arrival,
)
from sfu.routing.kernels.source_id import make_source
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.uplink import note_uplink
from sfu.wire.extensions import Extension
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import load16, load24
from sfu.wire.payload_format import PayloadFormat

_RECEIVED = int(Counter.RECEIVED_RTP)
_DUPLICATE = int(Counter.DROP_DUPLICATE)
_SEQUENCE_JUMP = int(Counter.DROP_SEQUENCE_JUMP)
_REPAIRED = int(Counter.REPAIRED_PACKETS)
_DROP_REPAIR = int(Counter.DROP_REPAIR)
_RED = int(PayloadFormat.RED)
_TRANSPORT_SEQUENCE = int(Extension.TRANSPORT_SEQUENCE)
_ABS_SEND_TIME = int(Extension.ABS_SEND_TIME)


@stage
def note_for_publisher(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    packet: Any,
    size: int,
    now_us: int,
) -> None:
    """Note a packet of `size` bytes for the feedback that its sender gets on its path."""
    reports = tables.connections[connection]["reports"]
    if reports == 1 and packet["extension_bytes"][_TRANSPORT_SEQUENCE] == 2:
        sequence = load16(buffers.received, packet["extension_at"][_TRANSPORT_SEQUENCE])
        report_arrival(tables, connection, sequence, i64(packet["ssrc"]), size, now_us)
    elif reports == 2 and packet["extension_bytes"][_ABS_SEND_TIME] == 3:
        stamp = load24(buffers.received, packet["extension_at"][_ABS_SEND_TIME])
        note_uplink(tables, buffers, notice_index, notices, connection, stamp, size, now_us)


@stage
def _could_be_lost(tables: Tables, encoding: int, sequence: int) -> bool:
    """Whether a retransmission is of a packet that we may have asked for: behind the highest, and not by far."""
    behind = tables.encodings[encoding]["extended_sequence"] - extend_sequence(tables.encodings, encoding, sequence)
    return 0 <= behind < ARRIVALS


@stage
def accept_packet(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    encoding: int,
    row: int,
    repaired: bool,
) -> bool:
    """Enter the decrypted media packet `row` into its encoding's figures and into its Track's batch."""
    counters = tables.counters
    packets = buffers.packets
    entry = tables.encodings[encoding]
    sequence = i64(packets[row]["sequence"])
    if repaired and (entry["packets"] == 0 or not _could_be_lost(tables, encoding, sequence)):
        counters[_DROP_REPAIR] += 1
        return False
    generation = entry["generation"]
    extended = note_arrival(tables.encodings, tables.arrivals, encoding, sequence)
    if extended == DUPLICATE:
        counters[_DUPLICATE] += 1
        return False
    if extended == JUMP:
        counters[_SEQUENCE_JUMP] += 1
        return False
    if entry["generation"] != generation:
        push_source(tables, buffers, notice_index, notices, encoding, i64(entry["ssrc"]))
    packets[row]["codec"] = entry["codec"]
    if entry["redundant_type"] > 0 and packets[row]["payload_type"] == entry["redundant_type"]:
        packets[row]["codec"] = _RED
    gap = extended - entry["extended_sequence"] - 1 if entry["packets"] > 0 else 0
    packets[row]["late"] = 1 if gap < -1 or repaired else 0
    packets[row]["gap"] = 1 if gap > 0 and not repaired else 0
    if repaired:
        account_repaired(tables.encodings, encoding, extended)
        counters[_REPAIRED] += 1
        push_repaired(tables, buffers, notice_index, notices, encoding, extended)
    else:
        again = gap < -1 and entry["asks"] == 2
        account_packet(tables.encodings, encoding, packets, row, extended, again)
        if again:
            push_repaired(tables, buffers, notice_index, notices, encoding, extended)
        elif gap > 0 and entry["asks"] > 0:
            push_gap(tables, buffers, notice_index, notices, encoding, extended - gap, gap)
    needs_key_frame = i64(entry["needs_key_frame"])
    if not describe_packet(tables, encoding, buffers.received, packets, row):
        return False
    if entry["needs_key_frame"] & ~needs_key_frame != 0:
        push_key_frame_needed(tables, buffers, notice_index, notices, encoding, i64(entry["needs_key_frame"]))
    account_frame(tables, encoding, packets, row)
    if entry["audio"] == 1:
        account_level(tables, encoding, buffers.received, packets, row)
    counters[_RECEIVED] += 1
    packets[row]["source"] = make_source(encoding, i64(entry["generation"]))
    packets[row]["clock_rate"] = entry["clock_rate"]
    packets[row]["audio"] = entry["audio"]
    packets[row]["index"] = entry["index"]
    packets[row]["aligned"] = entry["aligned"]
    packets[row]["clock_offset"] = entry["clock_offset"]
    packets[row]["history"] = -1
    buffers.state[PACKETS] = row + 1
    add_to_batch(tables, packets, i64(entry["track"]), row)
    return True
