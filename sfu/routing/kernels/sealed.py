"""Packets as they went out, for subscribers that ask for them again without RTX (RFC 4585 without RFC 4588).

The same packet again has the same SRTP index. Were it encrypted anew with anything in it changed, the send time in its
header for one, two texts would lie under one index, which gives a GCM key away (RFC 7714 section 8.4). So the very
octets are kept and sent: an observer sees what he has seen before. libsrtp, which refuses the number, is not asked.
"""

from __future__ import annotations

from sfu.bwe.kernels.sent_log import forget_sent
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.messages import POSITION, Buffers
from sfu.routing.kernels.pacing import note_departure
from sfu.routing.kernels.send import append_packet, flush, room_for
from sfu.routing.kernels.space import PACKET_SPACE
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets

_MISSED = int(Counter.DROP_PACED)


@stage
def begin_sealing(tables: Tables, row: int) -> None:
    """Begin a row for another subscription, to which nothing was sent yet."""
    tables.sealed_written[row] = 0
    for k in range(LOGGED_PACKETS):
        tables.sealed[row, k]["bytes"] = 0


@stage
def seal_packet(tables: Tables, subscription: int, out: Octets, at: int, size: int, sequence: int) -> None:
    """Keep the encrypted packet in `out[at:at + size]`, which goes out for the first time; the oldest give way."""
    entry = tables.subscriptions[subscription]
    row = entry["sealed"] - 1
    room = i64(entry["sealed_bytes"])
    written = tables.sealed_written[row]
    place = written % room
    if place + size > room:  # no packet goes over the end
        written += room - place
        place = 0
    copy_octets(tables.sealed_data[row], place, out, at, size)
    tables.sealed_written[row] = written + size
    kept = tables.sealed[row, sequence % LOGGED_PACKETS]
    kept["at"] = written
    kept["bytes"] = size
    kept["sequence"] = sequence
    kept["repeated_ms"] = 0
    kept["repeats"] = 0
    stamped = entry["transport_sequence_at"] >= 0
    kept["transport_sequence"] = tables.connections[entry["connection"]]["transport_sequence"] - 1 if stamped else -1


@stage
def is_sealed(tables: Tables, subscription: int, sequence: int) -> bool:
    """Whether the packet with this egress number went out, and not so long ago that its entry is another's."""
    kept = tables.sealed[tables.subscriptions[subscription]["sealed"] - 1, sequence % LOGGED_PACKETS]
    return kept["bytes"] > 0 and kept["sequence"] == sequence


@stage
def is_whole(tables: Tables, subscription: int, sequence: int) -> bool:
    """Whether the octets of a packet that `is_sealed` are still there."""
    entry = tables.subscriptions[subscription]
    row = entry["sealed"] - 1
    return tables.sealed[row, sequence % LOGGED_PACKETS]["at"] >= tables.sealed_written[row] - entry["sealed_bytes"]


@stage
def send_sealed(tables: Tables, buffers: Buffers, subscription: int, sequence: int, socket: int, now_us: int) -> bool:
    """Send a packet's octets again."""
    if not is_sealed(tables, subscription, sequence) or not is_whole(tables, subscription, sequence):
        tables.counters[_MISSED] += 1
        return False
    entry = tables.subscriptions[subscription]
    row = entry["sealed"] - 1
    kept = tables.sealed[row, sequence % LOGGED_PACKETS]
    connection = i64(entry["connection"])
    if not room_for(buffers, PACKET_SPACE):
        flush(buffers, tables, socket)
    size = i64(kept["bytes"])
    place = kept["at"] % i64(entry["sealed_bytes"])
    copy_octets(buffers.out, buffers.state[POSITION], tables.sealed_data[row], place, size)
    if kept["transport_sequence"] >= 0:
        # It arrives under its old transport-wide number, long after it was sent: that tells nothing of the path.
        forget_sent(tables.sent[connection], i64(kept["transport_sequence"]))
    note_departure(tables, connection, False, size, now_us)
    append_packet(buffers, connection, size, False)
    return True
