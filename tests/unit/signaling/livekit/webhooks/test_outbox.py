from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sfu.signaling.livekit.webhooks.outbox import Entry, Lane, Outbox, OutboxError

ONE, TWO = "http://one/", "http://two/"


def entries(*texts: str) -> list[Entry]:
    """`room:body`, made at 1, 2, 3 ..."""
    return [Entry(text.partition(":")[0], text.encode(), float(index)) for index, text in enumerate(texts, 1)]


def drain(outbox: Outbox, lane: Lane) -> list[bytes]:
    bodies = []
    while (head := outbox.head(lane)) is not None:
        bodies.append(head.body)
        outbox.remove(lane, head)
    return bodies


def test_a_lane_has_what_goes_to_one_url_of_one_room_in_order(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE, TWO])
    outbox.append(entries("a:1", "b:1", "a:2"))
    assert outbox.state().waiting == 6
    lanes = {lane.room: lane for lane in outbox.due(ONE, 0.0, (), 10)}
    assert drain(outbox, lanes["a"]) == [b"a:1", b"a:2"]
    assert [lane.room for lane in outbox.due(ONE, 0.0, (), 10)] == ["b"]
    assert [lane.room for lane in outbox.due(TWO, 0.0, (), 10)] == ["a", "b"]
    assert outbox.state().waiting == 4


def test_what_was_appended_is_there_after_reopening_and_due_at_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE])
    outbox.append(entries("a:1", "a:2"))
    (lane,) = outbox.due(ONE, 0.0, (), 10)
    outbox.postpone(lane, 7, 1e9)
    outbox.close()
    again = Outbox(tmp_path / "outbox", [ONE])
    (lane,) = again.due(ONE, 0.0, (), 10)
    assert lane.attempts == 0
    assert again.state().waiting == 2
    assert drain(again, lane) == [b"a:1", b"a:2"]


def test_a_lane_that_is_postponed_is_due_at_its_time(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE])
    outbox.append(entries("a:1", "b:1"))
    lane, other = outbox.due(ONE, 0.0, (), 10)
    outbox.postpone(lane, 3, 100.0)
    assert outbox.due(ONE, 99.0, (), 10) == [other]
    assert outbox.next_retry(ONE, 99.0) == 100.0
    assert outbox.next_retry(ONE, 100.0) is None
    assert Lane(lane.id, "a", 3) in outbox.due(ONE, 100.0, (), 10)
    assert outbox.due(ONE, 100.0, [other.id], 10) == [Lane(lane.id, "a", 3)]
    head = outbox.head(lane)
    assert head is not None
    outbox.append(entries("a:2"))
    outbox.remove(lane, head)
    assert Lane(lane.id, "a", 0) in outbox.due(ONE, 0.0, (), 10)  # the next one has not failed yet


def test_at_most_so_many_lanes_are_given_and_none_that_is_busy(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE])
    outbox.append(entries(*(f"{room}:1" for room in range(20))))
    lanes = outbox.due(ONE, 0.0, (), 3)
    assert [lane.room for lane in lanes] == ["0", "1", "2"]
    busy = [lane.id for lane in lanes]
    assert [lane.room for lane in outbox.due(ONE, 0.0, busy, 3)] == ["3", "4", "5"]


def test_what_waits_for_a_url_that_is_not_set_any_more_is_removed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE, TWO])
    outbox.append(entries("a:1", "a:2"))
    outbox.close()
    again = Outbox(tmp_path / "outbox", [TWO])
    assert again.forgotten == 2
    assert again.state().waiting == 2
    assert again.due(ONE, 0.0, (), 10) == []


def test_a_file_serves_one_process(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE])
    with pytest.raises(OutboxError, match="locked"):
        Outbox(tmp_path / "outbox", [ONE])
    outbox.close()
    Outbox(tmp_path / "outbox", [ONE]).close()


def test_what_is_no_outbox_is_refused_and_not_touched(tmp_path: Path) -> None:
    other = tmp_path / "notes"
    other.write_bytes(b"notes of somebody else" * 100)
    with pytest.raises(OutboxError, match="move one that is damaged"):
        Outbox(other, [ONE])
    assert other.read_bytes() == b"notes of somebody else" * 100
    with pytest.raises(OutboxError, match="unable to open"):
        Outbox(tmp_path / "nowhere" / "outbox", [ONE])


def test_a_batch_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE])
    broken = Entry("a", None, 2.0)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.IntegrityError):
        outbox.append([*entries("a:1"), broken])
    assert outbox.state().waiting == 0
    assert outbox.due(ONE, 0.0, (), 10) == []
    outbox.append(entries("a:1"))
    assert outbox.state().waiting == 1


def test_the_state_tells_the_oldest_and_the_files_size_which_shrinks_again(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox", [ONE])
    assert outbox.state().oldest is None
    outbox.append([Entry("a", b"x" * 10_000, made) for made in (5.0, 6.0, 7.0) * 30])
    full = outbox.state()
    assert (full.waiting, full.oldest) == (90, 5.0)
    assert full.size_bytes > 900_000
    (lane,) = outbox.due(ONE, 0.0, (), 1)
    drain(outbox, lane)
    for _ in range(4):
        left = outbox.state()
    assert (left.waiting, left.oldest) == (0, None)
    assert left.size_bytes < 100_000
