"""The connections of a plane's loop with the outside."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.rings import PacketRings
from sfu.wire.kernels.bundle import bundle


@bundle
class Wiring(NamedTuple):
    """What connects a plane's loop with the outside: file descriptors and rings."""

    shard: int
    shards: int
    socket: int
    command_event: int
    notice_event: int
    wake_events: NDArray[np.int32]  # each shard's command event, to wake it for relayed packets
    command_index: NDArray[np.int64]
    commands: NDArray[Any]
    notice_index: NDArray[np.int64]
    notices: NDArray[Any]
    tap: PacketRings  # [1, 1]
    relay: PacketRings  # [shards, shards]
