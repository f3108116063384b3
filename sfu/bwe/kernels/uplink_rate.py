"""The delay-based half alone: for the way in, where packets say when they were sent, and nobody tells of losses."""

from __future__ import annotations

from typing import Any

from sfu.bwe.kernels.delay import add_arrival, end_interval
from sfu.bwe.kernels.rate_control import update_rate
from sfu.bwe.kernels.state import NEVER_US
from sfu.bwe.kernels.throughput import measure_throughput
from sfu.wire.kernels.kernel import stage

_UPDATE_US = 50_000
_INTERVAL_US = 250_000


@stage
def add_uplink_arrival(state: Any, sent_us: int, now_us: int, size: int) -> bool:
    """Take a packet of `size` bytes; return whether `delay_bps` was updated."""
    add_arrival(state, sent_us, now_us, size)
    if now_us - state["updated_us"] < _UPDATE_US:
        return False
    state["updated_us"] = now_us
    if state["interval_us"] == NEVER_US or now_us - state["interval_us"] >= _INTERVAL_US:
        state["interval_us"] = now_us
        end_interval(state)
    measure_throughput(state)
    update_rate(state, False, now_us)
    return True
