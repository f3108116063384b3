"""Notices: what the plane tells the control side. What each says: notice_records.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.connection_columns import ADDRESS_BYTES
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.messages import NAME_STRIDE, NOTICES, Buffers
from sfu.routing.kernels.notice_records import DATAGRAM_BYTES, NoticeKind
from sfu.routing.kernels.rings import WRITTEN, publish, writable
from sfu.routing.kernels.tables import Tables
from sfu.wire.kernels.ancillary import read_local
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import i64, stage

_SOURCE_LEARNED = int(NoticeKind.SOURCE_LEARNED)
_GAP = int(NoticeKind.GAP)
_REPAIRED = int(NoticeKind.REPAIRED)
_REPEAT_MISSED = int(NoticeKind.REPEAT_MISSED)
_KEY_FRAME_NEEDED = int(NoticeKind.KEY_FRAME_NEEDED)
_ESTIMATE = int(NoticeKind.ESTIMATE)
_UPLINK = int(NoticeKind.UPLINK)
_RING_FULL = int(Counter.DROP_NOTICE_RING_FULL)
_TRUNCATED = int(Counter.DROP_TRUNCATED_DATAGRAM)


@stage
def _begin(
    counters: NDArray[np.int64], index: NDArray[np.int64], notices: NDArray[Any], kind: int, connection: int
) -> int:
    """Return a slot for a notice, with its head written; -1 if the ring is full, which is counted."""
    if writable(index, len(notices)) == 0:
        counters[_RING_FULL] += 1
        return -1
    slot = index[WRITTEN] % len(notices)
    notices[slot]["kind"] = kind
    notices[slot]["connection"] = connection
    return slot


@stage
def _end(state: NDArray[np.int64], index: NDArray[np.int64]) -> None:
    """Hand a written notice to the control side."""
    publish(index, 1)
    state[NOTICES] += 1


@stage
def push_datagram(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    kind: int,
    connection: int,
    start: int,
    end: int,
    message: int,
) -> None:
    """Pass a datagram on to the control side, with the address it came from, and which of ours it came to.

    Strangers may fill only half of the ring, so that a flood from outside does not keep known peers out.
    """
    slots = len(notices)
    free = writable(index, slots)
    if free == 0 or (connection < 0 and 2 * free <= slots):
        tables.counters[_RING_FULL] += 1
        return
    if end - start > DATAGRAM_BYTES:
        tables.counters[_TRUNCATED] += 1
        return
    slot = _begin(tables.counters, index, notices, kind, connection)
    notice = notices[slot]["StoredDatagram"]
    notice["data_bytes"] = end - start
    copy_octets(notice["data"], 0, buffers.received, start, end - start)
    notice["address_bytes"] = ADDRESS_BYTES
    for k in range(ADDRESS_BYTES):
        notice["address"][k] = buffers.receive_names[message * NAME_STRIDE + k]
    controls = buffers.receive_controls
    notice["local_bytes"] = read_local(buffers.receive_messages, controls, message, notice["local"])
    _end(buffers.state, index)


@stage
def push_source(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    encoding: int,
    ssrc: int,
) -> None:
    """Tell that an encoding's SSRC was learned."""
    connection = i64(tables.encodings[encoding]["connection"])
    slot = _begin(tables.counters, index, notices, _SOURCE_LEARNED, connection)
    if slot >= 0:
        notices[slot]["SourceLearned"]["encoding"] = encoding
        notices[slot]["SourceLearned"]["ssrc"] = ssrc
        _end(buffers.state, index)


@stage
def push_gap(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    encoding: int,
    first: int,
    count: int,
) -> None:
    """Tell that packets of an encoding are missing."""
    slot = _begin(tables.counters, index, notices, _GAP, i64(tables.encodings[encoding]["connection"]))
    if slot >= 0:
        notices[slot]["Gap"]["encoding"] = encoding
        notices[slot]["Gap"]["first"] = first
        notices[slot]["Gap"]["count"] = count
        _end(buffers.state, index)


@stage
def push_repaired(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    encoding: int,
    sequence: int,
) -> None:
    """Tell that a packet of an encoding was sent again."""
    slot = _begin(tables.counters, index, notices, _REPAIRED, i64(tables.encodings[encoding]["connection"]))
    if slot >= 0:
        notices[slot]["Repaired"]["encoding"] = encoding
        notices[slot]["Repaired"]["sequence"] = sequence
        _end(buffers.state, index)


@stage
def push_key_frame_needed(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    encoding: int,
    layers: int,
) -> None:
    """Tell that these Layers of an encoding cannot go on without a key frame."""
    slot = _begin(tables.counters, index, notices, _KEY_FRAME_NEEDED, i64(tables.encodings[encoding]["connection"]))
    if slot >= 0:
        notices[slot]["KeyFrameNeeded"]["encoding"] = encoding
        notices[slot]["KeyFrameNeeded"]["layers"] = layers
        _end(buffers.state, index)


@stage
def push_missed(
    tables: Tables, buffers: Buffers, index: NDArray[np.int64], notices: NDArray[Any], subscription: int
) -> None:
    """Tell that the history no longer has what the receiver of a subscription asks for."""
    connection = i64(tables.subscriptions[subscription]["connection"])
    slot = _begin(tables.counters, index, notices, _REPEAT_MISSED, connection)
    if slot >= 0:
        notices[slot]["RepeatMissed"]["subscription"] = subscription
        _end(buffers.state, index)


@stage
def push_estimate(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    rate_bps: int,
    uplink: bool,
) -> bool:
    """Tell what the path to a connection's client carries, or with `uplink` the path from it; False where the ring is
    full.
    """
    slot = _begin(tables.counters, index, notices, _UPLINK if uplink else _ESTIMATE, connection)
    if slot < 0:
        return False
    if uplink:
        notices[slot]["UplinkEstimate"]["rate_bps"] = rate_bps
    else:
        notices[slot]["Estimate"]["rate_bps"] = rate_bps
    _end(buffers.state, index)
    return True
