"""What a node does with records that it finds open when it starts."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfu.events import Event, RecordNotRecovered, RecordRecovered
from sfu.node.logs.events import log_event
from sfu.node.metrics.records import RecordingEnds
from sfu.node.records import recovery
from sfu.node.records.recovery import HANDED_OVER_S, LEAST_FREE_BYTES, RecordRecovery
from sfu.recording.lock import open_to_continue
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record
from sfu.signaling import RecordStore
from tests.recording_samples import BEGAN, SECOND_US, begin_record, build_record

KEY = SigningKey.generate()
LATER = BEGAN + datetime.timedelta(hours=1)


class Node:
    """A node's folders, and what it tells of them."""

    def __init__(self, folder: Path) -> None:
        self.main, self.mirror = folder / "records", folder / "mirror"
        self.main.mkdir()
        self.mirror.mkdir()
        self.events: list[Event] = []
        self.utc = LATER
        self.free_bytes = 1 << 40
        store = RecordStore(self.main, KEY, (self.mirror,))
        self.recovery = RecordRecovery(
            store, self.events.append, utc=lambda: self.utc, free_bytes=lambda path: self.free_bytes
        )

    def told(self) -> list[tuple[str, str]]:
        """Of which records, and what."""
        found = []
        for event in self.events:
            assert isinstance(event, RecordRecovered | RecordNotRecovered)
            what = "recovered" if isinstance(event, RecordRecovered) else event.why
            found.append((f"{Path(event.path).parent.name}/{Path(event.path).name}", what))
        return found


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def outcome(folder: Path) -> Outcome:
    return verify_record(folder, KEY.public).outcome


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def test_what_was_left_open_is_recovered_in_all_folders_and_nothing_else_is_touched(node: Node) -> None:
    record = begin_record(node.main / "a", KEY, 1).ledger.record
    begin_record(node.mirror / "a", KEY, 1, copy=1)
    build_record(node.main / "b", KEY, 2)
    (node.main / "note").mkdir()
    (node.main / "note.txt").write_bytes(b"x")
    (node.main / "link").symlink_to(node.mirror / "a")
    before = contents(node.main / "b")
    assert not node.recovery.look()
    assert node.told() == [("records/a", "recovered"), ("mirror/a", "recovered")]
    [event, _] = node.events
    signed = verify_record(node.main / "a", KEY.public).attested_lines
    assert event == RecordRecovered("saal 1", record, str(node.main / "a"), signed or 0, 0)
    assert [outcome(each / "a") for each in (node.main, node.mirror)] == [Outcome.RECOVERED] * 2
    assert contents(node.main / "b") == before
    assert not node.recovery.look() and len(node.events) == 2


def test_what_is_being_written_is_left_alone_without_a_word(node: Node) -> None:
    folder = begin_record(node.main / "a", KEY).folder
    before, descriptor = contents(folder), open_to_continue(folder)
    assert [node.recovery.look() for _ in range(5)] == [True, True, True, False, False]  # it may be let go soon
    assert (node.events, contents(folder)) == ([], before)
    os.close(descriptor)
    assert not node.recovery.look()
    assert node.told() == [("records/a", "recovered")]


def test_a_record_that_was_just_made_is_no_record_yet(node: Node) -> None:
    (node.main / "a").mkdir()
    (node.main / "a" / "ledger.jsonl").touch()
    assert (node.recovery.look(), node.events) == (False, [])


def test_what_recovery_refuses_is_told_once_and_not_changed(node: Node) -> None:
    begin_record(node.main / "altered", KEY, 1)
    path = node.main / "altered" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"oath"', b'"lie!"'))
    begin_record(node.main / "strange", SigningKey.generate(), 2)
    (node.main / "torn").mkdir()
    (node.main / "torn" / "ledger.jsonl").write_bytes(b"\x1b[31m" * 9)
    before = contents(node.main)
    for _ in range(2):
        assert not node.recovery.look()
    assert node.told() == [("records/altered", "refused"), ("records/strange", "refused"), ("records/torn", "refused")]
    assert contents(node.main) == before
    altered, strange, torn = node.events
    assert isinstance(altered, RecordNotRecovered) and "recovery would hide it" in altered.reason
    assert isinstance(strange, RecordNotRecovered) and "begun with another key" in strange.reason
    assert (altered.room, torn.room) == ("saal 1", "")


