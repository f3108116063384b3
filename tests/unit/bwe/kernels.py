"""Entrances into the estimator's kernels: those that only kernels call (`@stage`) cannot be called from Python.

Each is small, so it is compiled within seconds where the kernels themselves are compiled already, and kept beside them.
`states` is an array of one ESTIMATOR row; with `NUMBA_DISABLE_JIT=1` all of this is plain Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.delay import set_by_tcp
from sfu.bwe.kernels.estimate import (
    conclude,
    end_feedback,
    fade_unused,
    handle_packet,
    handle_silence,
    set_limit,
    set_remote,
)
from sfu.bwe.kernels.full_path import forget_old
from sfu.bwe.kernels.probing import begin_due_probe, note_probe_sent
from sfu.bwe.kernels.receiver_clock import watch_clock
from sfu.bwe.kernels.reset import reset_estimator
from sfu.bwe.kernels.sent_log import ARRIVED, SENT_LOG, log_sent
from sfu.bwe.kernels.state import NEVER_US
from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED


@kernel
def begin(states: NDArray[Any], now_us: int) -> None:
    """Nothing is known yet."""
    reset_estimator(states[0], now_us)


@kernel
def depart(states: NDArray[Any], log: NDArray[Any], sequence: int, size: int, now_us: int) -> int:
    """A packet leaves, as `routing/kernels/pacing.py` notes it; return the probe that it belongs to."""
    state = states[0]
    probe = note_probe_sent(state, size)
    log_sent(log, sequence, now_us, size, probe)
    if state["unanswered_us"] == 0:
        state["unanswered_us"] = now_us
    return probe


@kernel
def tell(states: NDArray[Any], log: NDArray[Any], first: int, arrivals: NDArray[np.int64], now_us: int) -> None:
    """A feedback tells of the packets from `first` on, as `routing/kernels/feedback.py` takes it; a probe may begin."""
    state = states[0]
    arrived = 0
    first_us = last_us = i64(NEVER_US)
    for k in range(len(arrivals)):
        packet = log[(first + k) % SENT_LOG]
        received = arrivals[k] != NOT_RECEIVED
        if received and packet["fate"] != ARRIVED:
            arrived += 1
            last_us = i64(arrivals[k])
            if arrived == 1:
                first_us = last_us
        handle_packet(state, packet, arrivals[k], received, now_us)
    if arrived > 0:
        watch_clock(state, first_us, last_us)
    end_feedback(state, arrived, now_us)
    begin_due_probe(state, now_us)


@kernel
def look(states: NDArray[Any], now_us: int) -> None:
    """Look at it though nothing comes, as `routing/kernels/estimates.py` does ten times a second."""
    state = states[0]
    handle_silence(state, now_us)
    if forget_old(state, now_us):
        conclude(state)
    fade_unused(state, now_us)
    begin_due_probe(state, now_us)


@kernel
def go_by_tcp(states: NDArray[Any], by_tcp: int) -> None:
    """What is sent goes on by TCP from now on, or no longer."""
    set_by_tcp(states[0], by_tcp)


@kernel
def want(states: NDArray[Any], rate_bps: float, now_us: int) -> None:
    """So much is wanted at most."""
    set_limit(states[0], rate_bps, now_us)


@kernel
def bound(states: NDArray[Any], rate_bps: float, now_us: int) -> None:
    """The receiver says by REMB how much may be sent."""
    set_remote(states[0], rate_bps, now_us)
