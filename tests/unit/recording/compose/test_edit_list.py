"""The film's time and the hearing's."""

from __future__ import annotations

from fractions import Fraction

import pytest

from sfu.recording.compose.edit_list import CARD_US, build_edit_list
from sfu.recording.reader import RecordPause

S = 1_000_000
RATES = [Fraction(25), Fraction(30_000, 1001), Fraction(1), Fraction(60)]


def pause(begin: float, end: float) -> RecordPause:
    return RecordPause(round(begin * S), round(end * S), "ground", "judge", "")


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("keep", [True, False])
def test_stretches_follow_each_other_without_holes(fps: Fraction, keep: bool) -> None:
    pauses = [pause(10.01, 7200), pause(7200, 7201), pause(7300.333, 7400)]
    made = build_edit_list(8000 * S, pauses, fps, keep_pauses=keep)
    frame = at = 0
    for edit in made.all:
        assert (edit.first_frame, edit.begin_us) == (frame, at)
        frame += edit.frames
        at = edit.end_us
    assert (frame, at) == (made.frames, 8000 * S)


def test_a_pause_is_cut_to_its_card_and_the_clock_goes_on_after_it() -> None:
    made = build_edit_list(110 * S, [pause(10, 100)], Fraction(25), keep_pauses=False)
    assert made.duration_us == 10 * S + CARD_US + 10 * S
    before, card, after = made.all
    assert (card.pause is not None, card.running) == (True, False)
    assert made.record_us(card, card.first_frame + 70) == 10 * S
    assert made.record_us(after, after.first_frame + 25) == 101 * S
    assert before.pause is after.pause is None


def test_a_short_pause_is_not_made_longer() -> None:
    assert build_edit_list(20 * S, [pause(10, 11)], Fraction(25), keep_pauses=False).duration_us == 20 * S


def test_a_kept_pause_is_as_long_as_it_was() -> None:
    made = build_edit_list(110 * S, [pause(10, 100)], Fraction(25), keep_pauses=True)
    assert made.duration_us == 110 * S
    assert made.record_us(made.all[1], 25 * 60) == 60 * S


@pytest.mark.parametrize("fps", RATES)
def test_a_moment_is_found_at_the_frame_that_shows_it(fps: Fraction) -> None:
    made = build_edit_list(300 * S, [pause(60, 200)], fps, keep_pauses=False)
    for edit in made.all:
        for frame in range(edit.first_frame, edit.first_frame + edit.frames, 7):
            found = made.find_frame(made.record_us(edit, frame) + (1 if edit.running else 0))
            assert found == (frame if edit.running else edit.first_frame)
    assert made.find_frame(130 * S) == made.all[1].first_frame
    assert made.find_frame(10**15) == made.frames - 1


def test_pauses_that_overlap_or_reach_beyond_the_end_lose_nothing() -> None:
    made = build_edit_list(100 * S, [pause(10, 50), pause(30, 60), pause(90, 400)], Fraction(25), keep_pauses=True)
    assert made.duration_us == 100 * S
    assert [edit.pause is not None for edit in made.all] == [False, True, True, False, True]


def test_a_record_that_is_one_pause_is_one_card() -> None:
    made = build_edit_list(100 * S, [pause(0, 100)], Fraction(25), keep_pauses=False)
    assert [edit.pause is not None for edit in made.all] == [True]