def test_a_full_disk_is_told_once_and_tried_again(node: Node) -> None:
    folder = begin_record(node.main / "a", KEY).folder
    node.free_bytes, before = LEAST_FREE_BYTES - 1, contents(folder)
    for _ in range(3):
        assert node.recovery.look()
    assert (node.told(), contents(folder)) == ([("records/a", "failed")], before)
    node.free_bytes += 1
    assert not node.recovery.look()
    assert node.told() == [("records/a", "failed"), ("records/a", "recovered")]
    assert outcome(folder) is Outcome.RECOVERED


def test_a_folder_that_is_not_mounted_is_told_and_the_others_are_looked_through(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(node.main)
    begin_record(node.mirror / "a", KEY)
    assert not node.recovery.look()
    assert node.told() == [("mirror/a", "recovered")]
    assert [each.getMessage() for each in caplog.records] == ["a folder of records cannot be read"]


def test_a_record_that_changes_hands_is_left_to_who_continues_it_for_a_while(node: Node) -> None:
    made = begin_record(node.main / "a", KEY)
    made.suspend(6 * SECOND_US)
    node.utc = BEGAN + datetime.timedelta(seconds=6 + HANDED_OVER_S - 1)
    assert node.recovery.look()
    assert node.events == [] and outcome(made.folder) is Outcome.NOT_CLOSED
    node.utc += datetime.timedelta(seconds=2)
    assert not node.recovery.look()
    assert node.told() == [("records/a", "recovered")]


def test_a_recovery_that_is_stopped_is_finished_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever line: nothing is lost, and nothing is told."""
    stopped = 0
    for lines in range(0, 200, 7):
        main = tmp_path / str(lines)
        main.mkdir()
        folder = begin_record(main / "a", KEY).folder
        with (folder / "media" / "001-audio.mkv").open("ab") as file:
            file.write(b"of which no line tells")
        first, told = make(main)
        reads = itertools.count()

        def breathe(self: RecordRecovery, reads: Iterator[int] = reads, last: int = lines) -> None:
            if next(reads) >= last:
                raise recovery._StoppedError

        with monkeypatch.context() as patched:
            patched.setattr(RecordRecovery, "_breathe", breathe)
            first._run()
        if told:
            continue
        stopped += 1
        second, told = make(main)
        assert not second.look()
        assert [type(event) for event in told] == [RecordRecovered]
        assert outcome(folder) is Outcome.RECOVERED
    assert stopped > 5


def make(main: Path) -> tuple[RecordRecovery, list[Event]]:
    told: list[Event] = []
    return RecordRecovery(RecordStore(main, KEY), told.append, utc=lambda: LATER, free_bytes=lambda path: 1 << 40), told


async def test_it_works_in_a_thread_and_tells_in_the_loop(tmp_path: Path) -> None:
    main = tmp_path / "records"
    main.mkdir()
    begin_record(main / "a", KEY)
    told: asyncio.Queue[tuple[Event, int]] = asyncio.Queue()
    made = RecordRecovery(
        RecordStore(main, KEY), lambda event: told.put_nowait((event, threading.get_ident())), utc=lambda: LATER
    )
    made.start()
    async with asyncio.timeout(20):
        event, thread = await told.get()
    assert isinstance(event, RecordRecovered) and thread == threading.get_ident()
    made.stop()
    made.stop()


def test_metrics_and_log_tell_of_it(caplog: pytest.LogCaptureFixture) -> None:
    ends = RecordingEnds()
    assert ends.not_recovered == {"refused": 0, "failed": 0}
    events = [
        RecordNotRecovered("lobby", "1", "/records/a", "failed", "its disk is full"),
        RecordNotRecovered("", "", "/records/b", "refused", "it was altered"),
        RecordRecovered("lobby", "1", "/records/a", 70, 2),
    ]
    with caplog.at_level(logging.INFO):
        for event in events:
            ends.handle_event(event)
            log_event(event)
    assert (ends.recovered, ends.not_recovered) == (1, {"refused": 1, "failed": 0})
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("ERROR", "record not recovered"),
        ("ERROR", "record not recovered"),
        ("WARNING", "record recovered"),
    ]
