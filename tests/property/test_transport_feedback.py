"""Transport-wide feedback: the kernels against a slow reader, and what is built against what is read.

`test_modes.py` runs this module again, unjitted and bounds-checked.
"""

from __future__ import annotations

import itertools
import struct

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfu.wire.kernels.transport_feedback import HEAD, NOT_RECEIVED, FeedbackStatus, parse_transport_feedback
from sfu.wire.kernels.transport_feedback_build import MIN_FEEDBACK_BYTES, build_transport_feedback

from .modes import examples
from .oracle import TICK_US, UNIT_US, read_feedback

CLOCK_US = UNIT_US << 24
ROOM = 400
AROUND = ((b"", b""), (b"\x20\x05\x01", b"\x20\x05\x01" * 30))


def parse(data: bytes, room: int = ROOM) -> tuple[int, list[int], list[int]]:
    """At the end of its buffer, where NumPy refuses to read on, and among others that must make no difference."""
    results = []
    for before, after in AROUND:
        buffer = np.frombuffer(before + data + after, np.uint8).copy()
        head, arrivals = np.zeros(HEAD, np.int64), np.zeros(room, np.int64)
        found = int(parse_transport_feedback(buffer, len(before), len(before) + len(data), head, arrivals))
        results.append((found, head.tolist(), arrivals[: max(found, 0)].tolist()))
    assert results[0][0] == results[1][0]
    assert results[0][0] < 0 or results[0] == results[1]
    return results[0]


def check_parsed(data: bytes, room: int = ROOM) -> None:
    found, head, arrivals = parse(data, room)
    expected = read_feedback(data, room)
    if isinstance(expected, FeedbackStatus):
        assert found == expected
    else:
        assert found == len(arrivals)
        assert (head, arrivals) == expected


run_chunks = st.builds(lambda symbol, size: symbol << 13 | size, st.integers(0, 2), st.integers(0, 60))
vector_chunks = st.integers(0x8000, 0xFFFF)
likely_two_bit = st.lists(st.integers(0, 2), min_size=7, max_size=7).map(
    lambda symbols: 0xC000 | sum(symbol << 2 * k for k, symbol in enumerate(symbols))
)
chunks = st.one_of(run_chunks, likely_two_bit, st.integers(0x8000, 0xBFFF), vector_chunks, st.integers(0, 0x7FFF))


@st.composite
def feedback_like(draw: st.DrawFn) -> bytes:
    """Packets that are right, nearly right, and cut short."""
    first = draw(st.sampled_from([0x8F] * 8 + [0xAF, 0x81, 0x4F]))
    kind = draw(st.sampled_from([205] * 8 + [206]))
    listed = draw(st.lists(chunks, max_size=12))
    count = draw(st.one_of(st.integers(0, 7 * len(listed) + 3), st.sampled_from([ROOM, ROOM + 1, 0xFFFF])))
    head = struct.pack(
        "!BBHLLHHL", first, kind, 0, 1, 2, draw(st.integers(0, 0xFFFF)), count, draw(st.integers(0, 2**32 - 1))
    )
    body = b"".join(struct.pack("!H", chunk) for chunk in listed)
    data = head + body + draw(st.binary(min_size=0, max_size=40)) + bytes(draw(st.sampled_from([0, 200])))
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


@given(st.one_of(feedback_like(), st.binary(max_size=60)))
@settings(max_examples=examples(1500), deadline=None)
def test_the_parser_agrees_with_the_slow_reader(data: bytes) -> None:
    check_parsed(data)


@given(data=feedback_like(), room=st.integers(0, 40))
@settings(max_examples=examples(300), deadline=None)
def test_no_more_is_written_than_there_is_room_for(data: bytes, room: int) -> None:
    check_parsed(data, room)


gaps = st.one_of(st.just(0), st.integers(1, 4), st.integers(5, 40))
huge_gaps = st.sampled_from([0] * 6 + [300, 8190, 8191, 8192, 20_000])
steps_us = st.one_of(
    st.integers(0, 30_000),
    st.integers(0, 300),
    st.integers(-70_000, 70_000),
    st.integers(-9_000_000, 9_000_000),
    st.sampled_from([63_750, 64_000, 8_191_750, 8_192_000, -8_192_000, -8_192_250, 1 << 40]),
)


@st.composite
def arrival_logs(draw: st.DrawFn, most: int = 60) -> tuple[int, list[int]]:
    """A first extended sequence number and what came from it on: regular, with losses, reordered, with jumps."""
    now = draw(st.one_of(st.integers(0, 1 << 45), st.integers(-(1 << 45), 1 << 45), st.just(CLOCK_US - 100)))
    first = draw(st.one_of(st.integers(0, 1 << 40), st.integers(0xFF80, 0x1_0010)))
    regular = draw(st.booleans())
    log: list[int] = []
    for _ in range(draw(st.integers(0, most))):
        if not regular:
            log += [NOT_RECEIVED] * draw(gaps)
        log.append(now)
        now += draw(st.integers(0, 2000) if regular else steps_us)
    log += [NOT_RECEIVED] * draw(st.integers(0, 20))
    at = draw(st.integers(0, len(log)))
    log[at:at] = [NOT_RECEIVED] * draw(huge_gaps)
    return first, log


