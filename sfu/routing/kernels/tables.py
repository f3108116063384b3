"""The forwarding tables. The plane is their only writer; the control side may read counters from them.

Rows refer to each other by index; -1 means none. Lists (a track's subscriptions, a connection's encodings) are
linked through the rows, so the tables never move or grow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.sent_log import SENT_LOG, SENT_PACKET
from sfu.bwe.kernels.state import ESTIMATOR
from sfu.routing.kernels.connection_columns import (
    ALLOWANCES,
    CONNECTION,
    MAX_ADDRESSES,
    QUEUED_PACKETS,
    REMOTE,
    REPORTED_PACKETS,
    RETIRED_SLOTS,
    SOURCE_SLOTS,
    UFRAGS,
)
from sfu.routing.kernels.media_columns import (
    ARRIVALS,
    ENCODING,
    PACKET_SLOT_BYTES,
    PARAMETER_INDEXES,
    PARAMETERS,
    TRACK,
)
from sfu.routing.kernels.memory import late_zeros
from sfu.routing.kernels.subscription_columns import (
    LEFT_SOURCE,
    LEFT_SOURCES,
    LOGGED_PACKETS,
    RENUMBERING,
    RENUMBERINGS,
    SEALED,
    SEALED_BYTES,
    SENT,
    SUBSCRIPTION,
)
from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.rtp import PACKET


@bundle
class Tables(NamedTuple):
    """One shard's tables, indexes and packet history, as kernels take them."""

    connections: NDArray[Any]
    tracks: NDArray[Any]
    encodings: NDArray[Any]
    subscriptions: NDArray[Any]
    by_address: NDArray[np.int32]  # of addresses
    by_ssrc: NDArray[np.int32]
    counters: NDArray[np.int64]
    touched: NDArray[np.int32]  # tracks with packets in this batch; [0] is their number
    arrivals: NDArray[np.int64]  # [encodings, ARRIVALS] extended sequence numbers
    structures: NDArray[Any]  # [encodings] of STRUCTURE, for dependency descriptors
    renumberings: NDArray[Any]  # [subscriptions, RENUMBERINGS]
    logs: NDArray[Any]  # [logs, LOGGED_PACKETS] of SENT
    estimators: NDArray[Any]  # [connections] of ESTIMATOR
    uplinks: NDArray[Any]  # the same of the way in, where the client sends abs-send-time and no more
    sent: NDArray[Any]  # [connections, SENT_LOG] of SENT_PACKET
    arrived: NDArray[np.int64]  # [connections, REPORTED_PACKETS] times, by transport-wide sequence number
    addresses: NDArray[Any]  # [connections * MAX_ADDRESSES] of REMOTE
    source_ssrcs: NDArray[np.int64]  # [connections, SOURCE_SLOTS] SSRCs plus one, 0: free
    source_heard: NDArray[np.int64]  # [connections, SOURCE_SLOTS] when, in microseconds
    retired: NDArray[np.uint32]  # [connections, RETIRED_SLOTS] SSRCs, 0: free
    queue_index: NDArray[np.int64]  # [connections, 2, 2]: entries ever written and read; repeats, then media
    queues: NDArray[np.int64]  # [connections, 2, QUEUED_PACKETS]: subscription << 16 | egress sequence number
    busy: NDArray[np.int32]  # connections that have something to send later; [0] is their number
    reporting: NDArray[np.int32]  # connections that are to be reported to; [0] is their number
    history_packets: NDArray[Any]  # ring of PACKET
    history_data: Octets  # a slot for each
    history_written: NDArray[np.int64]  # [1]: how many were ever written
    left_sources: NDArray[Any]  # [subscriptions, LEFT_SOURCES]
    sealed: NDArray[Any]  # [sealed rows, LOGGED_PACKETS] of SEALED
    sealed_data: NDArray[np.uint8]  # [sealed rows, SEALED_BYTES]
    sealed_written: NDArray[np.int64]  # [sealed rows]: octets that were ever written
    parameters: NDArray[Any]  # [tracks, PARAMETER_INDEXES] of PARAMETERS
    allowances: NDArray[np.int64]  # [connections, ALLOWANCES] from when on each is within its rate, see allowances.py
    ufrags: NDArray[np.int64]  # [connections * UFRAGS] local ICE user fragments, see wire/kernels/binding.py; -1: none
    by_ufrag: NDArray[np.int32]  # of ufrags


def make_tables(
    connections: int,
    tracks: int,
    encodings: int,
    subscriptions: int,
    counters: int,
    *,
    logs: int = 1,
    history: int = 1,
    resent: int = 1,
) -> Tables:
    """Empty tables of the given numbers of rows; memory is committed as rows are used.

    `logs`: subscriptions that can ask for packets again; `history`: packets kept for that; `resent`: subscriptions
    whose packets are kept as they went out. Indexes are at most a quarter full.
    """
    made = Tables(
        late_zeros(connections, CONNECTION),
        late_zeros(tracks, TRACK),
        late_zeros(encodings, ENCODING),
        late_zeros(subscriptions, SUBSCRIPTION),
        np.full(_index_size(connections * MAX_ADDRESSES), -1, np.int32),
        np.full(_index_size(encodings), -1, np.int32),
        late_zeros(counters, np.int64),
        late_zeros(tracks + 1, np.int32),
        late_zeros((encodings, ARRIVALS), np.int64),
        late_zeros(encodings, STRUCTURE),
        late_zeros((subscriptions, RENUMBERINGS), RENUMBERING),
        late_zeros((logs, LOGGED_PACKETS), SENT),
        late_zeros(connections, ESTIMATOR),
        late_zeros(connections, ESTIMATOR),
        late_zeros((connections, SENT_LOG), SENT_PACKET),
        late_zeros((connections, REPORTED_PACKETS), np.int64),
        late_zeros(connections * MAX_ADDRESSES, REMOTE),
        late_zeros((connections, SOURCE_SLOTS), np.int64),
        late_zeros((connections, SOURCE_SLOTS), np.int64),
        late_zeros((connections, RETIRED_SLOTS), np.uint32),
        late_zeros((connections, 2, 2), np.int64),
        late_zeros((connections, 2, QUEUED_PACKETS), np.int64),
        late_zeros(connections + 1, np.int32),
        late_zeros(connections + 1, np.int32),
        late_zeros(history, PACKET),
        late_zeros(history * PACKET_SLOT_BYTES, np.uint8),
        late_zeros(1, np.int64),
        late_zeros((subscriptions, LEFT_SOURCES), LEFT_SOURCE),
        late_zeros((resent, LOGGED_PACKETS), SEALED),
        late_zeros((resent, SEALED_BYTES), np.uint8),
        late_zeros(resent, np.int64),
        late_zeros((tracks, PARAMETER_INDEXES), PARAMETERS),
        late_zeros((connections, ALLOWANCES), np.int64),
        np.full(connections * UFRAGS, -1, np.int64),
        np.full(_index_size(connections * UFRAGS), -1, np.int32),
    )
    made.tracks["batch_first"] = -1
    made.tracks["kept"] = -1
    return made


def _index_size(rows: int) -> int:
    return 1 << (4 * rows - 1).bit_length()
