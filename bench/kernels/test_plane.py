"""What one video frame costs, stage by stage. Each case prints its time for all the packets it names."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest

from bench.kernels.frame import FRAME_PACKETS, SUBSCRIBERS, Frame, make_frame
from sfu.routing.kernels import native
from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.fanout import forward_batch
from sfu.routing.kernels.gso_leveling import level_sizes
from sfu.routing.kernels.numbering import number_packet
from sfu.routing.kernels.rewrite import write_packet
from sfu.routing.kernels.select import FORWARD, select_packet
from sfu.wire.kernels.rtp import parse_rtp
from tests.local_addresses import build_local

_NOW_US = 1_000_000
_DELIVERIES = FRAME_PACKETS * SUBSCRIBERS
_ROUNDS = 200


# Not cached: Numba would not notice a change of the kernels these call.
@numba.njit(nogil=True)
def parse_all(buffer: Any, starts: Any, kinds: Any, packets: Any) -> int:
    good = 0
    for row in range(starts.shape[0]):
        good += parse_rtp(buffer, starts[row, 0], starts[row, 1], kinds, packets, row) == 0
    return good


@numba.njit(nogil=True)
def rewrite_all(tables: Any, buffers: Any, subscribers: int, count: int, now_us: int) -> int:
    size = 0
    for subscription in range(subscribers):
        for row in range(count):
            if select_packet(tables, subscription, buffers.packets, row) != FORWARD:
                continue
            number_packet(tables, subscription, buffers.packets, row, buffers.numbers)
            size += write_packet(
                tables,
                subscription,
                buffers.packets,
                row,
                buffers.received,
                buffers.out,
                0,
                now_us,
                buffers.numbers,
                False,
            )
    return size


@numba.njit(nogil=True)
def protect_all(sessions: Any, buffers: Any, size: int, count: int) -> int:
    good = 0
    for index in range(sessions.shape[0]):
        for sequence in range(count):
            buffers.out[0] = 0x80
            buffers.out[3] = sequence
            buffers.length[0] = size
            good += native.srtp_protect(sessions[index], buffers.out.ctypes.data, buffers.length.ctypes.data) == 0
    return good


def measure(benchmark: Any, function: Any, *arguments: Any) -> Any:
    """The function's result; timed a fixed number of times, since the first call compiles and misleads calibration."""
    return benchmark.pedantic(function, args=arguments, rounds=_ROUNDS, warmup_rounds=3)


@pytest.fixture
def sink() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        yield receiver


@pytest.fixture
def frame(sink: socket.socket) -> Frame:
    return make_frame(sink)


def test_parse_nine_packets(benchmark: Any, frame: Frame) -> None:
    starts = np.array(frame.starts, np.int64)
    assert (
        measure(benchmark, parse_all, frame.buffers.received, starts, frame.kinds, frame.buffers.packets)
        == FRAME_PACKETS
    )


def test_level_a_frame(benchmark: Any, frame: Frame) -> None:
    frame.batch()
    measure(benchmark, level_sizes, frame.buffers.packets, 0)
    pads = frame.buffers.packets["pad"][:FRAME_PACKETS]
    assert list(pads) == [1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_rewrite_nine_packets_for_100(benchmark: Any, frame: Frame) -> None:
    size = measure(benchmark, rewrite_all, frame.tables, frame.buffers, SUBSCRIBERS, FRAME_PACKETS, _NOW_US)
    assert size > _DELIVERIES * 1150


def test_protect_nine_packets_for_100(benchmark: Any, frame: Frame) -> None:
    handles = np.array([native.srtp_handle(session) for session in frame.sessions], np.int64)
    assert measure(benchmark, protect_all, handles, frame.buffers, 1170, FRAME_PACKETS) == _DELIVERIES


@pytest.mark.parametrize("local", [b"", build_local("127.0.0.1")], ids=["one_address", "several_addresses"])
def test_forward_nine_packets_to_100(benchmark: Any, frame: Frame, local: bytes) -> None:
    """Level, rewrite, protect, send: the sink's buffer overflows, so its half of the stack is not all paid."""
    counters = frame.tables.counters
    frame.tables.connections["local"][:, : len(local)] = np.frombuffer(local, np.uint8)
    frame.tables.connections["local_bytes"] = len(local)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))

        def forward() -> None:
            frame.batch()
            forward_batch(frame.tables, frame.buffers, sender.fileno(), _NOW_US)

        measure(benchmark, forward)
    sent = counters[Counter.SENT_PACKETS]
    assert sent > 0
    assert sent % _DELIVERIES == 0
    assert sent / counters[Counter.SENT_MESSAGES] > FRAME_PACKETS - 1