def build_all(first: int, log: list[int], limit: int, size: int) -> list[tuple[bytes, int]]:
    """The packets on a whole log, and how many numbers each covers, as a caller builds them."""
    ring = np.full(size, NOT_RECEIVED, np.int64)
    for k, arrival in enumerate(log):
        ring[(first + k) % size] = arrival
    packets: list[tuple[bytes, int]] = []
    at, last = first, first + len(log) - 1
    while True:
        out = np.full(limit + 6, 0xEE, np.uint8)
        length, covered = build_transport_feedback(out, 3, limit, 1, 2, len(packets), ring, at, last)
        assert set(out[:3].tolist()) == set(out[3 + length :].tolist()) == {0xEE}
        if covered == 0:
            assert length == 0
            return packets
        packets.append((bytes(out[3 : 3 + length]), covered))
        at += covered


limits = st.one_of(st.integers(MIN_FEEDBACK_BYTES, 120), st.just(1200))


@given(source=arrival_logs(), limit=limits, spare=st.integers(0, 9))
@example(source=(0xFFFF, [0, 250, NOT_RECEIVED, 100]), limit=1200, spare=0)
@settings(max_examples=examples(600), deadline=None)
def test_what_is_built_reads_as_what_came(source: tuple[int, list[int]], limit: int, spare: int) -> None:
    first, log = source
    packets = build_all(first, log, limit, max(1, len(log)) + spare)
    at = 0
    for number, (packet, covered) in enumerate(packets):
        assert len(packet) == 4 * (int.from_bytes(packet[2:4], "big") + 1) <= limit
        found, head, arrivals = parse(packet, 0xFFFF)
        assert (head, arrivals) == read_feedback(packet, 0xFFFF)
        assert (found, head[0], head[3]) == (covered, (first + at) & 0xFFFF, number & 0xFF)
        check_arrivals(log[at : at + covered], arrivals)
        check_size(packet, arrivals)
        assert at + covered == len(log) or has_reason_to_stop(log, at, covered, len(packet), limit)
        at += covered
    assert all(arrival == NOT_RECEIVED for arrival in log[at:])


def check_arrivals(log: list[int], arrivals: list[int]) -> None:
    """Those that came did so at the same time in whole ticks, on a clock that wraps."""
    assert [arrival == NOT_RECEIVED for arrival in log] == [arrival == NOT_RECEIVED for arrival in arrivals]
    shifts = {
        told - came // TICK_US * TICK_US for came, told in zip(log, arrivals, strict=True) if came != NOT_RECEIVED
    }
    assert len(shifts) <= 1  # times within one packet are never torn apart
    assert all(shift % CLOCK_US == 0 for shift in shifts)


def check_size(packet: bytes, arrivals: list[int]) -> None:
    """No more chunks than two-bit vectors alone would take, and no octet beside."""
    reference = int.from_bytes(packet[16:19], "big", signed=True) * UNIT_US
    came = [reference, *(arrival for arrival in arrivals if arrival != NOT_RECEIVED)]
    deltas = [(after - before) // TICK_US for before, after in itertools.pairwise(came)]
    assert all(0 <= delta < 256 for delta in deltas[:1])
    size = sum(1 if 0 <= delta < 256 else 2 for delta in deltas)
    assert len(packet) - 20 - size <= 2 * -(-len(arrivals) // 7) + 3
    assert len(set(deltas)) != 1 or NOT_RECEIVED in arrivals or len(packet) <= 20 + 2 + size + 3


def has_reason_to_stop(log: list[int], at: int, covered: int, length: int, limit: int) -> bool:
    """One more takes four octets at most; or its difference does not fit 16 bits."""
    if covered == 0xFFFF or length + 4 > limit - 3:
        return True
    before = [arrival for arrival in log[at : at + covered] if arrival != NOT_RECEIVED]
    following = log[at + covered]
    return following != NOT_RECEIVED and not -0x8000 <= following // TICK_US - before[-1] // TICK_US < 0x8000


@given(source=arrival_logs(12), cut=st.integers(1, 200))
@settings(max_examples=examples(300), deadline=None)
def test_a_packet_that_is_cut_short_is_refused_or_read_as_the_slow_reader_does(
    source: tuple[int, list[int]], cut: int
) -> None:
    first, log = source
    for packet, _ in build_all(first, log, 1200, max(1, len(log))):
        check_parsed(packet[:-cut], 0xFFFF)


@given(source=arrival_logs(12), place=st.integers(0, 1199), value=st.integers(0, 255))
@settings(max_examples=examples(300), deadline=None)
def test_a_packet_with_an_octet_changed_is_read_as_the_slow_reader_does(
    source: tuple[int, list[int]], place: int, value: int
) -> None:
    first, log = source
    for packet, _ in build_all(first, log, 1200, max(1, len(log))):
        changed = bytearray(packet)
        changed[place % len(changed)] = value
        check_parsed(bytes(changed), 0xFFFF)
