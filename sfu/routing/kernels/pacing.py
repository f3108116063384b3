"""The pacer: what one subscriber's link cannot take at once waits, and goes out at a multiple of the estimate.

Small bursts pass, so that the packets of a usual frame still share a message; a key frame is spread out. What waits is
only named: the packets lie in the history, and are written and encrypted when they leave. So the pacer paces video that
can be asked for again; audio and the rest go out at once and are charged to the same account.
"""

from __future__ import annotations

from sfu.bwe.kernels.estimate import await_answer
from sfu.bwe.kernels.probing import note_probe_sent
from sfu.bwe.kernels.sent_log import log_sent
from sfu.bwe.kernels.state import NEVER_US
from sfu.routing.kernels.connection_columns import QUEUED_PACKETS
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

REPEATS, MEDIA = 0, 1
"""Queues of a connection, in the order in which they are served."""
WRITTEN, READ = 0, 1

BURST_US = 20_000
"""Packets that the pacing rate carries in this time leave in one go."""
_FACTOR = 2.5
"""The pacing rate over the estimate, as libwebrtc has it: a frame shall not take its whole interval."""
_FULL_FACTOR, _FULL_US = 1.2, 30_000_000
"""The same on a path that was full so short a time ago: a key frame that came faster would wait there, and with it
audio, which does not wait here."""
_EMPTYING_FACTOR = 1.0
"""The same while the path's queue is being emptied."""
_CAUGHT_UP_US = 2_000
_DRAIN_S = 0.15
"""So long a packet waits at most, give or take `BURST_US` and whatever the estimate, unless the path was full of late:
some receivers (GStreamer) have a jitter buffer of 200 ms, and drop what comes later, a packet of each frame.
"""


@stage
def pacing_bps(tables: Tables, connection: int, now_us: int) -> float:
    """Return the rate at which a connection's packets leave."""
    state = tables.estimators[connection]
    entry = tables.connections[connection]
    if state["recover_bps"] > 0.0:
        factor = _EMPTYING_FACTOR
    elif state["decreased_us"] != NEVER_US and now_us - state["decreased_us"] < _FULL_US:
        factor = _FULL_FACTOR
    else:
        return max(_FACTOR * state["estimate_bps"], entry["drain_bps"])
    # What comes fast waits on the path then: here it gets slower the less is left, and takes up to three times as long.
    return max(factor * state["estimate_bps"], entry["queued_bytes"] * 8.0 / _DRAIN_S)


@stage
def note_departure(tables: Tables, connection: int, stamped: bool, size: int, now_us: int) -> None:
    """Charge a packet that is about to leave to the pacer, and log it for the receiver's feedback.

    `stamped`: it carries the connection's latest transport-wide sequence number.
    """
    entry = tables.connections[connection]
    if entry["controlled"] == 0:
        return
    state = tables.estimators[connection]
    probe = note_probe_sent(state, size)
    if stamped and entry["controlled"] == 1:
        log_sent(tables.sent[connection], entry["transport_sequence"] - 1, now_us, size, probe)
        await_answer(state, now_us)
    free = max(i64(entry["free_us"]), now_us)
    entry["free_us"] = free + i64(size * 8e6 / pacing_bps(tables, connection, now_us))


@stage
def begin_probe(tables: Tables, connection: int, now_us: int) -> None:
    """Let a probe that has begun leave from now on, at its own rate."""
    tables.connections[connection]["probe_free_us"] = now_us
    call_later(tables, connection)


@stage
def charge_probe(tables: Tables, connection: int, size: int, rate_bps: float, now_us: int) -> None:
    """`size` bytes of a probe have left, which goes on when they would have at its rate; what is late is caught up
    with by two milliseconds at most.
    """
    entry = tables.connections[connection]
    entry["probe_free_us"] = max(i64(entry["probe_free_us"]), now_us - _CAUGHT_UP_US) + i64(size * 8e6 / rate_bps)


@stage
def waiting(tables: Tables, connection: int, kind: int) -> int:
    """Return the number of packets in a queue."""
    index = tables.queue_index[connection, kind]
    return index[WRITTEN] - index[READ]


@stage
def must_wait(tables: Tables, connection: int, kind: int, now_us: int) -> bool:
    """Whether a packet has to queue, because others do or the pacer's account is used up."""
    entry = tables.connections[connection]
    if entry["controlled"] == 0 or waiting(tables, connection, kind) >= QUEUED_PACKETS:
        return False
    return waiting(tables, connection, kind) > 0 or entry["free_us"] - now_us > BURST_US


@stage
def queue_packet(
    tables: Tables, connection: int, kind: int, subscription: int, sequence: int, size: int, now_us: int
) -> None:
    """Let a packet of a subscription's log wait for the pacer."""
    index = tables.queue_index[connection, kind]
    tables.queues[connection, kind, index[WRITTEN] % QUEUED_PACKETS] = (subscription << 16) | sequence
    index[WRITTEN] += 1
    entry = tables.connections[connection]
    entry["queued_bytes"] += size
    # kept until nothing waits: who waited behind much would else wait longer, the less is left
    left_s = max(_DRAIN_S - max(entry["free_us"] - now_us, 0) / 1e6, _DRAIN_S / 4)
    entry["drain_bps"] = max(entry["drain_bps"], entry["queued_bytes"] * 8.0 / left_s)
    call_later(tables, connection)


@stage
def call_later(tables: Tables, connection: int) -> None:
    """Enter a connection into the list of those that have something to send."""
    if tables.connections[connection]["busy"] == 0:
        tables.connections[connection]["busy"] = 1
        tables.busy[0] += 1
        tables.busy[tables.busy[0]] = connection


@stage
def strike_out(tables: Tables, place: int) -> None:
    """Remove the connection at an index of that list; the last one takes its place."""
    tables.connections[tables.busy[place]]["busy"] = 0
    tables.busy[place] = tables.busy[tables.busy[0]]
    tables.busy[0] -= 1


@stage
def forget_queued(tables: Tables, connection: int) -> None:
    """Empty the queues."""
    for kind in range(2):
        index = tables.queue_index[connection, kind]
        index[READ] = index[WRITTEN]
    tables.connections[connection]["queued_bytes"] = 0
    tables.connections[connection]["drain_bps"] = 0.0


@stage
def take_queued(tables: Tables, connection: int, kind: int) -> int:
    """Take the first entry of a queue, which must not be empty."""
    entry = tables.connections[connection]
    count = waiting(tables, connection, REPEATS) + waiting(tables, connection, MEDIA)
    entry["queued_bytes"] -= entry["queued_bytes"] // count  # about its size, which only its packet knows
    if count == 1:
        entry["drain_bps"] = 0.0
    index = tables.queue_index[connection, kind]
    queued = tables.queues[connection, kind, index[READ] % QUEUED_PACKETS]
    index[READ] += 1
    return i64(queued)


@stage
def is_held_by(tables: Tables, subscription: int, connection: int) -> bool:
    """Whether a subscription's row is still a connection's, and has a log or packets as they went out."""
    entry = tables.subscriptions[subscription]
    keeps = entry["log"] >= 0 or entry["sealed"] > 0
    return entry["active"] == 1 and entry["connection"] == connection and keeps
