"""Chapters of marks and phases."""

from __future__ import annotations

from fractions import Fraction

from sfu.recording.compose.chapters import build_chapters
from sfu.recording.compose.edit_list import build_edit_list
from sfu.recording.reader import Record, RecordPause
from tests.unit.recording.compose.records import S, record


def chapters(of: Record) -> list[tuple[float, float, str]]:
    edits = build_edit_list(of.duration_us, of.pauses, Fraction(25), keep_pauses=False)
    return [(each.first_frame / 25, each.end_frame / 25, each.title) for each in build_chapters(of, edits)]


def test_each_mark_and_each_phase_begins_a_chapter() -> None:
    of = record(100, phases=((0, "Opening"), (40, "Evidence")), marks=((60, "Exhibit K 7"),))
    assert chapters(of) == [(0, 40, "Opening"), (40, 60, "Evidence"), (60, 100, "Exhibit K 7")]


def test_what_is_before_the_first_is_named_after_the_room() -> None:
    assert chapters(record(100, marks=((60, "K 7"),), room="Case 1")) == [(0, 60, "Case 1"), (60, 100, "K 7")]


def test_marks_at_one_moment_are_one_chapter() -> None:
    of = record(100, marks=((60, "K 7"), (60.001, "K 8"), (60.002, "K 8")))
    assert chapters(of)[1] == (60, 100, "K 7 · K 8")


def test_marks_after_a_pause_that_was_cut_out_are_at_their_place_in_the_film() -> None:
    pause = RecordPause(10 * S, 50 * S, "", "", "")
    of = record(100, pauses=(pause,), marks=((20, "in the pause"), (60, "after it")))
    assert chapters(of) == [(0, 10, "Hearing"), (10, 23, "in the pause"), (23, 63, "after it")]


def test_without_marks_there_are_no_chapters() -> None:
    assert chapters(record(100)) == []


def test_a_mark_at_the_very_end_or_beyond_is_within_the_film() -> None:
    for at in (100, 1000):
        begin, end, title = chapters(record(100, marks=((at, "end"),)))[-1]
        assert begin < end <= 100 and title == "end"
