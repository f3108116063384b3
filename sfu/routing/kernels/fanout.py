"""Fan-out: for each track's batch, for each subscription, for each packet.

Destination by destination, so that one subscriber's packets lie next to each other and share a message.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.routing.kernels import native
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.gso_leveling import level_sizes
from sfu.routing.kernels.history import EMPTY, WAITING, is_kept, keep_packet, log_packet
from sfu.routing.kernels.instant import monotonic_us
from sfu.routing.kernels.messages import PACKETS, POSITION, Buffers
from sfu.routing.kernels.numbering import MARKER, SEQUENCE, number_packet
from sfu.routing.kernels.pacing import MEDIA, must_wait, note_departure, queue_packet
from sfu.routing.kernels.parameters import prepare_parameters
from sfu.routing.kernels.replay import find_following, note_late_start
from sfu.routing.kernels.rewrite import write_filler, write_packet
from sfu.routing.kernels.sealed import seal_packet
from sfu.routing.kernels.select import FILL, PRECEDED, REPLAYED, SKIP, select_packet
from sfu.routing.kernels.send import append_packet, flush, room_for
from sfu.routing.kernels.space import PACKET_SPACE
from sfu.routing.kernels.subscription_columns import EGRESS_WINDOW
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, inlined, kernel, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.payload_format import PayloadFormat

_PROTECT_FAILED = int(Counter.DROP_PROTECT_FAILED)
_PACED = int(Counter.PACED_PACKETS)
_FILLED = int(Counter.FILLED_PACKETS)
_LATE = int(Counter.DROP_LATE)
_H264 = int(PayloadFormat.H264)


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
        row = i64(tables.touched[k])
        track = tables.tracks[row]
        first = i64(track["batch_first"])
        track["batch_first"] = -1
        subscription = i64(track["first_subscription"])
        if subscription >= 0:
            level_sizes(buffers.packets, first)
        if buffers.packets[first]["audio"] == 0:
            _prepare_batch(tables, buffers, row, first, subscription >= 0)
        while subscription >= 0:
            _forward(tables, buffers, subscription, first, socket, now_us)
            subscription = i64(tables.subscriptions[subscription]["next"])
    tables.touched[0] = 0
    buffers.state[PACKETS] = 0
    flush(buffers, tables, socket)


@stage
def _prepare_batch(tables: Tables, buffers: Buffers, track: int, row: int, wanted: bool) -> None:
    """Keep a track's video packets if somebody may want them again, and do what is done once for all subscribers."""
    packets = buffers.packets
    while row >= 0:
        if packets[row]["codec"] == _H264:
            prepare_parameters(tables, track, packets, row, buffers.received)
        if wanted:
            keep_packet(tables, track, packets, row, buffers.received)
            if packets[row]["late"] == 1:
                note_late_start(tables, buffers, packets, row)
        row = i64(packets[row]["next"])


@stage
def _forward(tables: Tables, buffers: Buffers, subscription: int, first: int, socket: int, now_us: int) -> None:
    """Send a track's batch to one subscriber, or let it wait for the pacer."""
    entry = tables.subscriptions[subscription]
    receiver = tables.connections[entry["connection"]]
    if entry["paused"] == 1 or receiver["send_srtp"] == 0 or receiver["address_bytes"] == 0:
        return
    if receiver["controlled"] != 0:
        now_us = monotonic_us(buffers)  # the clock is read anew, since to send to many takes a while
    packets = buffers.packets
    row = first
    while row >= 0:
        chosen = select_packet(tables, subscription, packets, row)
        if chosen != SKIP:
            if chosen & PRECEDED:
                _send_parameters(tables, buffers, subscription, packets, row, socket, now_us)
            number_packet(tables, subscription, packets, row, buffers.numbers)
            empty = chosen == FILL
            _send_packet(tables, buffers, subscription, packets, row, buffers.received, empty, socket, now_us)
            if chosen & REPLAYED:
                _replay(tables, buffers, subscription, row, socket, now_us)
        row = i64(packets[row]["next"])


