"""What waits for a connection that takes nothing, as time goes by."""

from __future__ import annotations

import pytest

from sfu.tcp.kernels.counters import Counter
from sfu.tcp.kernels.outbox import LARGE_BYTES, LATE_MS, TOO_LATE_MS, open_frame
from sfu.tcp.kernels.rows import ENTRIES, OUT_BYTES, make_pumped
from sfu.wire.kernels.modes import PLAIN

pytestmark = pytest.mark.skipif(PLAIN, reason="plain Python makes no system calls for kernels")

PICTURE, SOUND, ANSWER = 1200, 100, 60


class Queue:
    """One connection's, whose frames hold their numbers."""

    def __init__(self) -> None:
        self.pumped = make_pumped(2)
        self.number = 0

    def add(self, size: int, now_ms: int, *, media: bool = True) -> bool:
        self.number += 1
        at = open_frame(self.pumped, 1, size, int(media), now_ms)
        if at >= 0:
            self.pumped.outbox[1, at : at + size] = self.number % 251
        return at >= 0

    def lock(self, count: int) -> None:
        """As if so many octets were in a record that the system did not take."""
        self.pumped.rows["locked"][1] = count

    def waiting(self) -> list[tuple[int, int]]:
        """Sizes and numbers of the frames, after a look that they are whole."""
        row = self.pumped.rows[1]
        at, found = int(row["head"]), []
        for entry in self.pumped.entries[1, row["first"] : row["last"]]:
            octets = self.pumped.outbox[1, at : at + entry["bytes"]]
            assert (octets == octets[0]).all()
            found.append((int(entry["bytes"]), int(octets[0])))
            at += entry["bytes"]
        assert at == row["tail"]
        return found

    def count(self, counter: Counter) -> int:
        return int(self.pumped.counters[counter])


def test_pictures_are_left_out_when_they_are_late_and_sound_much_later() -> None:
    queue = Queue()
    for now in (0, 10):
        queue.add(PICTURE, now)
        queue.add(SOUND, now)
    queue.add(ANSWER, 10, media=False)
    queue.add(SOUND, LATE_MS + 5)
    assert queue.waiting() == [(SOUND, 2), (PICTURE, 3), (SOUND, 4), (ANSWER, 5), (SOUND, 6)]
    queue.add(SOUND, TOO_LATE_MS + 50)
    assert queue.waiting() == [(ANSWER, 5), (SOUND, 6), (SOUND, 7)]
    assert queue.count(Counter.DROP_LATE) == 4


def test_what_is_partly_out_is_never_left_out() -> None:
    queue = Queue()
    for _ in range(3):
        queue.add(PICTURE, 0)
    queue.lock(PICTURE + 1)  # the second is cut
    queue.add(SOUND, TOO_LATE_MS + 1)
    assert queue.waiting() == [(PICTURE, 1), (PICTURE, 2), (SOUND, 4)]


def test_a_full_queue_gives_way_by_its_older_half() -> None:
    queue = Queue()
    room = OUT_BYTES // PICTURE
    for number in range(room):
        assert queue.add(PICTURE, number)
    assert queue.add(PICTURE, room)
    kept = [number for _, number in queue.waiting()]
    assert kept[-1] == room + 1
    assert room // 2 - 2 <= len(kept) <= room // 2 + 3
    assert kept == list(range(kept[0], room + 2))


def test_sound_is_let_in_whatever_pictures_wait() -> None:
    queue = Queue()
    while queue.number < OUT_BYTES // PICTURE:
        queue.add(PICTURE, 5)
    for _ in range(1 + (OUT_BYTES % PICTURE) // LARGE_BYTES):
        assert queue.add(LARGE_BYTES, 5)
    assert {size for size, _ in queue.waiting()} == {LARGE_BYTES}


def test_what_is_no_media_is_never_left_out_and_bounded() -> None:
    queue = Queue()
    count = 0
    while queue.add(PICTURE, 0, media=False):
        count += 1
    assert count == OUT_BYTES // PICTURE
    assert not queue.add(PICTURE, 10 * TOO_LATE_MS)
    assert len(queue.waiting()) == count
    assert queue.count(Counter.DROP_FULL) == 2


def test_small_frames_are_bounded_in_number() -> None:
    queue = Queue()
    for _ in range(ENTRIES):
        assert queue.add(1, 0)
    assert not queue.add(1, 0)
    assert len(queue.waiting()) == ENTRIES
