"""The estimator with feedback in batches; an input is one operation of `tests.fuzz.feedback`, its kind before the rest.

The operations of a session go to one connection; then another one begins.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import intrinsic
from numpy.typing import NDArray

from sfu.bwe.kernels.reset import reset_estimator
from sfu.bwe.kernels.state import LEAST_BPS, MOST_BPS
from sfu.routing.kernels.estimates import sweep_estimates
from sfu.routing.kernels.feedback import take_feedback
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.pacing import note_departure
from sfu.routing.kernels.tables import Tables
from tests.fuzz.feedback import KINDS, MEDIA_SSRC, NO_SOCKET, RECEIVE, ROUNDED, SENDER_SSRC, START_US, Path

from .linked import Linked
from .loop import loop
from .mutate import Octets, Offsets
from .target import BOUNDS, OPERATIONS, POSITION, Words, fold, mix

SESSION = 256
"""Operations with one connection."""
_REMB = np.frombuffer(b"REMB", np.uint8)
_NOTICE_WORDS = 16
_TAKE, _SWEEP, _DEPART, _RESET = map(Linked, (take_feedback, sweep_estimates, note_departure, reset_estimator))


@intrinsic
def _take(
    _typing: Any,
    tables: Any,
    buffers: Any,
    index: Any,
    notices: Any,
    connection: Any,
    start: Any,
    end: Any,
    socket: Any,
    now_us: Any,
) -> Any:
    return _TAKE.signature, _TAKE.generate


@intrinsic
def _sweep(_typing: Any, tables: Any, buffers: Any, index: Any, notices: Any, now_us: Any) -> Any:
    return _SWEEP.signature, _SWEEP.generate


@intrinsic
def _depart(_typing: Any, tables: Any, connection: Any, stamped: Any, size: Any, now_us: Any) -> Any:
    return _DEPART.signature, _DEPART.generate


@intrinsic
def _reset(_typing: Any, state: Any, now_us: Any) -> Any:
    return _RESET.signature, _RESET.generate


class Estimator:
    """A connection, and how it is at the beginning of each session."""

    def __init__(self) -> None:
        self.path = Path()
        path = self.path
        _TAKE.link(path.tables, path.buffers, path.index, path.notices, 0, 0, 0, 0, 0)
        _SWEEP.link(path.tables, path.buffers, path.index, path.notices, 0)
        _DEPART.link(path.tables, 0, True, 0, 0)
        _RESET.link(path.tables.estimators[0], 0)
        self.connections = path.tables.connections.copy()
        self.estimators = path.tables.estimators.copy()

    def judge(self, inputs: Octets, ends: Offsets, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` at `progress[POSITION]`, or 0 at the end."""
        path = self.path
        return int(
            judge_feedback(
                inputs,
                ends,
                progress,
                marks,
                path.tables,
                path.buffers,
                path.index,
                path.notices,
                self.connections,
                self.estimators,
            )
        )


