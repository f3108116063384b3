"""A source whose file cannot be written costs no other one, and not the record; it goes on when it can."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sfu.recording.clusters import read_blocks, read_layout
from sfu.recording.fault import FIRST_RETRY_US, MOST_RETRY_US, Fault
from sfu.recording.media_file import MediaFile
from sfu.recording.reader import Record, RecordSource
from sfu.routing.plane import TappedPackets
from tests.unit.recording.desk import ALICE, START_US, Desk
from tests.unit.recording.limits import largest_file, no_more_descriptors
from tests.unit.recording.packets import DELTA, KEY, VP8_US, packet

BOB = replace(ALICE, track="t2", peer="bob")
CAROL = replace(ALICE, track="t3", peer="carol")
BIG = b"\xf8" + bytes(999)
"""An Opus packet with which a file grows faster than the ledger."""


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "record")


def of(record: Record, peer: str) -> RecordSource:
    (source,) = (source for source in record.sources if source.peer == peer)
    return source


def talk_all(desk: Desk, keys: range, milliseconds: int) -> None:
    """Each in turn, a tenth of a second after the other."""
    for _ in range(milliseconds // (100 * len(keys))):
        for key in keys:
            desk.talk(key, 100)


def faults(desk: Desk) -> list[tuple[int, bool]]:
    """Of which sources, and whether they begin."""
    return [(entry.integer("source"), entry.fields["reason"] is not None) for entry in desk.lines("fault")]


def test_a_new_source_without_a_descriptor_is_a_fault_of_its_own_until_there_is_one(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    talk_all(desk, range(1), 2_000)
    with no_more_descriptors():
        desk.writer.begin_track(1, BOB, desk.now_us)
        talk_all(desk, range(2), 4_000)
        (reason,) = desk.writer.faults
        assert "002-audio.mkv: cannot be written: Too many open files" in reason
    failed_us = desk.now_us - START_US
    talk_all(desk, range(2), 20_000)
    assert desk.writer.faults == []
    assert faults(desk) == [(2, True), (2, False)]
    record = desk.close()
    bob = of(record, "bob")
    assert {gap.cause for gap in bob.gaps} == {"recorder_fault"}
    assert bob.gaps[0].begin_us < failed_us < bob.gaps[-1].end_us
    assert bob.spans[0].begin_us > failed_us
    assert bob.spans[-1].end_us == pytest.approx(desk.now_us - START_US, abs=300_000)
    assert of(record, "alice").gaps == ()


def test_a_file_that_can_grow_no_more_goes_on_where_it_was_when_it_can_again(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.writer.begin_track(1, BOB, desk.now_us)
    desk.payload = {0: BIG}
    talk_all(desk, range(2), 4_000)
    size = max(file.stat().st_size for file in (desk.path / "media").iterdir())
    with largest_file(size + 10_000):
        talk_all(desk, range(2), 8_000)
        (reason,) = desk.writer.faults
        assert "001-audio.mkv: cannot be written: File too large" in reason
    talk_all(desk, range(2), 40_000)
    assert faults(desk) == [(1, True), (1, False)]
    record = desk.close()
    alice = of(record, "alice")
    assert {gap.cause for gap in alice.gaps} == {"recorder_fault"}
    assert len(alice.spans) >= 2
    assert alice.spans[-1].end_us == pytest.approx(desk.now_us - START_US, abs=300_000)
    assert of(record, "bob").gaps == ()


def test_a_fault_that_never_ends_leaves_a_record_that_is_whole(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    desk.writer.begin_track(1, BOB, desk.now_us)
    desk.payload = {0: BIG}
    talk_all(desk, range(2), 4_000)
    size = max(file.stat().st_size for file in (desk.path / "media").iterdir())
    with contextlib.ExitStack() as stack:
        stack.enter_context(largest_file(size + 10_000))
        talk_all(desk, range(2), 10_000)
        desk.writer.end_track(0, desk.now_us)
        desk.writer.poll(desk.now_us)
        record = desk.close()
    assert {gap.cause for gap in of(record, "alice").gaps} == {"recorder_fault"}
    assert of(record, "bob").gaps == ()


def test_many_sources_without_a_descriptor_cost_no_other(desk: Desk) -> None:
    desk.writer.begin_track(0, ALICE, desk.now_us)
    talk_all(desk, range(1), 2_000)
    with no_more_descriptors():
        for key in range(1, 50):
            desk.writer.begin_track(key, replace(ALICE, track=f"t{key}", peer=f"p{key}"), desk.now_us)
        talk_all(desk, range(50), 10_000)
        assert len(desk.writer.faults) == 49
    talk_all(desk, range(50), 60_000)
    assert desk.writer.faults == []
    record = desk.close()
    assert of(record, "alice").spans
    assert all(source.spans for source in record.sources)


def test_a_timestamp_that_cannot_be_kept_does_not_end_the_record(desk: Desk) -> None:
    from sfu.recording.stamping import Stamped

    desk.writer.begin_track(0, ALICE, desk.now_us)
    talk_all(desk, range(1), 2_000)
    with no_more_descriptors():
        desk.writer._lines._write_stamp(Stamped(desk.writer.head, b"a response", ""), desk.now_us)
        talk_all(desk, range(1), 2_000)
    (entry,) = desk.lines("unstamped")
    assert "Too many open files" in entry.text("reason")
    assert of(desk.close(), "alice").gaps == ()


def test_each_attempt_in_vain_doubles_the_wait_up_to_half_a_minute() -> None:
    fault, now_us = Fault("no", 0), 0
    waits = []
    for _ in range(10):
        begin_us = now_us
        while not fault.is_due(now_us):
            now_us += FIRST_RETRY_US
        waits.append(now_us - begin_us)
        fault.trying = True
        assert not fault.is_due(now_us + MOST_RETRY_US)
        fault.repeat("no", now_us)
    assert waits[:3] == [FIRST_RETRY_US, 2 * FIRST_RETRY_US, 4 * FIRST_RETRY_US]
    assert waits[-1] == MOST_RETRY_US


# video


CAMERA = replace(ALICE, kind="video", codec="vp8", clock_rate=90_000)
KEY_FRAME = KEY + bytes(1000)
DELTA_FRAME = DELTA + bytes(1000)
KEY_EACH = 75
"""Pictures, of 40 ms: three seconds, which no attempt to write again falls together with."""


class Camera:
    """Sends VP8 with a key frame now and then, whatever is asked of it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._sent = 0

    def show(self, milliseconds: int) -> None:
        desk = self.desk
        for _ in range(milliseconds * 1000 // VP8_US):
            desk.now_us += VP8_US
            payload = DELTA_FRAME if self._sent % KEY_EACH else KEY_FRAME
            about = {"timestamp": 3600 * self._sent & 0xFFFFFFFF}
            desk.writer.handle_packets(0, TappedPackets.of([packet(self._sent, desk.now_us, payload, **about)]))
            self._sent += 1
            desk.writer.poll(desk.now_us)


@contextlib.contextmanager
def full_disk(desk: Desk) -> Iterator[None]:
    size = max((file.stat().st_size for file in (desk.path / "media").iterdir()), default=0)
    with largest_file(size + 10_000):
        yield


@contextlib.contextmanager
def bad_disk(_desk: Desk) -> Iterator[None]:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MediaFile, "sync", _failing_sync(MediaFile.sync, fail))
        yield


