"""What was sent: by transport-wide sequence number, until feedback has told its fate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.columns import Columns
from sfu.wire.kernels.kernel import stage

SENT_LOG = 4096
"""Number of packets that feedback can still refer to: more than a second of 30 Mbit/s."""

UNKNOWN, LOST, ARRIVED = 0, 1, 2
"""Fates of a packet."""

SENT_PACKET_COLUMNS = Columns(
    sent_log=[
        ("sent_us", np.int64),
        ("sequence", np.uint32),  # lower bits of the extended number
        ("size", np.uint16),  # bytes
        ("probe", np.uint8),  # its name, 0: of none
        ("fate", np.uint8),
    ],
)
SENT_PACKET = SENT_PACKET_COLUMNS.dtype


@stage
def log_sent(log: NDArray[Any], sequence: int, sent_us: int, size: int, probe: int) -> None:
    """Enter the packet with the extended sequence number; `log` has the shape [SENT_LOG] and the type SENT_PACKET."""
    packet = log[sequence % SENT_LOG]
    packet["sent_us"] = sent_us
    packet["sequence"] = sequence & 0xFFFFFFFF
    packet["size"] = size
    packet["probe"] = probe
    packet["fate"] = UNKNOWN


@stage
def settle(packet: Any, fate: int) -> None:
    """Set the fate of a packet in the log."""
    packet["fate"] = fate


@stage
def forget_sent(log: NDArray[Any], sequence: int) -> None:
    """Count the packet with this extended sequence number as arrived: it goes out again as it was."""
    packet = log[sequence % SENT_LOG]
    if packet["sequence"] == sequence & 0xFFFFFFFF:
        settle(packet, ARRIVED)
