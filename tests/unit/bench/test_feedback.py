"""Transport-wide feedback as the generator builds it, read by three others' eyes."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from aiortc.rtp import RtcpPacket, RtcpRtpfbPacket
from numpy.typing import NDArray

from bench.generator import layout as lay
from bench.generator.arrivals import MOST_STATUSES, TICK_NS, build_feedback, next_feedback
from bench.generator.buffers import make_buffers
from bench.generator.layout import Tables, make_tables
from bench.generator.receive import handle_datagram
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED, parse_transport_feedback

_TICK_US = 250
_ID = 3


def _ring(ticks: dict[int, int]) -> NDArray[np.int32]:
    ring = np.zeros(lay.ARRIVALS, np.int32)
    for number, tick in ticks.items():
        ring[number % lay.ARRIVALS] = tick + 1
    return ring


def _build(ticks: dict[int, int], first: int, last: int) -> tuple[bytes, int]:
    out, symbols = np.zeros(2048, np.uint8), np.zeros(MOST_STATUSES, np.uint8)
    size, covered = build_feedback(out, 0x11111111, 0x22222222, 5, _ring(ticks), first, last, symbols)
    return out[:size].tobytes(), covered


def _parse_ours(data: bytes) -> dict[int, int]:
    """Tick by 16-bit number, by the server's parser."""
    head, arrivals = np.zeros(4, np.int64), np.zeros(5000, np.int64)
    count = parse_transport_feedback(np.frombuffer(data, np.uint8), 0, len(data), head, arrivals)
    assert count > 0, count
    return {
        (int(head[0]) + k) & 0xFFFF: int(arrivals[k]) // _TICK_US for k in range(count) if arrivals[k] != NOT_RECEIVED
    }


def _parse_by_the_draft(data: bytes) -> dict[int, int]:
    """The same, written down from section 3.1 of the draft with lists of symbols."""
    base, count = struct.unpack_from("!HH", data, 12)
    ticks = int.from_bytes(data[16:19], "big") * 256
    symbols: list[int] = []
    at = 20
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", data, at)
        at += 2
        if chunk >> 15 == 0:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk >> 14 == 2:
            symbols += [chunk >> (13 - k) & 1 for k in range(14)]
        else:
            symbols += [chunk >> (12 - 2 * k) & 3 for k in range(7)]
    found = {}
    for k in range(count):
        if symbols[k] == 1:
            ticks += data[at]
        elif symbols[k] == 2:
            ticks += struct.unpack_from("!h", data, at)[0]
        if symbols[k]:
            at += symbols[k]
            found[(base + k) & 0xFFFF] = ticks
    assert len(data) - at < 4, "nothing stands behind the last delta but what fills it up"
    return found


