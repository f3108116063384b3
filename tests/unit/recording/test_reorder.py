"""Packets come out in order, or are given up after a while."""

from __future__ import annotations

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.recording.reorder import ReorderBuffer

from .packets import packet

WAIT_US = 500_000


def numbers(released: list) -> list[int]:
    return [one.sequence for _, one in released]


def test_what_comes_in_order_goes_through_at_once() -> None:
    buffer = ReorderBuffer()
    for sequence in (65_534, 65_535, 0, 1):
        assert numbers(buffer.push(packet(sequence))) == [sequence]
    assert buffer.held == 0


def test_extended_numbers_go_on_beyond_16_bits() -> None:
    buffer = ReorderBuffer()
    extended = [buffer.push(packet(sequence))[0][0] for sequence in (65_534, 65_535, 0, 1)]
    assert [number - extended[0] for number in extended] == [0, 1, 2, 3]
    assert [number & 0xFFFF for number in extended] == [65_534, 65_535, 0, 1]


def test_a_repaired_packet_goes_before_those_that_waited_for_it() -> None:
    buffer = ReorderBuffer(WAIT_US)
    buffer.push(packet(65_535))
    assert buffer.push(packet(1, 1_000)) == []
    assert buffer.poll(WAIT_US) == []
    assert numbers(buffer.push(packet(0, WAIT_US))) == [0, 1]
    assert buffer.poll(10 * WAIT_US) == []
    assert buffer.lost == 0


def test_a_hole_is_given_up_when_time_has_passed_and_nothing_comes() -> None:
    buffer = ReorderBuffer(WAIT_US)
    buffer.push(packet(1))
    buffer.push(packet(4, 1_000))
    assert buffer.poll(WAIT_US + 999) == []
    assert numbers(buffer.poll(WAIT_US + 1_000)) == [4]
    assert buffer.lost == 2


def test_each_hole_has_its_own_time() -> None:
    buffer = ReorderBuffer(WAIT_US)
    buffer.push(packet(1))
    buffer.push(packet(3, 1_000))
    buffer.push(packet(5, 200_000))
    assert numbers(buffer.push(packet(6, WAIT_US + 1_000))) == [3]
    assert numbers(buffer.push(packet(4, WAIT_US + 2_000))) == [4, 5, 6]


def test_a_hole_that_was_filled_in_part_is_given_up_in_order() -> None:
    buffer = ReorderBuffer(WAIT_US)
    buffer.push(packet(1))
    buffer.push(packet(9, 1_000))
    assert buffer.push(packet(5, 400_000)) == []
    assert numbers(buffer.poll(WAIT_US + 1_000)) == [5, 9]
    assert buffer.lost == 6


def test_duplicates_and_what_comes_too_late_are_counted_apart() -> None:
    buffer = ReorderBuffer(WAIT_US)
    buffer.push(packet(10))
    buffer.push(packet(12, 0))
    assert buffer.push(packet(12, 1)) == []  # held
    buffer.poll(WAIT_US)
    assert buffer.push(packet(12, WAIT_US)) == []
    assert buffer.push(packet(10, WAIT_US)) == []
    assert buffer.duplicates == 3
    assert buffer.push(packet(11, WAIT_US)) == []
    assert buffer.push(packet(9, WAIT_US)) == []
    assert buffer.too_late == 2


def test_no_more_packets_wait_than_there_is_room_for() -> None:
    buffer = ReorderBuffer(WAIT_US, max_held=10)
    buffer.push(packet(0))
    released = []
    for sequence in range(2, 1_000, 2):
        released += numbers(buffer.push(packet(sequence)))
        assert buffer.held <= 10
    assert released == sorted(released)
    assert numbers(buffer.flush()) == list(range(released[-1] + 2, 1_000, 2))


@given(st.integers(0, 0xFFFF), st.integers(0, 2**32), st.floats(0, 0.5), st.integers(0, 30), st.integers(1, 64))
@settings(max_examples=100, deadline=None)
def test_all_that_was_sent_comes_out_in_order_or_is_given_up(
    first: int, seed: int, loss: float, displaced: int, max_held: int
) -> None:
    chance = random.Random(seed)
    sent = list(range(first, first + 400))
    kept = [sent[0], *(number for number in sent[1:] if chance.random() >= loss)]
    order = sorted(range(len(kept)), key=lambda at: at + (chance.uniform(0, displaced) if at else -1))
    arriving = [kept[at] for at in order]
    arriving += [kept[chance.randrange(len(kept))] for _ in range(5)]
    buffer = ReorderBuffer(chance.choice((0, 10_000, WAIT_US)), max_held)
    out = []
    for time, number in enumerate(arriving):
        out += buffer.push(packet(number, 1_000 * time))
        assert buffer.held <= max_held
    out += buffer.flush()
    extended = [number for number, _ in out]
    assert all(earlier < later for earlier, later in itertools.pairwise(extended))
    assert all(number & 0xFFFF == one.sequence for number, one in out)
    assert buffer.lost == extended[-1] - extended[0] + 1 - len(out)
    assert len(out) + buffer.duplicates + buffer.too_late == len(arriving)
    missing = len(set(kept)) - len(out)
    assert missing <= buffer.too_late <= buffer.lost + 5
    assert buffer.held == 0
