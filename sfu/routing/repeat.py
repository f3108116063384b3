"""Retransmission to subscribers: a packet that was sent goes out again by RTX (RFC 4588), as it was numbered then."""

from __future__ import annotations

from sfu.routing import native
from sfu.routing.counters import Counter
from sfu.routing.history import MARKED, TAKEN
from sfu.routing.messages import POSITION, Buffers
from sfu.routing.numbering import FRAME, MARKER, PICTURE, SEQUENCE, TIMESTAMP, TL0
from sfu.routing.rewrite import write_packet
from sfu.routing.send import append_packet, flush, room_for
from sfu.routing.space import PACKET_SPACE
from sfu.routing.tables import LOGGED_PACKETS, Tables
from sfu.wire.kernel import i64, kernel

REPEATED, UNKNOWN, REFUSED, MISSED = 0, 1, 2, 3
"""Outcomes; UNKNOWN: never sent, or so long ago that the log has forgotten it."""

_BYTES_PER_S = 250_000
_BURST_BYTES = 125_000
"""A subscription's budget for repeats: asking costs a client nothing, answering costs its link."""

_REPEATED = int(Counter.REPEATED_PACKETS)
_REFUSED = int(Counter.REPEAT_REFUSED)
_MISSED = int(Counter.REPEAT_MISSED)


@kernel
def _take_tokens(tables: Tables, subscription: int, size: int, now_us: int) -> bool:
    entry = tables.subscriptions[subscription]
    gained = (now_us - entry["repair_refill_us"]) * _BYTES_PER_S // 1000000
    if gained > 0:
        entry["repair_tokens"] = min(entry["repair_tokens"] + gained, _BURST_BYTES)
        entry["repair_refill_us"] = now_us
    if entry["repair_tokens"] < size:
        return False
    entry["repair_tokens"] -= size
    return True


@kernel
def repeat_packet(
    tables: Tables, buffers: Buffers, subscription: int, sequence: int, interval_ms: int, socket: int, now_us: int
) -> int:
    """Send the packet with egress number `sequence` again, unless that was done in the last `interval_ms`."""
    entry = tables.subscriptions[subscription]
    receiver = tables.connections[entry["connection"]]
    session = receiver["send_session"]
    if entry["log"] < 0 or session == 0 or receiver["address_bytes"] == 0:
        return UNKNOWN
    sent = tables.logs[entry["log"], sequence % LOGGED_PACKETS]
    if i64(sent["flags"]) & TAKEN == 0 or i64(sent["sequence"]) != sequence:
        return UNKNOWN
    position = sent["history"]
    slots = len(tables.history_packets)
    if position < tables.history_written[0] - slots:
        tables.counters[_MISSED] += 1
        entry["not_repeated"] += 1
        return MISSED
    slot = position % slots
    now_ms = max(now_us // 1000 & 0xFFFFFFFF, 1)
    last_ms = i64(sent["repeated_ms"])
    size = i64(tables.history_packets[slot]["payload_bytes"])
    soon = last_ms != 0 and (now_ms - last_ms) & 0xFFFFFFFF < interval_ms
    if soon or not _take_tokens(tables, subscription, size, now_us):
        tables.counters[_REFUSED] += 1
        entry["not_repeated"] += 1
        return REFUSED
    sent["repeated_ms"] = now_ms
    numbers = buffers.numbers
    numbers[SEQUENCE] = sequence
    numbers[TIMESTAMP] = i64(sent["timestamp"])
    numbers[PICTURE] = i64(sent["picture"])
    numbers[TL0] = i64(sent["tl0"])
    numbers[FRAME] = i64(sent["frame"])
    numbers[MARKER] = 1 if i64(sent["flags"]) & MARKED else 0
    if not room_for(buffers, PACKET_SPACE):
        flush(buffers, tables, socket)
    at = buffers.state[POSITION]
    buffers.length[0] = write_packet(
        tables,
        subscription,
        tables.history_packets,
        slot,
        tables.history_data,
        buffers.out,
        at,
        now_us,
        numbers,
        True,
    )
    if native.srtp_protect(session, buffers.out.ctypes.data + at, buffers.length.ctypes.data) != native.SRTP_OK:
        return UNKNOWN
    append_packet(buffers, i64(entry["connection"]), i64(buffers.length[0]), False)
    tables.counters[_REPEATED] += 1
    entry["repeated"] += 1
    return REPEATED
