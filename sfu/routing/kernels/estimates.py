"""The consequences of a connection's estimate: probes, and notices to the control side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.estimate import conclude, fade_unused, handle_silence
from sfu.bwe.kernels.full_path import forget_old
from sfu.bwe.kernels.probing import begin_due_probe
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.notices import push_estimate
from sfu.routing.kernels.pacing import begin_probe
from sfu.routing.kernels.padding import find_padder
from sfu.routing.kernels.send import retry_gso
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

_REPORT_LESS, _REPORT_MORE = 0.97, 1.03
_REPORT_US = 100_000
"""Least time between two reports of a rise; a fall is reported at once."""


@stage
def probe_if_due(tables: Tables, connection: int, now_us: int) -> None:
    """Begin a probe where it is time for one, and there is something to send it with."""
    entry = tables.connections[connection]
    if entry["send_srtp"] == 0 or entry["address_bytes"] == 0:
        return
    if find_padder(tables, connection) >= 0 and begin_due_probe(tables.estimators[connection], now_us):
        begin_probe(tables, connection, now_us)


@stage
def tell_estimate(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    now_us: int,
) -> None:
    """Tell the control side of an estimate that has clearly changed."""
    entry = tables.connections[connection]
    estimate = tables.estimators[connection]["lasting_bps"]
    reported = entry["reported_bps"]
    rises = estimate > _REPORT_MORE * reported and now_us - entry["reported_us"] >= _REPORT_US
    if not rises and estimate >= _REPORT_LESS * reported:
        return
    if push_estimate(tables, buffers, notice_index, notices, connection, i64(estimate), False):
        entry["reported_bps"] = estimate
        entry["reported_us"] = now_us


@stage
def sweep_estimates(
    tables: Tables, buffers: Buffers, notice_index: NDArray[np.int64], notices: NDArray[Any], now_us: int
) -> int:
    """Look at all connections, also those from which nothing comes; return how many have an estimate."""
    count = 0
    for connection in range(len(tables.connections)):
        entry = tables.connections[connection]
        if entry["active"] == 0:
            continue
        retry_gso(tables, connection, now_us)
        if entry["controlled"] == 0:
            continue
        count += 1
        if entry["controlled"] == 1:
            handle_silence(tables.estimators[connection], now_us)
            if forget_old(tables.estimators[connection], now_us):
                conclude(tables.estimators[connection])
            fade_unused(tables.estimators[connection], now_us)
            probe_if_due(tables, connection, now_us)
        tell_estimate(tables, buffers, notice_index, notices, connection, now_us)
    return count