def _failing_sync(sync: Callable[[MediaFile], None], fail: Callable[[int], None]) -> Callable[[MediaFile], None]:
    """As `MediaFile.sync` where the disk does not take it, while that of the ledger does."""

    def failing(file: MediaFile) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fdatasync", fail)
            sync(file)

    return failing


@contextlib.contextmanager
def no_descriptors(_desk: Desk) -> Iterator[None]:
    with no_more_descriptors():
        yield


@pytest.mark.parametrize("muted_meanwhile", [False, True])
@pytest.mark.parametrize(
    ("broken", "shown_before_ms"),
    [(full_disk, 0), (full_disk, 5_000), (bad_disk, 0), (bad_disk, 5_000), (no_descriptors, 0)],
)
def test_video_goes_on_from_a_key_frame_after_a_write_fault(
    desk: Desk, broken: Callable[[Desk], contextlib.AbstractContextManager[None]], shown_before_ms: int,
    muted_meanwhile: bool,
) -> None:  # fmt: skip
    desk.writer.begin_track(0, CAMERA, desk.now_us)
    camera = Camera(desk)
    camera.show(shown_before_ms)
    with broken(desk):
        camera.show(4_000)
        if muted_meanwhile:
            desk.writer.set_muted(0, True, desk.now_us)
            desk.now_us += 1_000_000
            desk.writer.poll(desk.now_us)
            desk.writer.set_muted(0, False, desk.now_us)
        camera.show(4_120)
        assert desk.writer.faults
    camera.show(40_000)
    assert desk.writer.faults == []
    record = desk.close()
    (source,) = record.sources
    missing = [gap for gap in source.gaps if gap.cause == "recorder_fault"]
    assert missing and source.spans[-1].end_us == pytest.approx(desk.now_us - START_US, abs=300_000)
    with source.file.open("rb") as file:
        layout = read_layout(file)
        blocks = [block for cluster in layout.clusters for block in read_blocks(file, cluster)]
    assert layout.damage == ""
    assert blocks[0].key
    last_us = missing[-1].end_us
    after = [block for block in blocks if block.at_ms * 1000 >= last_us - VP8_US]
    assert after[0].key
    assert not [block for block in blocks if missing[0].begin_us < block.at_ms * 1000 < last_us - VP8_US]
    for before, behind in itertools.pairwise(blocks):  # no picture stands on one that is not there
        assert behind.key or behind.at_ms - before.at_ms <= 60
