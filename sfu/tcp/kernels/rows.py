"""The state of TCP connections, and of allocations by UDP: a row each, up to four legs of each, and what waits."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.native import EVENT_WORDS
from sfu.wire.kernels.ancillary import CONTROL_STRIDE, SEGMENT_BYTES
from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.system import MESSAGE, VECTOR
from sfu.wire.local_address import LOCAL_BYTES
from sfu.wire.sockaddr import SOCKADDR_BYTES


class Carries(IntEnum):
    """What a connection turned out to carry, by its first octets."""

    UNKNOWN = 0
    HTTP = 1
    ICE = 2
    """Packets of ICE-TCP, each behind its length (RFC 6544, RFC 4571)."""
    TURN = 3
    """Messages of STUN and ChannelData (RFC 8656)."""


class State(IntEnum):
    """Of a row."""

    FREE = 0
    OPEN = 1
    ENDED = 2
    """The kernel is done with it; its descriptors are still open."""


class Ended(IntEnum):
    """Why a connection ended."""

    CLOSED = 0
    """By the other end."""
    FAILED = 1
    """By the network, or a TLS handshake that failed."""
    NONSENSE = 2
    """It carries nothing that is spoken here, or not in the form that it has."""
    SERVED = 3
    """By the HTTP server."""
    DISMISSED = 4
    """By Python."""
    CERTIFICATE = 5
    """By the client, which does not take our certificate."""


class Order(IntEnum):
    """What Python has the kernel do."""

    OPEN = 0
    """Serve the connection whose descriptor and `SSL` stand in its row."""
    ATTACH = 1
    """Use a leg, whose descriptor and prefix stand in it."""
    BIND = 2
    """Let a leg have the channel `number`."""
    ANSWER = 3
    """Send octets, perhaps none, and go on with what has come."""
    CLOSE = 4
    """End the connection."""


class NoticeKind(IntEnum):
    """What Python is told."""

    CARRIES = 0
    """The first octets have come. The connection waits."""
    MESSAGE = 1
    """A STUN message that is for Python. The connection waits until it is answered."""
    ENDED = 2
    STRANGER = 3
    """Who has no row asks by UDP for an allocation: the row is the twin's number, the data begin with his sockaddr
    and the local address to which he sends."""


LEGS = 4
"""UDP sockets of one connection, each towards one address that it wants to reach; HTTP and ICE have one."""
EVENTS = 64
"""Descriptors that are handled in one round."""
ORDERS = 64
"""Orders that are carried out in one round."""
TWINS = 64
"""UDP sockets on which clients of TURN come, one for each shard."""
TWIN_NOTICES = 64
"""Requests that are taken from all of them in one round; more are dropped, and come again."""
NOTICES = 2 * EVENTS + 2 * ORDERS + TWIN_NOTICES
"""One descriptor of a row makes no more than two notices, and so does one order."""
MAX_MESSAGE_BYTES = 2048
"""Longest STUN message or packet that is taken."""
IN_BYTES = 20_480
"""One record of TLS, and what is left of a message before it."""
OUT_BYTES = 196_608
"""What may wait for one connection: a second at 1.5 Mbit/s."""
HTTP_BYTES = 32_768
"""And of it what may wait of HTTP, which the HTTP server holds back itself."""
ENTRIES = 512
"""Packets that may wait for one connection."""
WAKE = 0xFFFF_FFFF
"""The key of the event that wakes the kernel."""
TWIN_KEYS = 0xFFFF_FF00
"""The key of the first twin; the others follow."""

ROW = np.dtype(
    [
        ("ssl", np.int64),
        ("tcp", np.int32),  # -1: it is UDP
        ("twin", np.int32),  # by which an allocation by UDP comes, counted from 1; 0: it is TCP
        ("state", np.uint8),
        ("carries", np.uint8),
        ("ended", np.uint8),  # why
        ("waits", np.uint8),  # for Python's answer: nothing more is read
        ("writes", np.uint8),  # it is told when there is room to send
        ("closing", np.uint8),  # it ends when all is sent
        ("in_bytes", np.int32),
        ("head", np.int32),  # what waits to be sent is out[head:tail]
        ("tail", np.int32),
        ("locked", np.int32),  # so much of it, from the head on, must go out as it stands
        ("first", np.int32),  # its entries are first to last
        ("last", np.int32),
        ("pruned_ms", np.int64),
        ("heard_ms", np.int64),  # when something came last
        ("moved_ms", np.int64),  # when something went out last, or nothing waited
        ("in_total", np.int64),
        ("out_total", np.int64),
        ("asks_ms", np.int64),  # of UDP: until when what it asks is paid for
        ("address", np.uint8, SOCKADDR_BYTES),  # of UDP
        ("local", np.uint8, LOCAL_BYTES),  # of UDP: to which of our addresses its client sends
        ("local_bytes", np.int32),
    ],
    align=True,
)
LEG = np.dtype(
    [
        ("fd", np.int32),  # -1: there is none
        ("channel", np.uint16),  # of ChannelData; 0: none is bound
        ("prefix_bytes", np.uint8),
        ("paused", np.uint8),  # nothing is read from it
        ("writes", np.uint8),  # it is told when there is room to send
        ("prefix", np.uint8, 48),  # a Data indication up to its data: header, XOR-PEER-ADDRESS, DATA
    ],
    align=True,
)
ENTRY = np.dtype([("came_ms", np.int64), ("bytes", np.int32), ("media", np.int32)], align=True)
"""One frame that waits. `media`: it may be dropped when it is late."""
ORDER = np.dtype(
    [("order", np.int32), ("row", np.int32), ("leg", np.int32), ("number", np.int32), ("bytes", np.int32)], align=True
)
NOTICE = np.dtype([("row", np.int32), ("kind", np.int32), ("bytes", np.int32)], align=True)

RECEIVE_MESSAGES = 32
RECEIVE_BYTES = 65_536
NAME_STRIDE = 32
FRAMES_BYTES = RECEIVE_BYTES
"""What one message to a client by UDP takes; the system splits it again (UDP_SEGMENT)."""


@bundle
class Pumped(NamedTuple):
    """All connections, and what the kernel needs besides."""

    rows: NDArray[Any]
    legs: NDArray[Any]  # [rows, LEGS]
    inbox: Octets  # [rows, IN_BYTES]
    outbox: Octets  # [rows, OUT_BYTES]
    entries: NDArray[Any]  # [rows, ENTRIES]
    notices: NDArray[Any]
    notice_data: Octets  # [NOTICES, MAX_MESSAGE_BYTES]
    orders: NDArray[Any]
    order_data: Octets  # [ORDERS, MAX_MESSAGE_BYTES]
    state: NDArray[np.int64]  # see below
    twins: NDArray[np.int32]  # descriptors; -1: none
    by_address: NDArray[np.int32]  # rows of UDP, see row_index.py
    counters: NDArray[np.int64]
    events: NDArray[np.uint32]  # struct epoll_event, in words
    event: NDArray[np.uint32]  # one to hand over
    clock: NDArray[np.int64]  # struct timespec; what an eventfd reads
    received: Octets
    messages: NDArray[Any]
    vectors: NDArray[Any]
    controls: Octets
    names: Octets
    frames: Octets
    sent: NDArray[Any]  # the message that is sent by UDP
    sent_vector: NDArray[Any]
    sent_control: Octets
    local: Octets  # to which of our addresses what is looked at came


EPOLL, WAKE_EVENT, WAITING, ORDERED, TWINS_TOLD, STRANGERS_MS = 0, 1, 2, 3, 4, 5
"""Of `state`: epoll's descriptor, the wake event's, notices and orders that wait; notices of twins in this round; until
when what strangers ask is paid for.
"""


def make_pumped(rows: int) -> Pumped:
    """Room for so many connections; memory is committed only as it is used."""
    made = Pumped(
        rows=np.zeros(rows, ROW),
        legs=np.zeros((rows, LEGS), LEG),
        inbox=np.zeros((rows, IN_BYTES), np.uint8),
        outbox=np.zeros((rows, OUT_BYTES), np.uint8),
        entries=np.zeros((rows, ENTRIES), ENTRY),
        notices=np.zeros(NOTICES, NOTICE),
        notice_data=np.zeros((NOTICES, MAX_MESSAGE_BYTES), np.uint8),
        orders=np.zeros(ORDERS, ORDER),
        order_data=np.zeros((ORDERS, MAX_MESSAGE_BYTES), np.uint8),
        state=np.full(6, -1, np.int64),
        twins=np.full(TWINS, -1, np.int32),
        by_address=np.full((1 << (2 * rows).bit_length(), 2), -1, np.int32),
        counters=np.zeros(len(Counter), np.int64),
        events=np.zeros(EVENTS * EVENT_WORDS, np.uint32),
        event=np.zeros(EVENT_WORDS, np.uint32),
        clock=np.zeros(2, np.int64),
        received=np.zeros(RECEIVE_MESSAGES * RECEIVE_BYTES, np.uint8),
        messages=np.zeros(RECEIVE_MESSAGES, MESSAGE),
        vectors=np.zeros(RECEIVE_MESSAGES, VECTOR),
        controls=np.zeros(RECEIVE_MESSAGES * CONTROL_STRIDE, np.uint8),
        names=np.zeros(RECEIVE_MESSAGES * NAME_STRIDE, np.uint8),
        frames=np.zeros(FRAMES_BYTES, np.uint8),
        sent=np.zeros(1, MESSAGE),
        sent_vector=np.zeros(1, VECTOR),
        sent_control=np.zeros(SEGMENT_BYTES + LOCAL_BYTES, np.uint8),
        local=np.zeros(LOCAL_BYTES, np.uint8),
    )
    made.legs["fd"] = -1
    made.state[WAITING:] = 0
    for k in range(RECEIVE_MESSAGES):
        made.vectors[k]["base"] = made.received.ctypes.data + k * RECEIVE_BYTES
        made.vectors[k]["bytes"] = RECEIVE_BYTES
        made.messages[k]["vectors"] = made.vectors.ctypes.data + k * VECTOR.itemsize
        made.messages[k]["vector_count"] = 1
        made.messages[k]["control"] = made.controls.ctypes.data + k * CONTROL_STRIDE
    return made
