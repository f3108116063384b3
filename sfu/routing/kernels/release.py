"""What the pacer lets go: repeats, then media, then the padding of a probe."""

from __future__ import annotations

from sfu.bwe.kernels.probing import stop_probe
from sfu.routing.kernels import native
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.history import EMPTY, MARKED, TAKEN, WAITING, stop_waiting
from sfu.routing.kernels.messages import POSITION, Buffers
from sfu.routing.kernels.numbering import FRAME, MARKER, PICTURE, SEQUENCE, TIMESTAMP, TL0
from sfu.routing.kernels.pacing import (
    BURST_US,
    MEDIA,
    REPEATS,
    charge_probe,
    forget_queued,
    is_held_by,
    note_departure,
    strike_out,
    take_queued,
    waiting,
)
from sfu.routing.kernels.padding import find_padder, find_repeatable, write_padding
from sfu.routing.kernels.rewrite import write_filler, write_packet
from sfu.routing.kernels.sealed import seal_packet, send_sealed
from sfu.routing.kernels.send import append_packet, flush, room_for
from sfu.routing.kernels.space import PACKET_SPACE
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import load16

_MISSED = int(Counter.DROP_PACED)
_PADDING = int(Counter.PADDING_PACKETS)
_PROTECT_FAILED = int(Counter.DROP_PROTECT_FAILED)
_FAR_US = 1 << 62
_WHOLE_BYTES = 800
"""A probe with larger packets repeats media; a slower one is made of padding."""
_REPEATABLE = 16
"""One of this many packets sent last is repeated."""
_PROBE_PACKETS = 5


@stage
def _protect_and_append(
    tables: Tables, buffers: Buffers, subscription: int, size: int, gso: bool, now_us: int, sequence: int
) -> bool:
    """Encrypt the packet of `size` bytes that was written at `state[POSITION]`, and queue it for sending.

    `sequence`: of a media packet that goes out for the first time, else -1.
    """
    entry = tables.subscriptions[subscription]
    connection = i64(entry["connection"])
    buffers.length[0] = size
    address = buffers.out.ctypes.data + buffers.state[POSITION]
    session = tables.connections[connection]["send_srtp"]
    if native.srtp_protect(session, address, buffers.length.ctypes.data) != native.SRTP_OK:
        tables.counters[_PROTECT_FAILED] += 1
        return False
    if sequence >= 0 and entry["sealed"] > 0:
        seal_packet(tables, subscription, buffers.out, buffers.state[POSITION], i64(buffers.length[0]), sequence)
    stamped = entry["transport_sequence_at"] >= 0
    note_departure(tables, connection, stamped, i64(buffers.length[0]), now_us)
    fits = i64(buffers.length[0]) <= tables.connections[connection]["gso_bytes"]
    append_packet(buffers, connection, i64(buffers.length[0]), gso and fits)
    return True


@stage
def send_logged(
    tables: Tables, buffers: Buffers, subscription: int, sequence: int, repeat: bool, socket: int, now_us: int
) -> bool:
    """Send a packet of a subscription's log, which the history still has, for the first time or as a `repeat`."""
    entry = tables.subscriptions[subscription]
    sent = tables.logs[entry["log"], sequence % LOGGED_PACKETS]
    slot = sent["history"] % len(tables.history_packets)
    numbers = buffers.numbers
    numbers[SEQUENCE] = sequence
    numbers[TIMESTAMP] = i64(sent["timestamp"])
    numbers[PICTURE] = i64(sent["picture"])
    numbers[TL0] = i64(sent["tl0"])
    numbers[FRAME] = i64(sent["frame"])
    numbers[MARKER] = 1 if i64(sent["flags"]) & MARKED else 0
    if not room_for(buffers, PACKET_SPACE):
        flush(buffers, tables, socket)
    packets, data, at = tables.history_packets, tables.history_data, buffers.state[POSITION]
    if i64(sent["flags"]) & EMPTY:
        size = write_filler(tables, subscription, packets, slot, data, buffers.out, at, now_us, numbers, repeat)
    else:
        size = write_packet(tables, subscription, packets, slot, data, buffers.out, at, now_us, numbers, repeat)
    return _protect_and_append(tables, buffers, subscription, size, not repeat, now_us, -1 if repeat else sequence)


