"""The loop's own memory: datagrams, the headers that `recvmmsg` and `sendmmsg` work on, scratch words."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.generator.arrivals import MOST_STATUSES
from bench.generator.layout import FULL_BYTES, GRO_BYTES, SHORT_BYTES
from bench.generator.native import EPOLL_EVENT, IOVEC, message_array

#: A control message carrying UDP_GRO's segment size: a header of 16 bytes and an int (recvmsg(2)).
ANCILLARY_BYTES = 24
#: A control message carrying a SO_TIMESTAMPNS: a header of 16 bytes and a timespec (socket(7)).
STAMP_BYTES = 32
_RECEIVE_MESSAGES = 32
_GRO_MESSAGES = 8
_SEND_MESSAGES = 64
_EVENTS = 256
_REPORT_BYTES = 2048


class Buffers(NamedTuple):
    """Arrays that must stay where they are while the loop runs."""

    outgoing: NDArray[np.uint8]  # one frame's packets
    outgoing_messages: NDArray[Any]
    outgoing_vectors: NDArray[Any]
    short: NDArray[np.uint8]  # packets of which only the header is wanted
    short_messages: NDArray[Any]
    short_vectors: NDArray[Any]
    short_stamps: NDArray[np.int64]  # (messages, 4): header, seconds, nanoseconds
    whole: NDArray[np.uint8]
    whole_messages: NDArray[Any]
    whole_vectors: NDArray[Any]
    whole_stamps: NDArray[np.int64]
    gro: NDArray[np.uint8]
    gro_messages: NDArray[Any]
    gro_vectors: NDArray[Any]
    ancillary: NDArray[np.uint8]
    events: NDArray[Any]
    report: NDArray[np.uint8]
    repeat: NDArray[np.uint8]
    symbols: NDArray[np.uint8]  # of a feedback packet
    length: NDArray[np.int32]  # in-out argument of libsrtp
    timespec: NDArray[np.int64]
    wait: NDArray[np.int64]


def make_buffers() -> Buffers:
    """Allocate and link everything."""
    outgoing = np.zeros((_SEND_MESSAGES, FULL_BYTES), np.uint8)
    short = np.zeros((_RECEIVE_MESSAGES, SHORT_BYTES), np.uint8)
    whole = np.zeros((_RECEIVE_MESSAGES, FULL_BYTES), np.uint8)
    gro = np.zeros((_GRO_MESSAGES, GRO_BYTES), np.uint8)
    ancillary = np.zeros((_GRO_MESSAGES, ANCILLARY_BYTES), np.uint8)
    stamps = [np.zeros((len(rows), STAMP_BYTES), np.uint8) for rows in (short, whole)]
    vectors = [np.zeros(len(rows), IOVEC) for rows in (outgoing, short, whole, gro)]
    return Buffers(
        outgoing=outgoing,
        outgoing_messages=message_array(outgoing, vectors[0]),
        outgoing_vectors=vectors[0],
        short=short,
        short_messages=message_array(short, vectors[1], stamps[0]),
        short_vectors=vectors[1],
        short_stamps=stamps[0].view(np.int64),
        whole=whole,
        whole_messages=message_array(whole, vectors[2], stamps[1]),
        whole_vectors=vectors[2],
        whole_stamps=stamps[1].view(np.int64),
        gro=gro,
        gro_messages=message_array(gro, vectors[3], ancillary),
        gro_vectors=vectors[3],
        ancillary=ancillary,
        events=np.zeros(_EVENTS, EPOLL_EVENT),
        report=np.zeros(_REPORT_BYTES, np.uint8),
        repeat=np.zeros(FULL_BYTES, np.uint8),
        symbols=np.zeros(MOST_STATUSES, np.uint8),
        length=np.zeros(1, np.int32),
        timespec=np.zeros(2, np.int64),
        wait=np.zeros(2, np.int64),
    )
