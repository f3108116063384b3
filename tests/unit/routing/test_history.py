"""The packet history, and the logs that say who got what of it under which numbers."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.routing.kernels.history import EMPTY, MARKED, TAKEN, WAITING
from sfu.routing.kernels.numbering import FRAME, MARKER, NUMBERS, PICTURE, SEQUENCE, TIMESTAMP, TL0
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import Tables, make_tables
from sfu.wire.kernels.rtp import PACKET, parse_rtp

from . import kernels
from .conftest import rtp

SLOTS = 4
IDS = np.zeros(16, np.uint8)
IDS[3] = 4


def make_history() -> Tables:
    return make_tables(1, 3, 1, 2, 1, logs=2, history=SLOTS)


def keep(tables: Tables, track: int, number: int) -> bytes:
    """Store a packet of a track; returns it."""
    data = rtp(number, b"media %d" % number, extensions={3: b"ab"})
    buffer = np.frombuffer(bytes(number) + data, np.uint8).copy()
    packets = np.zeros(2, PACKET)
    assert parse_rtp(buffer, number, len(buffer), IDS, packets, 1) == 0
    kernels.keep(tables, track, packets, 1, buffer)
    assert packets[1]["history"] == tables.history_written[0] - 1
    return data


def read(tables: Tables, position: int) -> bytes:
    """What is stored there."""
    packet = tables.history_packets[position % SLOTS]
    return bytes(tables.history_data[packet["start"] : packet["payload"] + packet["payload_bytes"]])


def test_a_packet_is_stored_with_its_offsets_wherever_it_came_from() -> None:
    tables = make_history()
    for number in range(1, 4):
        data = keep(tables, 0, number)
        packet = tables.history_packets[number - 1]
        assert read(tables, number - 1) == data
        assert bytes(tables.history_data[packet["extension_at"][4] :][:2]) == b"ab"
        assert bytes(tables.history_data[packet["payload"] :][:5]) == b"media"


def test_the_oldest_make_room() -> None:
    tables = make_history()
    kept = [keep(tables, 0, number) for number in range(7)]
    assert [bool(kernels.is_kept(tables, position)) for position in range(7)] == [False] * 3 + [True] * 4
    assert [read(tables, position) for position in range(3, 7)] == kept[3:]


def test_a_packet_says_how_far_back_the_one_before_of_its_track_is() -> None:
    tables = make_history()
    for number, track in enumerate([0, 1, 1, 0, 2, 1]):
        keep(tables, track, number)
    assert [int(tables.history_packets[position % SLOTS]["next"]) for position in range(2, 6)] == [1, 3, 0, 3]
    assert tables.tracks["kept"].tolist() == [3, 5, 4]


def test_one_whose_predecessor_is_gone_has_none() -> None:
    tables = make_history()
    for number, track in enumerate([0, 1, 1, 1, 1, 0]):
        keep(tables, track, number)
    assert tables.history_packets[5 % SLOTS]["next"] == 0


@pytest.mark.parametrize(
    ("marker", "flags", "expected"),
    [(0, 0, TAKEN), (1, 0, TAKEN | MARKED), (1, WAITING, TAKEN | MARKED | WAITING), (0, EMPTY, TAKEN | EMPTY)],
)
def test_a_log_says_under_which_numbers_a_subscriber_got_it(marker: int, flags: int, expected: int) -> None:
    tables = make_history()
    tables.subscriptions[1]["log"] = 1
    numbers = np.zeros(NUMBERS, np.int64)
    numbers[[SEQUENCE, TIMESTAMP, PICTURE, TL0, FRAME, MARKER]] = 65_000, 0xFFFFFFFF, 32_767, 255, 65_535, marker
    place = tables.logs[1, 65_000 % LOGGED_PACKETS]
    place["repeats"], place["repeated_ms"] = 7, 12
    kernels.log(tables, 1, 1 << 40, numbers, flags)
    names = ("history", "sequence", "timestamp", "picture", "tl0", "frame", "flags", "repeats", "repeated_ms")
    assert [int(place[name]) for name in names] == [1 << 40, 65_000, 0xFFFFFFFF, 32_767, 255, 65_535, expected, 0, 0]
    assert not tables.logs[0].view(np.uint8).any()
