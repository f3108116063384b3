"""Which packets have come, under which numbers, and how evenly (RFC 3550 appendix A)."""

from __future__ import annotations

import random

import numpy as np
import pytest

from sfu.routing.kernels.media_columns import ARRIVALS
from sfu.routing.kernels.reception import DUPLICATE, JUMP
from sfu.routing.kernels.tables import make_tables
from sfu.wire.kernels.rtp import PACKET

from . import kernels

CLOCK_RATE = 90_000


class Reception:
    """One encoding that receives."""

    def __init__(self) -> None:
        tables = make_tables(1, 1, 2, 1, 1)
        self.encodings, self.arrivals = tables.encodings, tables.arrivals
        self.entry = self.encodings[1]
        self.packets = np.zeros(1, PACKET)
        self.entry["clock_rate"] = CLOCK_RATE
        kernels.forget(self.encodings, self.arrivals, 1)

    def take(self, *sequences: int) -> list[int]:
        """What each packet is; those that are none of the bad ones are counted."""
        found = []
        for sequence in sequences:
            extended = int(kernels.arrive(self.encodings, self.arrivals, 1, sequence))
            if extended not in (DUPLICATE, JUMP):
                kernels.account(self.encodings, 1, self.packets, 0, extended, False)
            found.append(extended)
        return found

    def count(self, arrival_us: int, timestamp: int, *, again: bool = False) -> None:
        """Count the next packet, which comes at this time."""
        self.packets[0]["arrival_us"], self.packets[0]["timestamp"] = arrival_us, timestamp & 0xFFFFFFFF
        self.packets[0]["payload_bytes"] = 100
        kernels.account(self.encodings, 1, self.packets, 0, int(self.entry["extended_sequence"]) + 1, again)


def test_numbers_go_on_where_they_wrap() -> None:
    assert Reception().take(65534, 65535, 0, 2, 1) == [65534, 65535, 65536, 65538, 65537]


def test_what_comes_late_finds_its_place_also_before_the_first() -> None:
    assert Reception().take(10, 13, 12, 8, 65535) == [10, 13, 12, 8, -1]


def test_what_comes_twice_is_a_duplicate() -> None:
    assert Reception().take(10, 11, 10, 11, 12) == [10, 11, DUPLICATE, DUPLICATE, 12]


def test_what_is_too_old_to_tell_is_one_too() -> None:
    reception = Reception()
    newest = 5000
    for sequence in range(3000, newest + 1):
        reception.take(sequence)
    assert reception.take(newest - ARRIVALS + 1, newest - ARRIVALS) == [DUPLICATE, DUPLICATE]
    assert Reception().take(newest, newest - ARRIVALS + 1, newest - ARRIVALS) == [
        newest,
        newest - ARRIVALS + 1,
        DUPLICATE,
    ]


def test_a_burst_of_loss_is_no_restart() -> None:
    assert Reception().take(10, 3009) == [10, 3009]


@pytest.mark.parametrize("far", [3010, 40_000, 62_000])
def test_a_jump_is_a_restart_only_once_its_second_packet_has_come(far: int) -> None:
    reception = Reception()
    assert reception.take(10, far, 11, far + 1) == [10, JUMP, 11, JUMP]
    assert reception.entry["generation"] == 0
    assert reception.take(far + 2, far + 3) == [far + 2, far + 3]
    assert reception.entry["generation"] == 1
    assert reception.entry["packets"] == 2


def test_in_any_order_each_packet_is_taken_once() -> None:
    rng = random.Random(3)
    first = 65_000
    sent = [first + k for k in range(3_000)]
    places = [(k + rng.uniform(0, 50), number) for k, number in enumerate(sent) if rng.random() < 0.95]
    places += [(place + rng.uniform(0, 50), number) for place, number in places if rng.random() < 0.1]
    places.sort()
    base = places[0][1]
    reception = Reception()
    shift = base - (base & 0xFFFF)
    seen: set[int] = set()
    for _, number in places:
        (found,) = reception.take(number & 0xFFFF)
        assert found == (DUPLICATE if number in seen else number - shift)
        seen.add(number)
    assert reception.entry["packets"] == len(seen)
    assert reception.entry["extended_sequence"] == max(seen) - shift


def test_what_is_sent_evenly_and_comes_evenly_has_no_jitter() -> None:
    reception = Reception()
    for k in range(200):
        reception.count(7_000_000_000 + 20_000 * k, 0xFFFFF000 + 1800 * k)
    assert reception.entry["jitter_16"] <= 16
    assert (reception.entry["packets"], reception.entry["octets"]) == (200, 20_000)


def test_jitter_becomes_what_the_delay_changes_by() -> None:
    reception = Reception()
    for k in range(400):
        reception.count(20_000 * k + 5_000 * (k % 2), 1800 * k)
    assert reception.entry["jitter_16"] / 16 == pytest.approx(0.005 * CLOCK_RATE, rel=0.1)


def test_packets_of_one_picture_and_such_that_may_be_sent_again_say_nothing_of_jitter() -> None:
    reception = Reception()
    reception.count(0, 0)
    for k in range(50):
        reception.count(1_000 * k, 0)
        reception.count(1_000 * k, 90_000 * k, again=True)
    assert reception.entry["jitter_16"] == 0
    assert reception.entry["packets"] == 101
