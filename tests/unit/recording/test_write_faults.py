"""A source whose file cannot be written costs no other one, and not the record; it goes on when it can."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from sfu.recording.fault import FIRST_RETRY_US, MOST_RETRY_US, Fault
from sfu.recording.reader import Record, RecordSource
from tests.unit.recording.limits import largest_file, no_more_descriptors
from tests.unit.recording.test_writer import ALICE, START_US, Desk

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
    assert {gap.cause for gap in of(record, "alice").gaps} == {"recorder_fault", "disconnect"}
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
        desk.writer._write_stamp(Stamped(desk.writer.head, b"a response", ""), desk.now_us)
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
