"""The buffers and message headers that `recvmmsg` and `sendmmsg` work on, laid out once at set-up."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.sent_log import SENT_LOG
from sfu.routing.kernels.media_columns import PACKET_SLOT_BYTES
from sfu.routing.kernels.numbering import NUMBERS
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.wire.kernels.ancillary import CONTROL_STRIDE, SEGMENT_BYTES
from sfu.wire.kernels.binding import CHECK
from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.rtp import PACKET
from sfu.wire.kernels.sha1 import WORK
from sfu.wire.kernels.system import MESSAGE, VECTOR
from sfu.wire.local_address import LOCAL_BYTES

RECEIVE_MESSAGES = 64
RECEIVE_BYTES = 65536
RELAY_PACKETS = 256
"""Packets taken from relay rings in one round."""
BATCH_PACKETS = 1024
NAME_STRIDE = 32
RELAY_BASE = RECEIVE_MESSAGES * RECEIVE_BYTES

SEND_MESSAGES = 32
SEND_BYTES = 256 * 1024
MAX_SEGMENTS = 64
"""Packets that one UDP_SEGMENT message may carry (the kernel's UDP_MAX_SEGMENTS)."""
MAX_MESSAGE_BYTES = 60000
SEND_CONTROL_BYTES = SEGMENT_BYTES + LOCAL_BYTES

COUNT, POSITION, PACKETS, NOTICES, VIRTUAL_US, SWEPT_US, CONTROLLED, FOLLOWED, CHARGED_US = range(9)
STATES = 9


@bundle
class Buffers(NamedTuple):
    """One shard's packet memory."""

    received: Octets  # RECEIVE_MESSAGES datagrams, then RELAY_PACKETS relayed packets
    packets: NDArray[Any]  # the batch, rows of PACKET
    receive_messages: NDArray[Any]
    receive_vectors: NDArray[Any]
    receive_names: Octets
    receive_controls: Octets
    out: Octets
    send_messages: NDArray[Any]
    send_vectors: NDArray[Any]
    send_controls: Octets
    owner: NDArray[np.int32]  # the connection each message goes to
    segments: NDArray[np.int32]
    segment_bytes: NDArray[np.int32]
    closed: NDArray[np.int32]  # a shorter packet ended the message
    single_message: NDArray[Any]
    single_vector: NDArray[Any]
    local: Octets  # to which of our addresses what is looked at came
    length: NDArray[np.int32]  # in-out argument of libsrtp
    state: NDArray[np.int64]  # COUNT of open messages, POSITION in out, PACKETS in the batch, NOTICES pushed,
    # VIRTUAL_US the time in place of the clock (0: none), SWEPT_US when the estimates were last looked at,
    # CONTROLLED how many connections have one, FOLLOWED the packet of the history that `following` was found for,
    # CHARGED_US until when the rounds so far are paid for, see coalescing.py
    timespec: NDArray[np.int64]
    event: NDArray[np.int64]  # what an eventfd reads and writes
    numbers: NDArray[np.int64]  # what a packet is numbered with, see numbering.py
    feedback: NDArray[np.int64]  # head of a transport-wide feedback
    fates: NDArray[np.int64]  # arrival times that it tells
    following: NDArray[np.int64]  # what the history has behind a late packet, see replay.py
    poll: NDArray[np.int32]  # struct pollfd: fd, events and revents
    check: NDArray[np.int64]  # what a connectivity check says
    digest: NDArray[np.int64]  # what SHA-1 works on


def make_buffers() -> Buffers:
    """Allocate and link all buffers; the arrays must stay where they are as long as the plane runs."""
    made = Buffers(
        received=np.zeros(RELAY_BASE + RELAY_PACKETS * PACKET_SLOT_BYTES, np.uint8),
        packets=np.zeros(BATCH_PACKETS, PACKET),
        receive_messages=np.zeros(RECEIVE_MESSAGES, MESSAGE),
        receive_vectors=np.zeros(RECEIVE_MESSAGES, VECTOR),
        receive_names=np.zeros(RECEIVE_MESSAGES * NAME_STRIDE, np.uint8),
        receive_controls=np.zeros(RECEIVE_MESSAGES * CONTROL_STRIDE, np.uint8),
        out=np.zeros(SEND_BYTES, np.uint8),
        send_messages=np.zeros(SEND_MESSAGES, MESSAGE),
        send_vectors=np.zeros(SEND_MESSAGES, VECTOR),
        send_controls=np.zeros(SEND_MESSAGES * SEND_CONTROL_BYTES, np.uint8),
        owner=np.zeros(SEND_MESSAGES, np.int32),
        segments=np.zeros(SEND_MESSAGES, np.int32),
        segment_bytes=np.zeros(SEND_MESSAGES, np.int32),
        closed=np.zeros(SEND_MESSAGES, np.int32),
        single_message=np.zeros(1, MESSAGE),
        single_vector=np.zeros(1, VECTOR),
        local=np.zeros(LOCAL_BYTES, np.uint8),
        length=np.zeros(1, np.int32),
        state=np.zeros(STATES, np.int64),
        timespec=np.zeros(2, np.int64),
        event=np.zeros(1, np.int64),
        numbers=np.zeros(NUMBERS, np.int64),
        feedback=np.zeros(4, np.int64),
        fates=np.zeros(SENT_LOG, np.int64),
        following=np.full(LOGGED_PACKETS, -1, np.int64),
        poll=np.zeros(4, np.int32),
        check=np.zeros(CHECK, np.int64),
        digest=np.zeros(WORK, np.int64),
    )
    made.state[FOLLOWED] = -1
    for k in range(RECEIVE_MESSAGES):
        _link(made.receive_messages, made.receive_vectors, k)
        made.receive_vectors[k]["base"] = made.received.ctypes.data + k * RECEIVE_BYTES
        made.receive_vectors[k]["bytes"] = RECEIVE_BYTES
        made.receive_messages[k]["name"] = made.receive_names.ctypes.data + k * NAME_STRIDE
        made.receive_messages[k]["control"] = made.receive_controls.ctypes.data + k * CONTROL_STRIDE
    for k in range(SEND_MESSAGES):
        _link(made.send_messages, made.send_vectors, k)
    _link(made.single_message, made.single_vector, 0)
    return made


def _link(messages: NDArray[Any], vectors: NDArray[Any], k: int) -> None:
    messages[k]["vectors"] = vectors.ctypes.data + k * VECTOR.itemsize
    messages[k]["vector_count"] = 1
