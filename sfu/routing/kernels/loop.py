"""The plane's loop: the stages of a round, in the order of the picture in docs/architecture.md."""

from __future__ import annotations

from sfu.routing.kernels import native
from sfu.routing.kernels.arrival_report import send_due_reports
from sfu.routing.kernels.coalescing import charge_round, rest_us
from sfu.routing.kernels.commands import apply_commands
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.estimates import sweep_estimates
from sfu.routing.kernels.fanout import forward_batch
from sfu.routing.kernels.ingress import receive_datagram
from sfu.routing.kernels.instant import monotonic_us
from sfu.routing.kernels.messages import (
    BATCH_PACKETS,
    CONTROLLED,
    NOTICES,
    PACKETS,
    RECEIVE_BYTES,
    RECEIVE_MESSAGES,
    SWEPT_US,
    VIRTUAL_US,
    Buffers,
)
from sfu.routing.kernels.receive import receive_messages
from sfu.routing.kernels.relay import copy_out, relay_waiting, signal, take_relayed, wake_shards
from sfu.routing.kernels.release import release_waiting
from sfu.routing.kernels.send import flush
from sfu.routing.kernels.source_id import source_encoding
from sfu.routing.kernels.sweep import sweep_reports
from sfu.routing.kernels.tables import Tables
from sfu.routing.kernels.wiring import Wiring
from sfu.wire.kernels.ancillary import segment_size
from sfu.wire.kernels.kernel import i64, kernel, stage

_DATAGRAMS = int(Counter.RECEIVED_DATAGRAMS)
_BYTES = int(Counter.RECEIVED_BYTES)
_CALLS = int(Counter.RECEIVE_CALLS)
_TRUNCATED = int(Counter.DROP_TRUNCATED_DATAGRAM)
_RECEIVE_FAILED = int(Counter.DROP_RECEIVE_FAILED)

POLL_MS = 500
SWEEP_US = 100_000
"""Time between two looks at each connection's estimate without feedback."""

GATHER_SUBSCRIPTIONS = 32
"""Number of subscriptions from which on a message saved for each is worth the wait."""
GATHER_GAP_US = 25
GATHER_US = 250


@stage
def _receive_round(tables: Tables, buffers: Buffers, wiring: Wiring, first: int, now_us: int) -> int:
    """Take what waits in the socket into the batch, beginning with message `first`; return the number of messages."""
    counters = tables.counters
    count = receive_messages(buffers, wiring.socket, first)
    counters[_CALLS] += 1
    if count < 0:
        if count != -native.EAGAIN and count != -native.EINTR:
            counters[_RECEIVE_FAILED] += 1
        return 0
    for message in range(first, first + count):
        size = buffers.receive_messages[message]["bytes"] & 0xFFFFFFFF
        if buffers.receive_messages[message]["flags"] & native.MSG_TRUNC:
            counters[_TRUNCATED] += 1
            continue
        counters[_BYTES] += size
        step = segment_size(buffers.receive_messages, buffers.receive_controls, message, size)
        start = message * RECEIVE_BYTES
        end = start + size
        while True:
            stop = min(start + step, end)
            counters[_DATAGRAMS] += 1
            if buffers.state[PACKETS] == BATCH_PACKETS:
                forward_batch(tables, buffers, wiring.socket, now_us)
            row = receive_datagram(
                tables,
                buffers,
                wiring.notice_index,
                wiring.notices,
                start,
                stop,
                message,
                wiring.socket,
                now_us,
            )
            if row >= 0:
                encoding = source_encoding(buffers.packets[row]["source"])
                copy_out(tables, buffers, wiring, i64(tables.encodings[encoding]["track"]), row)
            start = stop
            if start >= end:
                break
    return count


@stage
def _frame_is_open(tables: Tables, buffers: Buffers) -> bool:
    """Whether the batch ends within a frame that goes to many: the rest is likely to be a few microseconds away."""
    for k in range(1, tables.touched[0] + 1):
        track = tables.tracks[tables.touched[k]]
        last = buffers.packets[track["batch_last"]]
        if track["subscriptions"] >= GATHER_SUBSCRIPTIONS and last["audio"] == 0 and last["marker"] == 0:
            return True
    return False