@loop
def judge_feedback(
    inputs: Octets,
    ends: Offsets,
    progress: Words,
    marks: Words,
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    connections: NDArray[Any],
    estimators: NDArray[Any],
) -> int:
    """Do all operations; see `Estimator.judge`."""
    at = 0
    now_us = np.int64(START_US)
    for k in range(len(ends)):
        progress[POSITION] = k
        if k % SESSION == 0:
            now_us = np.int64(START_US)
            tables.connections[0] = connections[0]
            tables.estimators[0] = estimators[0]
            tables.allowances[0, :] = 0
            _reset(tables.estimators[0], now_us)
        start, end = at + 1, ends[k]
        at = end
        marks[k] = 0
        if end < start:
            continue
        progress[OPERATIONS] += 1
        kind = np.int64(inputs[start - 1]) % KINDS
        detail = np.int64(inputs[start]) if end > start else 0
        if kind == 0:
            for _ in range(detail % 16 + 1):
                tables.connections[0]["transport_sequence"] += 1
                _depart(tables, 0, True, 60 + 5 * detail, now_us)
                now_us += 40 * detail
        elif kind == 1:
            now_us += np.int64(1) << (detail % 36)
        elif kind < RECEIVE:
            _sweep(tables, buffers, index, notices, now_us)
        else:
            size = _place(kind, inputs[start : min(end, start + 255)], tables, buffers, now_us)
            _take(tables, buffers, index, notices, 0, 0, size, NO_SOCKET, now_us)
            for j in range(_NOTICE_WORDS):
                index[j] = 0
        state = tables.estimators[0]
        if not _holds(state):
            return BOUNDS
        flags = state["phase"] << 4 | state["usage"] << 2 | state["congested"] << 1 | state["loss_limited"]
        mark = mix(flags, np.int64(state["brakes"] > 0) << 3 | np.int64(state["probe_bps"] > 0.0) << 2 | kind << 4)
        marks[k] = fold(mix(mark, np.int64(math.log2(state["estimate_bps"]))))
    return 0


@loop
def _place(kind: int, body: Octets, tables: Tables, buffers: Buffers, now_us: int) -> int:
    """Write the packet that `Path.receive` makes of a body to where datagrams come; its length."""
    out, size = buffers.received, len(body)
    if kind == RECEIVE and size >= 2:
        first = (tables.connections[0]["transport_sequence"] - np.int64(body[0])) & 0xFFFF
        reference = (now_us // 64_000 + np.int64(body[1]) - 128) & 0xFFFFFF
        count = 1 + np.int64(body[0]) % 200
        _store(out, 0, 2, 0x8FCD)
        _store(out, 4, 4, SENDER_SSRC)
        _store(out, 8, 4, MEDIA_SSRC)
        _store(out, 12, 2, first)
        _store(out, 14, 2, count)
        _store(out, 16, 4, reference << 8)
        at, skipped = 20, 2
    elif kind == RECEIVE + 1:
        _store(out, 0, 2, 0x8FCE)
        _store(out, 4, 4, SENDER_SSRC)
        _store(out, 8, 4, 0)
        for j in range(4):
            out[12 + j] = _REMB[j]
        at, skipped = 16, 0
    else:
        at, skipped = 0, 0
    for j in range(skipped, size):
        out[at] = body[j]
        at += 1
    if kind == RECEIVE + 1 or (kind == RECEIVE and size >= 2):
        while at % 4 != 0:
            out[at] = 0
            at += 1
        _store(out, 2, 2, at // 4 - 1)
    return at


@loop
def _store(out: Octets, at: int, count: int, value: int) -> None:
    for j in range(count):
        out[at + j] = (value >> (8 * (count - 1 - j))) & 0xFF


@loop
def _within(value: float, least: float, most: float) -> bool:
    return least <= value <= most


@loop
def _holds(state: Any) -> bool:
    """What `Path.check` asks for; no comparison holds for what is no number."""
    if not (_within(state["estimate_bps"], LEAST_BPS, MOST_BPS) and _within(state["lasting_bps"], LEAST_BPS, MOST_BPS)):
        return False
    if not (_within(state["delay_bps"], LEAST_BPS, MOST_BPS) and _within(state["loss_bps"], LEAST_BPS, MOST_BPS)):
        return False
    most = max(state["estimate_bps"], state["recover_bps"]) * ROUNDED
    if not _within(state["lasting_bps"], state["estimate_bps"], most):
        return False
    if not (state["remote_bps"] >= LEAST_BPS and _within(state["loss"], 0.0, 1.0)):
        return False
    for value in (
        state["round_trip_us"],
        state["acked_bps"],
        state["sent_bps"],
        state["capacity_bps"],
        state["recover_bps"],
    ):
        if not (value >= 0.0 and math.isfinite(value)):
            return False
    return math.isfinite(state["queue_ms"]) and math.isfinite(state["trend"])
