"""What a publisher's path carries, where he takes no transport-wide feedback: estimated here, told as REMB.

The delay-based half of `bwe/`, from the times of sending that clients write into abs-send-time
(draft-alvestrand-rmcat-remb-03 section 2); their own sender reacts to loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.estimate import unwrap_reference
from sfu.bwe.kernels.state import MOST_BPS
from sfu.bwe.kernels.uplink_rate import add_uplink_arrival
from sfu.routing.kernels.messages import Buffers
from sfu.routing.kernels.notices import push_estimate
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.kernel import i64, stage

_WRAP_US = 64_000_000
_REPORT_US = 1_000_000
"""Longest time between two reports while there is something to report; a fall is reported at once."""
_FALLS = 0.97


@stage
def note_uplink(
    tables: Tables,
    buffers: Buffers,
    notice_index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    stamp: int,
    size: int,
    now_us: int,
) -> None:
    """Take a packet of `size` bytes whose abs-send-time is `stamp` (6.18 fixed point seconds)."""
    state = tables.uplinks[connection]
    sent_us = unwrap_reference(state, (stamp * 1_000_000) >> 18, _WRAP_US)
    if not add_uplink_arrival(state, sent_us, now_us, size):
        return
    bound = state["delay_bps"]
    entry = tables.connections[connection]
    if bound >= MOST_BPS:
        return  # nothing has ever queued
    if bound >= _FALLS * entry["uplink_bps"] and now_us - entry["uplink_us"] < _REPORT_US:
        return
    if push_estimate(tables, buffers, notice_index, notices, connection, i64(bound), True):
        entry["uplink_bps"] = bound
        entry["uplink_us"] = now_us
