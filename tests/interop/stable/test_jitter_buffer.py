"""What judges a client's jitter buffer can fail: only what was late may be missing behind it, and not by our making."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.interop.stable.clips import FPS
from tests.interop.stable.jitter_buffer import Pause, dropped_without_excuse
from tests.interop.stable.packets import Packet

FRAME_US, FRAME_TICKS = 1_000_000 // FPS, 90_000 // FPS
FRAMES = 120


def stream(*late: tuple[int, int, int], first_timestamp: int = 0xFFFFF000) -> list[Packet]:
    """Two packets a frame at their times; `late`: from a frame up to another one, by so many milliseconds later.

    None overtakes another.
    """
    packets: list[Packet] = []
    at_us = 0
    for number in range(FRAMES):
        later_us = sum(1000 * by_ms for begin, end, by_ms in late if begin <= number < end)
        timestamp = (first_timestamp + number * FRAME_TICKS) & 0xFFFFFFFF
        for part in range(2):
            sequence = (0xFFF0 + 2 * number + part) & 0xFFFF
            at_us = max(at_us, 5_000_000 + number * FRAME_US + later_us)
            packets.append(Packet(at_us, 96, bool(part), sequence, timestamp, 1, b"x"))
    return packets


def dropped(
    came: list[Packet],
    missing: Sequence[Packet],
    unpaced: list[list[Packet]] | None = None,
    pauses: tuple[Pause, ...] = (),
) -> list[int]:
    handed_on = [packet for packet in came if packet not in missing]
    others = [stream(first_timestamp=77)] if unpaced is None else unpaced
    found = dropped_without_excuse(came, handed_on, buffer_s=0.2, unpaced=others, pauses=pauses)
    return [one.sequence for one in found]


def numbers(packets: list[Packet]) -> list[int]:
    return [packet.sequence for packet in packets]


def test_all_that_is_handed_on_is_fine() -> None:
    assert dropped(stream(), []) == []


@pytest.mark.parametrize("number", [0, 20, 21])
def test_a_packet_that_came_in_time_and_was_dropped_is_found(number: int) -> None:
    came = stream()
    assert dropped(came, [came[number]]) == [came[number].sequence]


def test_what_is_late_since_the_publisher_was_may_be_dropped() -> None:
    came = stream((30, 40, 600))
    assert dropped(came, came[60:80], [stream((30, 40, 600), first_timestamp=77)]) == []


def test_what_is_late_since_the_node_held_it_back_is_found() -> None:
    came = stream((30, 40, 440))
    assert dropped(came, came[60:80]) == numbers(came[60:80])


def test_a_publisher_that_falls_behind_ever_more_excuses_nothing_that_the_node_holds_back() -> None:
    publisher = [(10 * k, FRAMES, 100) for k in range(1, 11)]
    came, other = stream(*publisher, (60, 70, 440)), stream(*publisher, first_timestamp=77)
    assert dropped(came, [*came[100:110], *came[120:130]], [other]) == numbers(came[120:130])


def test_what_the_pacer_may_hold_together_with_a_publisher_that_is_a_little_late_may_be_dropped() -> None:
    came = stream((30, 40, 100), (32, 38, 150))
    assert dropped(came, came[64:76], [stream((30, 40, 100), first_timestamp=77)]) == []


def test_what_is_late_since_the_viewer_stood_still_may_be_dropped() -> None:
    came = stream((30, 33, 500))
    assert dropped(came, came[60:66], pauses=(Pause(came[60].at_us - 1000, 480_000),)) == []
    assert dropped(came, came[60:66], pauses=(Pause(came[60].at_us - 2_000_000, 480_000),)) == numbers(came[60:66])


def test_where_nobody_else_watched_the_node_is_to_blame() -> None:
    came = stream((30, 40, 600))
    assert dropped(came, came[60:80], []) == numbers(came[60:80])


def test_what_is_a_little_late_may_not_be_dropped() -> None:
    came = stream((30, 40, 100))
    assert dropped(came, came[60:80], [came]) == numbers(came[60:80])


def test_who_was_late_once_has_no_right_to_drop_what_comes_in_time_again() -> None:
    came = stream((30, 40, 600))
    assert dropped(came, [*came[60:80], *came[140:142]], [came]) == numbers(came[140:142])


def test_a_publisher_that_was_slow_from_the_beginning_is_not_late() -> None:
    came = stream((0, FRAMES, 900))
    assert dropped(came, came[60:62], [came]) == numbers(came[60:62])


def test_what_comes_a_second_time_is_judged_by_the_first() -> None:
    came = stream((30, 40, 600))
    again = [*came[:100], came[62]._replace(at_us=came[99].at_us), *came[100:]]
    assert dropped(again, came[60:80], [came]) == []
    assert dropped(again, came[20:22], [came]) == numbers(came[20:22])


def test_what_came_last_may_still_wait() -> None:
    came = stream()
    assert dropped(came, came[-4:]) == []
