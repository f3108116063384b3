"""How often a plane wakes up: rounds are coalesced, as a network card coalesces its interrupts.

To be woken for one packet costs more than to forward it, for the plane and for whoever it sends to. Up to
`ROUNDS_PER_S` each packet has a round at once. Beyond that rounds keep a distance of two thirds of a millisecond, and
what has come meanwhile shares one: a video frame is then one message to each subscriber, and not a first packet and the
rest. A plane whose rounds take longer than that is never made to wait.
"""

from __future__ import annotations

from sfu.routing.kernels.messages import CHARGED_US, Buffers
from sfu.wire.kernels.kernel import stage

ROUNDS_PER_S = 1500
INTERVAL_US = 1_000_000 // ROUNDS_PER_S
BURST = 64
"""Rounds that may come at any speed after a while with fewer, so that only a plane that is busy for long waits."""


@stage
def charge_round(buffers: Buffers, started_us: int) -> None:
    """Count a round, which is worth `INTERVAL_US` (the virtual scheduling algorithm of ITU-T I.371)."""
    buffers.state[CHARGED_US] = max(buffers.state[CHARGED_US], started_us) + INTERVAL_US


@stage
def rest_us(buffers: Buffers, due_us: int, now_us: int) -> int:
    """Return how long the plane is to leave what comes to the next round, in microseconds; 0: not at all.

    `due_us`: when it has something to send by itself, which nothing holds up.
    """
    return max(min(buffers.state[CHARGED_US] - BURST * INTERVAL_US, due_us) - now_us, 0)