@inlined
def _send_packet(
    tables: Tables,
    buffers: Buffers,
    subscription: int,
    packets: NDArray[Any],
    row: int,
    data: Octets,
    empty: bool,
    socket: int,
    now_us: int,
) -> None:
    """Send a packet that was numbered, or an `empty` one in its place; or let it wait for the pacer."""
    entry = tables.subscriptions[subscription]
    connection = i64(entry["connection"])
    receiver = tables.connections[connection]
    numbers = buffers.numbers
    controlled = receiver["controlled"] != 0
    logged = entry["log"] >= 0 and packets[row]["history"] >= 0
    flags = 0
    if empty:
        flags = EMPTY
        tables.counters[_FILLED] += 1
    if (entry["last_sequence"] - numbers[SEQUENCE]) & 0xFFFF >= EGRESS_WINDOW:
        # libsrtp refuses a number so old; who asks for it gets it by RTX
        if logged and entry["repair_type"] > 0:
            log_packet(tables, subscription, packets[row]["history"], numbers, flags)
        else:
            tables.counters[_LATE] += 1
        return
    if controlled and logged and must_wait(tables, connection, MEDIA, now_us):
        log_packet(tables, subscription, packets[row]["history"], numbers, WAITING | flags)
        size = i64(packets[row]["payload_bytes"])
        queue_packet(tables, connection, MEDIA, subscription, numbers[SEQUENCE], size, now_us)
        tables.counters[_PACED] += 1
        return
    if not room_for(buffers, PACKET_SPACE):
        flush(buffers, tables, socket)
    at = buffers.state[POSITION]
    if empty:
        size = write_filler(tables, subscription, packets, row, data, buffers.out, at, now_us, numbers, False)
    else:
        size = write_packet(tables, subscription, packets, row, data, buffers.out, at, now_us, numbers, False)
    buffers.length[0] = size
    address = buffers.out.ctypes.data + at
    if native.srtp_protect(receiver["send_srtp"], address, buffers.length.ctypes.data) != native.SRTP_OK:
        tables.counters[_PROTECT_FAILED] += 1
        return
    if entry["sealed"] > 0:
        seal_packet(tables, subscription, buffers.out, at, i64(buffers.length[0]), numbers[SEQUENCE])
    if controlled:
        note_departure(tables, connection, entry["transport_sequence_at"] >= 0, i64(buffers.length[0]), now_us)
    append_packet(buffers, connection, i64(buffers.length[0]), i64(buffers.length[0]) <= receiver["gso_bytes"])
    if logged:
        log_packet(tables, subscription, packets[row]["history"], numbers, flags)


@stage
def _send_parameters(
    tables: Tables, buffers: Buffers, subscription: int, packets: NDArray[Any], row: int, socket: int, now_us: int
) -> None:
    """Send the parameter sets of a key frame, under the number that was made for them before it."""
    number_packet(tables, subscription, packets, row, buffers.numbers)
    buffers.numbers[SEQUENCE] = (buffers.numbers[SEQUENCE] - 1) & 0xFFFF
    buffers.numbers[MARKER] = 0
    slot = packets[row]["parameters"] % len(tables.history_packets)
    _send_kept(tables, buffers, subscription, slot, False, socket, now_us)


@stage
def _send_kept(
    tables: Tables, buffers: Buffers, subscription: int, slot: int, empty: bool, socket: int, now_us: int
) -> None:
    """Do as `_send_packet` with a packet of the history."""
    packets, data = tables.history_packets, tables.history_data
    _send_packet(tables, buffers, subscription, packets, slot, data, empty, socket, now_us)


@stage
def _replay(tables: Tables, buffers: Buffers, subscription: int, row: int, socket: int, now_us: int) -> None:
    """After a key frame whose first packet came late, send the packets behind it that came earlier, in order."""
    farthest = find_following(tables, buffers, buffers.packets, row)
    packets = tables.history_packets
    for ahead in range(1, farthest + 1):
        position = buffers.following[ahead]
        if not is_kept(tables, i64(position)):
            continue
        slot = position % len(packets)
        chosen = select_packet(tables, subscription, packets, slot)
        if chosen == SKIP:
            continue
        if chosen & PRECEDED:
            _send_parameters(tables, buffers, subscription, packets, slot, socket, now_us)
        number_packet(tables, subscription, packets, slot, buffers.numbers)
        _send_kept(tables, buffers, subscription, slot, chosen == FILL, socket, now_us)