@stage
def _send_queued(tables: Tables, buffers: Buffers, connection: int, kind: int, socket: int, now_us: int) -> None:
    """Send the first packet of a queue, unless it is nobody's any more."""
    queued = take_queued(tables, connection, kind)
    subscription = queued >> 16
    sequence = queued & 0xFFFF
    if not is_held_by(tables, subscription, connection):
        return
    entry = tables.subscriptions[subscription]
    if kind == REPEATS and entry["sealed"] > 0:
        send_sealed(tables, buffers, subscription, sequence, socket, now_us)
        return
    sent = tables.logs[entry["log"], sequence % LOGGED_PACKETS]
    flags = i64(sent["flags"])
    if flags & TAKEN == 0 or i64(sent["sequence"]) != sequence:
        tables.counters[_MISSED] += 1
        return
    if kind == MEDIA and flags & WAITING == 0:
        return  # of a former user of the row
    if sent["history"] < tables.history_written[0] - len(tables.history_packets):
        stop_waiting(sent, 0)
        tables.counters[_MISSED] += 1
        return
    if kind == MEDIA:
        larger = tables.history_packets[sent["history"] % len(tables.history_packets)]["index"] > entry["current_index"]
        # Its subscriber has gone down since: what he needs is the key frame that waits behind it, and the path is full.
        stop_waiting(sent, EMPTY if larger else 0)
    send_logged(tables, buffers, subscription, sequence, kind == REPEATS, socket, now_us)


@stage
def _send_padding(tables: Tables, buffers: Buffers, connection: int, nth: int, socket: int, now_us: int) -> bool:
    subscription = find_padder(tables, connection)
    if subscription < 0:
        return False
    state = tables.estimators[connection]
    if state["probe_bps"] * state["probe_us"] / 8e6 >= _PROBE_PACKETS * _WHOLE_BYTES:
        sequence = find_repeatable(tables, subscription, nth % _REPEATABLE)
        if sequence >= 0:
            tables.counters[_PADDING] += 1
            return send_logged(tables, buffers, subscription, sequence, True, socket, now_us)
    if not room_for(buffers, PACKET_SPACE):
        flush(buffers, tables, socket)
    size = write_padding(tables, subscription, buffers.out, buffers.state[POSITION], now_us)
    tables.counters[_PADDING] += 1
    sequence = i64(-1)
    if tables.subscriptions[subscription]["repair_type"] == 0:  # among media, so that it may be asked for
        sequence = i64(load16(buffers.out, buffers.state[POSITION] + 2))
    return _protect_and_append(tables, buffers, subscription, size, True, now_us, sequence)


@stage
def _send_next(tables: Tables, buffers: Buffers, connection: int, socket: int, now_us: int) -> bool:
    if waiting(tables, connection, REPEATS) > 0:
        _send_queued(tables, buffers, connection, REPEATS, socket, now_us)
    elif waiting(tables, connection, MEDIA) > 0:
        _send_queued(tables, buffers, connection, MEDIA, socket, now_us)
    else:
        return False
    return True


@stage
def _serve(tables: Tables, buffers: Buffers, connection: int, socket: int, now_us: int) -> int:
    """Send what may leave now; return when more may, or a time that never comes."""
    entry = tables.connections[connection]
    state = tables.estimators[connection]
    if entry["active"] == 0 or entry["send_srtp"] == 0 or entry["address_bytes"] == 0:
        forget_queued(tables, connection)
        stop_probe(state)
        return _FAR_US
    nth = i64(0)
    while state["probe_bps"] > 0.0:
        if entry["probe_free_us"] > now_us:
            return i64(entry["probe_free_us"])
        rate = state["probe_bps"]
        left = state["probe_bytes"]
        if not _send_next(tables, buffers, connection, socket, now_us) and not _send_padding(
            tables, buffers, connection, nth, socket, now_us
        ):
            stop_probe(state)
            break
        nth += 1
        charge_probe(tables, connection, max(left - state["probe_bytes"], 1), rate, now_us)
    if entry["free_us"] <= now_us:
        while entry["free_us"] - now_us <= BURST_US:
            if not _send_next(tables, buffers, connection, socket, now_us):
                break
    if waiting(tables, connection, REPEATS) + waiting(tables, connection, MEDIA) == 0:
        return _FAR_US
    return max(i64(entry["free_us"]), now_us + 1)


@stage
def release_waiting(tables: Tables, buffers: Buffers, socket: int, now_us: int) -> int:
    """Serve all connections that have something to send later; return when the next may, or a time that never comes."""
    earliest = _FAR_US
    k = 1
    while k <= tables.busy[0]:
        connection = i64(tables.busy[k])
        due = _serve(tables, buffers, connection, socket, now_us)
        if due < _FAR_US:
            earliest = min(earliest, due)
            k += 1
        else:
            strike_out(tables, k)
    flush(buffers, tables, socket)
    return earliest
