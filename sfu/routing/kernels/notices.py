"""Notices: what the plane tells the control side."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.messages import NAME_STRIDE, NOTICES, Buffers
from sfu.routing.kernels.rings import DATAGRAM_SLOT_BYTES, WRITTEN, publish, writable
from sfu.routing.kernels.tables import ADDRESS_BYTES, Tables
from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import stage


class NoticeKind(enum.IntEnum):
    """What a `NOTICE` record says."""

    STUN = 1
    DTLS = 2
    RTCP = 3
    SOURCE_LEARNED = 4
    GAP = 5
    REPAIRED = 6
    REPEAT_MISSED = 7
    STRANDED = 8
    ESTIMATE = 9
    UPLINK = 10


SOURCE_LEARNED = int(NoticeKind.SOURCE_LEARNED)
ESTIMATE = int(NoticeKind.ESTIMATE)
UPLINK = int(NoticeKind.UPLINK)
_REPEAT_MISSED = int(NoticeKind.REPEAT_MISSED)
_RING_FULL = int(Counter.DROP_NOTICE_RING_FULL)
_TRUNCATED = int(Counter.DROP_TRUNCATED_DATAGRAM)


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
    """Pass a datagram on to the control side, with the address it came from.

    Strangers may fill only half of the ring, so that a flood from outside does not keep known peers out.
    """
    slots = len(notices)
    free = writable(index, slots)
    if free == 0 or (connection < 0 and 2 * free <= slots):
        tables.counters[_RING_FULL] += 1
        return
    if end - start > DATAGRAM_SLOT_BYTES:
        tables.counters[_TRUNCATED] += 1
        return
    notice = notices[index[WRITTEN] % slots]
    notice["kind"] = kind
    notice["connection"] = connection
    notice["data_bytes"] = end - start
    copy_octets(notice["data"], 0, buffers.received, start, end - start)
    notice["address_bytes"] = ADDRESS_BYTES
    for k in range(ADDRESS_BYTES):
        notice["address"][k] = buffers.receive_names[message * NAME_STRIDE + k]
    publish(index, 1)
    buffers.state[NOTICES] += 1


@stage
def push_source(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    connection: int,
    encoding: int,
    ssrc: int,
) -> None:
    """Tell that an encoding's SSRC was learned."""
    if writable(index, len(notices)) == 0:
        tables.counters[_RING_FULL] += 1
        return
    notice = notices[index[WRITTEN] % len(notices)]
    notice["kind"] = SOURCE_LEARNED
    notice["connection"] = connection
    notice["a"] = encoding
    notice["b"] = ssrc
    notice["data_bytes"] = 0
    notice["address_bytes"] = 0
    publish(index, 1)
    buffers.state[NOTICES] += 1


@stage
def push_numbers(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    kind: int,
    row: int,
    first: int,
    count: int,
) -> None:
    """Tell of packets by their numbers: of encoding `row` those missing or repaired, of subscription `row` those that
    could not be repeated. With STRANDED `first` is a mask of Layers.
    """
    if writable(index, len(notices)) == 0:
        tables.counters[_RING_FULL] += 1
        return
    notice = notices[index[WRITTEN] % len(notices)]
    notice["kind"] = kind
    if kind == _REPEAT_MISSED:
        notice["connection"] = tables.subscriptions[row]["connection"]
    else:
        notice["connection"] = tables.encodings[row]["connection"]
    notice["a"] = row
    notice["b"] = first
    notice["data_bytes"] = count
    notice["address_bytes"] = 0
    publish(index, 1)
    buffers.state[NOTICES] += 1


@stage
def push_rate(
    tables: Tables,
    buffers: Buffers,
    index: NDArray[np.int64],
    notices: NDArray[Any],
    kind: int,
    connection: int,
    rate_bps: int,
) -> bool:
    """Tell what a connection's path carries, ESTIMATE or UPLINK; False where the ring is full."""
    if writable(index, len(notices)) == 0:
        tables.counters[_RING_FULL] += 1
        return False
    notice = notices[index[WRITTEN] % len(notices)]
    notice["kind"] = kind
    notice["connection"] = connection
    notice["a"] = rate_bps
    notice["data_bytes"] = 0
    notice["address_bytes"] = 0
    publish(index, 1)
    buffers.state[NOTICES] += 1
    return True
