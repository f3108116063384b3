"""The parts of attacks that need no node: how often, and what is sent."""

from __future__ import annotations

import random
import struct

import pytest

from bench.attack.base import Target
from bench.attack.datagrams import make_junk
from bench.attack.pace import Pace
from bench.attack.viewers import NackFlood, PliFlood

TARGET = Target("http://127.0.0.1:1", "room", ("127.0.0.1", 1), ("p0",), ("audio", "video"), (), (), {}, "")


def test_as_many_are_due_as_the_rate_says() -> None:
    now = 0.0
    pace = Pace(3000.0, lambda: now)
    taken = 0
    for tick in range(1, 1001):
        now = tick * 0.007
        taken += pace.take()
    assert taken == pytest.approx(3000 * 7.0, abs=1)


def test_who_was_held_up_makes_up_for_a_tenth_of_a_second() -> None:
    now = 0.0
    pace = Pace(1000.0, lambda: now)
    now = 60.0
    assert pace.take() == pytest.approx(100, abs=1)
    assert pace.take() == 0


def test_junk_is_of_every_protocol_on_the_port() -> None:
    chance = random.Random(1)
    first = [make_junk(chance) for _ in range(500)]
    assert any(data[0] < 4 and data[4:8] == b"\x21\x12\xa4\x42" for data in first)
    assert any(data[:3] == b"\x16\xfe\xfd" for data in first)
    assert any(data[0] == 0x80 and data[1] == 96 for data in first)
    assert any(data[0] == 0x81 and 200 <= data[1] <= 206 for data in first)
    assert all(20 <= len(data) <= 1500 for data in first)


def test_a_nack_asks_for_seventeen_packets_that_have_come_and_a_pli_for_its_stream() -> None:
    nack = NackFlood(TARGET, 1.0).build(7, 5)
    assert len(nack) == 4 * (1 + struct.unpack("!H", nack[2:4])[0])
    assert struct.unpack("!IHH", nack[8:]) == (7, 65525, 0xFFFF)
    pli = PliFlood(TARGET, 1.0).build(7, 5)
    assert len(pli) == 4 * (1 + struct.unpack("!H", pli[2:4])[0])
    assert (pli[0] & 31, pli[1], pli[8:]) == (1, 206, b"\0\0\0\7")
