"""The forwarding tables. The plane is their only writer; the control side may read counters from them.

Rows refer to each other by index; -1 means none. Lists (a track's subscriptions, a connection's encodings) are
linked through the rows, so the tables never move or grow.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.sent_log import SENT_LOG, SENT_PACKET, SENT_PACKET_COLUMNS
from sfu.bwe.kernels.state import ESTIMATOR, ESTIMATOR_COLUMNS
from sfu.routing.kernels.connection_columns import (
    ALLOWANCES,
    CHECK_COLUMNS,
    CHECKS,
    CONNECTION,
    CONNECTION_COLUMNS,
    MAX_ADDRESSES,
    QUEUED_PACKETS,
    REMEMBERED_CHECKS,
    REMOTE,
    REMOTE_COLUMNS,
    REPORTED_PACKETS,
    RETIRED_SLOTS,
    SOURCE_SLOTS,
    UFRAGS,
)
from sfu.routing.kernels.media_columns import (
    ARRIVALS,
    ENCODING,
    ENCODING_COLUMNS,
    PACKET_SLOT_BYTES,
    PARAMETER_INDEXES,
    PARAMETERS,
    PARAMETERS_COLUMNS,
    TRACK,
    TRACK_COLUMNS,
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
    SEALED_COLUMNS,
    SENT,
    SENT_COLUMNS,
    SHIFT_COLUMNS,
    STRETCH_COLUMNS,
    SUBSCRIPTION,
    SUBSCRIPTION_COLUMNS,
)
from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.columns import Anybody, Whole
from sfu.wire.kernels.dependency_structure import STRUCTURE
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.rtp import PACKET


@bundle
class Tables(NamedTuple):
    """One shard's tables, indexes and packet history, as kernels take them."""

    connections: Annotated[NDArray[Any], CONNECTION_COLUMNS]
    tracks: Annotated[NDArray[Any], TRACK_COLUMNS]
    encodings: Annotated[NDArray[Any], ENCODING_COLUMNS]
    subscriptions: Annotated[NDArray[Any], SUBSCRIPTION_COLUMNS]
    by_address: Annotated[NDArray[np.int32], Whole("index")]  # [slots, 2] of addresses
    by_ssrc: Annotated[NDArray[np.int32], Whole("index")]  # [slots, 2] of encodings
    counters: Annotated[NDArray[np.int64], Anybody()]
    touched: Annotated[NDArray[np.int32], Whole("fanout")]  # tracks with packets in this batch; [0] is their number
    arrivals: Annotated[NDArray[np.int64], Whole("reception")]  # [encodings, ARRIVALS] extended sequence numbers
    structures: Annotated[NDArray[Any], Whole("describe")]  # [encodings] of STRUCTURE, for dependency descriptors
    renumberings: Annotated[NDArray[Any], SHIFT_COLUMNS]  # [subscriptions, RENUMBERINGS]
    logs: Annotated[NDArray[Any], SENT_COLUMNS]  # [logs, LOGGED_PACKETS] of SENT
    estimators: Annotated[NDArray[Any], ESTIMATOR_COLUMNS]  # [connections] of ESTIMATOR
    # the same of the way in, where the client sends abs-send-time and no more
    uplinks: Annotated[NDArray[Any], ESTIMATOR_COLUMNS]
    sent: Annotated[NDArray[Any], SENT_PACKET_COLUMNS]  # [connections, SENT_LOG] of SENT_PACKET
    # [connections, REPORTED_PACKETS] times, by transport-wide sequence number
    arrived: Annotated[NDArray[np.int64], Whole("arrival_report")]
    addresses: Annotated[NDArray[Any], REMOTE_COLUMNS]  # [connections * MAX_ADDRESSES] of REMOTE
    source_ssrcs: Annotated[NDArray[np.int64], Whole("sources")]  # [connections, SOURCE_SLOTS] SSRCs plus one, 0: free
    source_heard: Annotated[NDArray[np.int64], Whole("sources")]  # [connections, SOURCE_SLOTS] when, in microseconds
    retired: Annotated[NDArray[np.uint32], Whole("sources")]  # [connections, RETIRED_SLOTS] SSRCs, 0: free
    # [connections, 2, 2]: entries ever written and read; repeats, then media
    queue_index: Annotated[NDArray[np.int64], Whole("pacing")]
    # [connections, 2, QUEUED_PACKETS]: subscription << 16 | egress sequence number
    queues: Annotated[NDArray[np.int64], Whole("pacing")]
    # connections that have something to send later; [0] is their number
    busy: Annotated[NDArray[np.int32], Whole("pacing")]
    # connections that are to be reported to; [0] is their number
    reporting: Annotated[NDArray[np.int32], Whole("arrival_report")]
    history_packets: Annotated[NDArray[Any], Whole("history")]  # ring of PACKET
    history_data: Annotated[Octets, Whole("history")]  # a slot for each
    history_written: Annotated[NDArray[np.int64], Whole("history")]  # [1]: how many were ever written
    left_sources: Annotated[NDArray[Any], STRETCH_COLUMNS]  # [subscriptions, LEFT_SOURCES]
    sealed: Annotated[NDArray[Any], SEALED_COLUMNS]  # [sealed rows, LOGGED_PACKETS] of SEALED
    sealed_data: Annotated[NDArray[np.uint8], Whole("sealed")]  # [sealed rows, SEALED_BYTES]
    # [sealed rows]: octets that were ever written
    sealed_written: Annotated[NDArray[np.int64], Whole("sealed")]
    parameters: Annotated[NDArray[Any], PARAMETERS_COLUMNS]  # [tracks, PARAMETER_INDEXES] of PARAMETERS
    # [connections, ALLOWANCES] from when on each is within its rate, see allowances.py
    allowances: Annotated[NDArray[np.int64], Whole("allowances")]
    # [connections * UFRAGS] local ICE user fragments, see wire/kernels/binding.py; -1: none
    ufrags: Annotated[NDArray[np.int64], Whole("connection_commands")]
    by_ufrag: Annotated[NDArray[np.int32], Whole("index")]  # [slots, 2] of ufrags
    checks: Annotated[NDArray[Any], CHECK_COLUMNS]  # [connections] of CHECKS
    # [connections, REMEMBERED_CHECKS] the last 63 bits of ids, a ring
    transactions: Annotated[NDArray[np.int64], Whole("consent")]


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
        np.full((_index_size(connections * MAX_ADDRESSES), 2), -1, np.int32),
        np.full((_index_size(encodings), 2), -1, np.int32),
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
        np.full((_index_size(connections * UFRAGS), 2), -1, np.int32),
        late_zeros(connections, CHECKS),
        late_zeros((connections, REMEMBERED_CHECKS), np.int64),
    )
    made.tracks["batch_first"] = -1
    made.tracks["kept"] = -1
    return made


def _index_size(rows: int) -> int:
    return 1 << (4 * rows - 1).bit_length()