_CASES = {
    "one packet": ({0x10000: 1000}, 0x10000, 0x10000),
    "a run": ({0x10000 + k: 1000 + k // 9 for k in range(40)}, 0x10000, 0x10027),
    "every second one": ({0x10000 + 2 * k: 5 * k for k in range(30)}, 0x10000, 0x1003A),
    "over the wrap": ({0x1FFF0 + k: 70_000 + k for k in range(40)}, 0x1FFF0, 0x20017),
    "large and negative": ({0x10000: 500, 0x10001: 900, 0x10002: 800, 0x10003: 801}, 0x10000, 0x10003),
    "a large one after twelve small": (
        {0x10000 + k: k for k in range(12)} | {0x1000C: 1000, 0x1000D: 1001},
        0x10000,
        0x1000D,
    ),
    "the first ones lost": ({0x10020: 300}, 0x10000, 0x10020),
    "a long hole": ({0x10000: 1, 0x10180: 200}, 0x10000, 0x10180),
}


@pytest.mark.parametrize("case", _CASES)
def test_feedback_reads_back_as_it_was(case: str) -> None:
    ticks, first, last = _CASES[case]
    data, covered = _build(ticks, first, last)
    assert covered == last - first + 1
    expected = {number & 0xFFFF: tick for number, tick in ticks.items()}
    assert _parse_ours(data) == expected
    assert _parse_by_the_draft(data) == expected
    assert len(data) % 4 == 0
    assert data[:2] == bytes([0x8F, 205])
    assert struct.unpack_from("!H", data, 2)[0] == len(data) // 4 - 1
    (read,) = RtcpPacket.parse(data)
    assert isinstance(read, RtcpRtpfbPacket)
    assert (read.fmt, read.ssrc, read.media_ssrc) == (15, 0x11111111, 0x22222222)


@pytest.mark.parametrize("seed", range(20))
def test_any_pattern_of_arrivals_reads_back(seed: int) -> None:
    rng = random.Random(seed)
    first = rng.randrange(0x10000, 0x30000)
    last = first + rng.randrange(1, 600)
    tick, ticks = rng.randrange(1 << 20), {}
    for number in range(first, last + 1):
        if rng.random() < rng.choice((0.2, 0.9, 1.0)) or number == last:
            tick = max(tick + rng.choice((0, 0, 0, 1, 4, 255, 256, 5000, -3)), 0)
            ticks[number] = tick
    told: dict[int, int] = {}
    at = first
    while at <= last:
        data, covered = _build(ticks, at, last)
        assert len(data) <= 1200
        assert covered > 0
        told |= _parse_ours(data)
        assert _parse_by_the_draft(data).items() <= told.items()
        at += covered
    assert told == {number & 0xFFFF: tick for number, tick in ticks.items()}


def test_what_came_too_far_apart_goes_into_two_packets() -> None:
    ticks = {0x10000: 0, 0x10001: 40_000}
    data, covered = _build(ticks, 0x10000, 0x10001)
    assert covered == 1
    assert _parse_ours(data) == {0: 0}


def test_nothing_came() -> None:
    assert _build({}, 0x10000, 0x10005) == (b"", 0)


def _packet(number: int) -> bytes:
    head = bytes([0x90, 96]) + bytes(6) + (7).to_bytes(4, "big")
    extensions = bytes.fromhex("bede0002") + bytes([0x40, 0x30, _ID << 4 | 1]) + number.to_bytes(2, "big") + bytes(3)
    return head + extensions + bytes(40)


class _Arrivals:
    def __init__(self) -> None:
        self.tables: Tables = make_tables(1, 1)
        self.buffers = make_buffers()
        self.tables.connections[0]["transport_sequence_id"] = _ID

    def take(self, number: int, tick: int) -> None:
        packet = np.frombuffer(_packet(number & 0xFFFF), np.uint8).copy()
        handle_datagram(0, packet, len(packet), len(packet), False, 0, tick * TICK_NS, self.tables, self.buffers)

    def tell(self) -> list[dict[int, int]]:
        told = []
        while size := next_feedback(0, self.tables, self.buffers.report, self.buffers.symbols):
            told.append(_parse_ours(self.buffers.report[:size].tobytes()))
        return told


def test_each_feedback_goes_on_where_the_last_one_ended() -> None:
    arrivals = _Arrivals()
    assert arrivals.tell() == []
    for number in (0xFFFE, 0xFFFF, 1):
        arrivals.take(number, 10)
    assert arrivals.tell() == [{0xFFFE: 10, 0xFFFF: 10, 1: 10}]
    assert arrivals.tell() == []
    arrivals.take(2, 12)
    assert arrivals.tell() == [{2: 12}]
    arrivals.take(0, 13)  # told of as missing before
    assert arrivals.tell() == [{0: 13, 1: 10, 2: 12}]
    assert arrivals.tables.connections[0]["feedbacks"] == 3


def test_more_than_one_packet_can_tell_of_are_told_of_in_several() -> None:
    arrivals = _Arrivals()
    for number in range(1200):
        arrivals.take(number, number)
    told = arrivals.tell()
    assert [len(part) for part in told] == [480, 480, 240]
    assert told[2][1199] == 1199


def test_more_than_the_ring_holds_are_left_out_and_counted() -> None:
    arrivals = _Arrivals()
    for number in range(lay.ARRIVALS + 100):
        arrivals.take(number, number)
    assert sum(len(part) for part in arrivals.tell()) == lay.ARRIVALS
    assert arrivals.tables.connections[0]["unreported"] == 100
