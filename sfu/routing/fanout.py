"""Fan-out: for each track's batch, for each subscription, for each packet.

Destination by destination, so that one subscriber's packets lie next to each other and share a message.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing import native
from sfu.routing.counters import Counter
from sfu.routing.level import level_sizes
from sfu.routing.messages import PACKETS, POSITION, Buffers
from sfu.routing.rewrite import MAX_GROWTH_BYTES, translate, write_packet
from sfu.routing.rings import MAX_RTP_BYTES
from sfu.routing.send import append_packet, flush, room_for
from sfu.routing.tables import Tables
from sfu.wire.kernel import i64, kernel

_PROTECT_FAILED = int(Counter.DROP_PROTECT_FAILED)
_SRTP_TRAILER_BYTES = 160
_SPACE = MAX_RTP_BYTES + MAX_GROWTH_BYTES + _SRTP_TRAILER_BYTES


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
        while subscription >= 0:
            _forward(tables, buffers, subscription, first, socket, now_us)
            subscription = i64(tables.subscriptions[subscription]["next"])
    tables.touched[0] = 0
    buffers.state[PACKETS] = 0
    flush(buffers, tables, socket)


@kernel
def _forward(tables: Tables, buffers: Buffers, subscription: int, first: int, socket: int, now_us: int) -> None:
    entry = tables.subscriptions[subscription]
    connection = i64(entry["connection"])
    receiver = tables.connections[connection]
    session = receiver["send_session"]
    if entry["paused"] == 1 or session == 0 or receiver["address_bytes"] == 0:
        return
    gso = receiver["no_gso"] == 0
    out_address = buffers.out.ctypes.data
    length_address = buffers.length.ctypes.data
    row = first
    while row >= 0:
        if not room_for(buffers, _SPACE):
            flush(buffers, tables, socket)
            gso = receiver["no_gso"] == 0
        at = buffers.state[POSITION]
        translate(tables.subscriptions, subscription, buffers.packets, row)
        size = write_packet(tables, subscription, buffers.packets, row, buffers.received, buffers.out, at, now_us)
        buffers.length[0] = size
        if native.srtp_protect(session, out_address + at, length_address) == native.SRTP_OK:
            append_packet(buffers, connection, i64(buffers.length[0]), gso)
        else:
            tables.counters[_PROTECT_FAILED] += 1
        row = i64(buffers.packets[row]["next"])
