"""Fan-out: for each track's batch, for each subscription, for each packet.

Destination by destination, so that one subscriber's packets lie next to each other and share a message.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing import native
from sfu.routing.counters import Counter
from sfu.routing.history import WAITING, keep_packet, log_packet
from sfu.routing.instant import monotonic_us
from sfu.routing.level import level_sizes
from sfu.routing.messages import PACKETS, POSITION, Buffers
from sfu.routing.numbering import SEQUENCE, number_packet
from sfu.routing.pacing import MEDIA, must_wait, note_departure, queue_packet
from sfu.routing.rewrite import write_filler, write_packet
from sfu.routing.select import FILL, SKIP, select_packet
from sfu.routing.send import append_packet, flush, room_for
from sfu.routing.space import PACKET_SPACE
from sfu.routing.tables import Tables
from sfu.wire.kernel import i64, kernel, stage

_PROTECT_FAILED = int(Counter.DROP_PROTECT_FAILED)
_PACED = int(Counter.PACED_PACKETS)
_FILLED = int(Counter.FILLED_PACKETS)


@kernel
def add_to_batch(tables: Tables, packets: NDArray[Any], track: int, row: int) -> None:
    """Append a packet to its track's chain in this batch."""
    entry = tables.tracks[track]
    if entry["batch_first"] < 0:
        entry["batch_first"] = row
        tables.touched[0] += 1
        tables.touched[tables.touched[0]] = track
    else:
        packets[entry["batch_last"]]["next"] = row
    packets[row]["next"] = -1
    entry["batch_last"] = row


@kernel
def forward_batch(tables: Tables, buffers: Buffers, socket: int, now_us: int) -> None:
    """Forward the batch's packets to all subscribers, and empty the batch."""
    for k in range(1, tables.touched[0] + 1):
        track = tables.tracks[tables.touched[k]]
        first = i64(track["batch_first"])
        track["batch_first"] = -1
        subscription = i64(track["first_subscription"])
        if subscription >= 0:
            level_sizes(buffers.packets, first)
        if track["logged"] > 0:
            row = first
            while row >= 0:
                keep_packet(tables, buffers.packets, row, buffers.received)
                row = i64(buffers.packets[row]["next"])
        while subscription >= 0:
            _forward(tables, buffers, subscription, first, socket, now_us)
            subscription = i64(tables.subscriptions[subscription]["next"])
    tables.touched[0] = 0
    buffers.state[PACKETS] = 0
    flush(buffers, tables, socket)


@stage
def _forward(tables: Tables, buffers: Buffers, subscription: int, first: int, socket: int, now_us: int) -> None:
    """Send a track's batch to one subscriber, or let it wait for the pacer."""
    entry = tables.subscriptions[subscription]
    connection = i64(entry["connection"])
    receiver = tables.connections[connection]
    session = receiver["send_session"]
    if entry["paused"] == 1 or session == 0 or receiver["address_bytes"] == 0:
        return
    gso = receiver["no_gso"] == 0
    stamped = entry["transport_sequence_at"] >= 0
    controlled = receiver["controlled"] != 0
    if controlled:
        now_us = monotonic_us(buffers)  # sending to many takes long enough to count
    out_address = buffers.out.ctypes.data
    length_address = buffers.length.ctypes.data
    packets = buffers.packets
    numbers = buffers.numbers
    row = first
    while row >= 0:
        chosen = select_packet(tables, subscription, packets, row)
        if chosen != SKIP:
            if not room_for(buffers, PACKET_SPACE):
                flush(buffers, tables, socket)
                gso = receiver["no_gso"] == 0
            at = buffers.state[POSITION]
            number_packet(tables, subscription, packets, row, numbers)
            logged = entry["log"] >= 0 and packets[row]["history"] >= 0 and chosen != FILL
            if controlled and logged and must_wait(tables, connection, MEDIA, now_us):
                log_packet(tables, subscription, packets[row]["history"], numbers, WAITING)
                size = i64(packets[row]["payload_bytes"])
                queue_packet(tables, connection, MEDIA, subscription, numbers[SEQUENCE], size)
                tables.counters[_PACED] += 1
                row = i64(packets[row]["next"])
                continue
            if chosen == FILL:
                size = write_filler(
                    tables, subscription, packets, row, buffers.received, buffers.out, at, now_us, numbers
                )
                tables.counters[_FILLED] += 1
            else:
                size = write_packet(
                    tables, subscription, packets, row, buffers.received, buffers.out, at, now_us, numbers, False
                )
            buffers.length[0] = size
            if native.srtp_protect(session, out_address + at, length_address) == native.SRTP_OK:
                if controlled:
                    note_departure(tables, connection, stamped, i64(buffers.length[0]), now_us)
                append_packet(buffers, connection, i64(buffers.length[0]), gso)
                if logged:
                    log_packet(tables, subscription, packets[row]["history"], numbers, 0)
            else:
                tables.counters[_PROTECT_FAILED] += 1
        row = i64(packets[row]["next"])
