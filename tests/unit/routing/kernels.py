"""Entrances into the plane's kernels: those that only kernels call (`@stage`) cannot be called from Python.

Each is small: it is compiled within a second where the kernels themselves are compiled already, and kept beside them.
With `NUMBA_DISABLE_JIT=1` all of this is plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels import classify, coalescing, describe, estimates, history, pacing, padding, reception, repeat
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.release import release_waiting
from sfu.routing.kernels.restore import restore_packet
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels import ancillary
from sfu.wire.kernels.kernel import kernel
from sfu.wire.kernels.octets import Octets

NO_SOCKET = -1


@kernel
def arrive(encodings: NDArray[Any], arrivals: NDArray[np.int64], encoding: int, sequence: int) -> int:
    """A media packet's extended sequence number, or what is wrong with it."""
    return reception.note_arrival(encodings, arrivals, encoding, sequence)


@kernel
def account(
    encodings: NDArray[Any], encoding: int, packets: NDArray[Any], row: int, extended: int, again: bool
) -> None:
    """Count a packet."""
    reception.account_packet(encodings, encoding, packets, row, extended, again)


@kernel
def forget(encodings: NDArray[Any], arrivals: NDArray[np.int64], encoding: int) -> None:
    """Begin anew."""
    reception.forget_arrivals(encodings, arrivals, encoding)


@kernel
def charge_round(buffers: Buffers, started_us: int) -> None:
    """Count a round of a plane."""
    coalescing.charge_round(buffers, started_us)


@kernel
def rest_us(buffers: Buffers, due_us: int, now_us: int) -> int:
    """How long a plane leaves what comes to its next round."""
    return coalescing.rest_us(buffers, due_us, now_us)


@kernel
def match(tables: Tables, connection: int, buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """The encoding that a packet of an unknown SSRC names."""
    return classify.match_encoding(tables, connection, buffer, packets, row)


@kernel
def restore(tables: Tables, encoding: int, buffer: Octets, packets: NDArray[Any], row: int) -> bool:
    """Make the media packet of what a publisher has sent again."""
    return restore_packet(tables, encoding, buffer, packets, row)


@kernel
def keep(tables: Tables, track: int, packets: NDArray[Any], row: int, buffer: Octets) -> None:
    """Store a packet in the history."""
    history.keep_packet(tables, track, packets, row, buffer)


@kernel
def is_kept(tables: Tables, position: int) -> bool:
    """Whether the history still has it."""
    return history.is_kept(tables, position)


@kernel
def log(tables: Tables, subscription: int, position: int, numbers: NDArray[np.int64], flags: int) -> None:
    """Note under which numbers a subscriber got it."""
    history.log_packet(tables, subscription, position, numbers, flags)


@kernel
def ask_again(tables: Tables, buffers: Buffers, subscription: int, sequence: int, interval_ms: int, now_us: int) -> int:
    """A subscriber asks for a packet again; there is no socket."""
    return repeat.repeat_packet(tables, buffers, subscription, sequence, interval_ms, NO_SOCKET, now_us)


@kernel
def find_padder(tables: Tables, connection: int) -> int:
    """The subscription that can carry padding."""
    return padding.find_padder(tables, connection)


@kernel
def find_repeatable(tables: Tables, subscription: int, back: int) -> int:
    """The packet that was sent so many packets ago."""
    return padding.find_repeatable(tables, subscription, back)


@kernel
def pad(tables: Tables, subscription: int, out: Octets, at: int, now_us: int) -> int:
    """Write a packet of padding."""
    return padding.write_padding(tables, subscription, out, at, now_us)


@kernel
def pacing_bps(tables: Tables, connection: int, now_us: int) -> float:
    """How fast packets leave."""
    return pacing.pacing_bps(tables, connection, now_us)


@kernel
def leave_or_wait(
    tables: Tables, connection: int, kind: int, subscription: int, sequence: int, size: int, now_us: int
) -> bool:
    """A packet leaves now, or waits; return whether it waits."""
    if pacing.must_wait(tables, connection, kind, now_us):
        pacing.queue_packet(tables, connection, kind, subscription, sequence, size, now_us)
        return True
    pacing.note_departure(tables, connection, False, size, now_us)
    return False


@kernel
def depart(tables: Tables, connection: int, size: int, now_us: int) -> None:
    """A packet leaves."""
    pacing.note_departure(tables, connection, False, size, now_us)


@kernel
def take(tables: Tables, connection: int, kind: int) -> int:
    """The first that waits, as subscription << 16 | sequence number; -1: nothing does."""
    return pacing.take_queued(tables, connection, kind) if pacing.waiting(tables, connection, kind) > 0 else -1


@kernel
def queue(tables: Tables, connection: int, kind: int, subscription: int, sequence: int, size: int, now_us: int) -> None:
    """Let a packet wait."""
    pacing.queue_packet(tables, connection, kind, subscription, sequence, size, now_us)


@kernel
def release(tables: Tables, buffers: Buffers, socket: int, now_us: int) -> int:
    """Send what may leave now; return when more may."""
    return release_waiting(tables, buffers, socket, now_us)


@kernel
def probe(tables: Tables, connection: int, now_us: int) -> None:
    """Begin a probe, if it is time for one."""
    estimates.probe_if_due(tables, connection, now_us)


@kernel
def empty(tables: Tables, connection: int) -> None:
    """Forget what waits."""
    pacing.forget_queued(tables, connection)


@kernel
def account_frame(tables: Tables, encoding: int, packets: NDArray[Any], row: int) -> None:
    """Count a packet by its layer."""
    describe.account_frame(tables, encoding, packets, row)


@kernel
def account_level(tables: Tables, encoding: int, buffer: Octets, packets: NDArray[Any], row: int) -> None:
    """Take an audio level."""
    describe.account_level(tables, encoding, buffer, packets, row)


@kernel
def describe_packet(tables: Tables, encoding: int, buffer: Octets, packets: NDArray[Any], row: int) -> bool:
    """Say what a packet is; False: it is broken."""
    return describe.describe_packet(tables, encoding, buffer, packets, row)


@kernel
def forget_structure(tables: Tables, encoding: int) -> None:
    """Another stream begins."""
    describe.forget_structure(tables, encoding)


@kernel
def local_of(messages: NDArray[Any], controls: Octets, message: int, told: Octets) -> int:
    """To which of our addresses a message came."""
    return ancillary.read_local(messages, controls, message, told)


@kernel
def step_of(messages: NDArray[Any], controls: Octets, message: int, size: int) -> int:
    """Of what size the datagrams of a message are."""
    return ancillary.segment_size(messages, controls, message, size)