@stage
def _gather_frame(tables: Tables, buffers: Buffers, wiring: Wiring, first: int, now_us: int) -> None:
    """Wait for the rest of a frame's burst, so that each subscriber's share is one message and not two.

    Sending the first packet alone to many costs more time than the whole burst takes to come in.
    """
    started = now_us
    last = now_us
    while first < RECEIVE_MESSAGES and now_us - last <= GATHER_GAP_US and now_us - started <= GATHER_US:
        count = _receive_round(tables, buffers, wiring, first, now_us)
        first += count
        now_us = monotonic_us(buffers)
        if count > 0:
            if not _frame_is_open(tables, buffers):
                return
            last = now_us


@stage
def _apply(tables: Tables, buffers: Buffers, wiring: Wiring) -> bool:
    return apply_commands(tables, buffers, wiring.command_index, wiring.commands, wiring.socket)


@kernel
def run_timers(tables: Tables, buffers: Buffers, wiring: Wiring, now_us: int) -> int:
    """Send what is due without an arriving packet; return when the next is due, in microseconds."""
    due = min(
        release_waiting(tables, buffers, wiring.socket, now_us),
        send_due_reports(tables, buffers, wiring.socket, now_us),
    )
    if now_us - buffers.state[SWEPT_US] >= SWEEP_US:
        buffers.state[SWEPT_US] = now_us
        buffers.state[CONTROLLED] = sweep_estimates(tables, buffers, wiring.notice_index, wiring.notices, now_us)
        sweep_reports(tables, buffers, wiring.socket, now_us)
    return due


@kernel
def run_round(tables: Tables, buffers: Buffers, wiring: Wiring, now_us: int) -> None:
    """Take what waits in the socket and in the relay rings, and forward it."""
    if wiring.shards > 1:
        take_relayed(tables, buffers, wiring)
    if (buffers.poll[1] >> 16) & native.POLLIN:
        count = _receive_round(tables, buffers, wiring, i64(0), now_us)
        if _frame_is_open(tables, buffers):
            _gather_frame(tables, buffers, wiring, count, now_us)
    if buffers.state[PACKETS] > 0:
        forward_batch(tables, buffers, wiring.socket, now_us)
    flush(buffers, tables, wiring.socket)  # what NACKs have asked for
    if wiring.shards > 1:
        wake_shards(wiring, buffers)


@stage
def _wait_ms(buffers: Buffers, wiring: Wiring, due_us: int, now_us: int) -> int:
    """Return how long the plane may sleep, in milliseconds."""
    if wiring.shards > 1 and relay_waiting(wiring):
        return 0
    longest = POLL_MS if buffers.state[CONTROLLED] == 0 else SWEEP_US // 1000
    return min(max((due_us - now_us + 999) // 1000, 0), longest)


@kernel
def step_plane(tables: Tables, buffers: Buffers, wiring: Wiring, now_us: int) -> int:
    """Run one round of `run_plane` at a time that the caller gives; return when the next has something to do."""
    buffers.state[VIRTUAL_US] = now_us
    if _apply(tables, buffers, wiring):
        return now_us
    buffers.poll[0] = wiring.socket
    buffers.poll[1] = native.POLLIN
    native.poll(buffers.poll.ctypes.data, 1, 0)
    run_round(tables, buffers, wiring, now_us)
    due_us = run_timers(tables, buffers, wiring, now_us)
    buffers.state[NOTICES] = 0
    return due_us


@kernel
def run_plane(tables: Tables, buffers: Buffers, wiring: Wiring) -> None:
    """Forward until the control side posts STOP. Entered once by the shard's thread, without the GIL."""
    due_us = i64(0)
    now_us = monotonic_us(buffers)
    while True:
        if _apply(tables, buffers, wiring):
            return
        buffers.poll[0] = wiring.socket
        buffers.poll[1] = native.POLLIN
        buffers.poll[2] = wiring.command_event
        buffers.poll[3] = native.POLLIN
        rest = rest_us(buffers, due_us, now_us)
        if rest > 0:
            native.usleep(rest)
        native.poll(buffers.poll.ctypes.data, 2, _wait_ms(buffers, wiring, due_us, now_us + rest))
        if (buffers.poll[3] >> 16) & native.POLLIN:
            native.read(wiring.command_event, buffers.event.ctypes.data, 8)
            if _apply(tables, buffers, wiring):
                return
        now_us = monotonic_us(buffers)
        charge_round(buffers, now_us)
        run_round(tables, buffers, wiring, now_us)
        now_us = monotonic_us(buffers)
        due_us = run_timers(tables, buffers, wiring, now_us)
        if buffers.state[NOTICES] > 0:
            buffers.state[NOTICES] = 0
            signal(buffers, wiring.notice_event)
