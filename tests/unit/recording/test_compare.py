"""A record and its mirror: what they tell alike, where they diverge, and which has more."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import pytest

from sfu.recording.compare import Comparison, compare_records
from sfu.recording.depacketize import StreamFormat
from sfu.recording.matroska import MatroskaWriter, TimedFrame
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import SECOND_US, SampleRecord

KEY = SigningKey.generate()
FRAMES = [bytes([number]) * 20 for number in range(1, 101)]
UTC = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


def write(
    folder: Path,
    *,
    copy: int = 0,
    cut: int = 10,
    frames: Sequence[bytes] = FRAMES,
    marks: Sequence[str] = ("a", "b", "c"),
    close: bool = True,
    room: str = "court",
    seed: int = 1,
) -> SampleRecord:
    """A record of one source whose frames are cut into fragments of so many, and a mark after each second fragment."""
    made = SampleRecord(folder, KEY, seed, room, copy)
    made.event("join", 1000 + copy, peer="Anna", at_us=900)
    made.source(1, "audio", "Anna", 1000)
    writer, left = MatroskaWriter("opus"), list(marks)
    for begin in range(0, len(frames), cut):
        timed = [TimedFrame(data, 20 * (begin + n), True) for n, data in enumerate(frames[begin : begin + cut])]
        data = writer.build_fragment(timed, StreamFormat(0, 0, b"head"))
        made.fragment(1, 20_000 * begin, 20_000 * (begin + len(timed)), data)
        if left and begin % 20 == 0:
            name = left.pop(0)
            made.event("mark", 20_000 * begin + copy, at_us=20_000 * begin, name=name, data={}, subject="clerk")
    for name in left:
        made.event("mark", 2 * SECOND_US, at_us=2 * SECOND_US, name=name, data={}, subject="clerk")
    made.head(2 * SECOND_US)
    if close:
        made.close(2 * SECOND_US + copy)
    return made


def compare(a: Path, b: Path) -> Comparison:
    return compare_records(a, b, verify_record(a, KEY.public), verify_record(b, KEY.public))


def test_two_recorders_that_were_told_the_same_agree_however_they_cut(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", copy=1, cut=20)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert (found.outcome, found.differences) == (Outcome.INTACT, ())
    assert (found.agreeing_lines, found.agreeing_frames) == (5, 100)


def test_where_acts_diverge_both_lines_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", copy=1, marks=("a", "x", "c"))
    found = compare(tmp_path / "a", tmp_path / "b")
    assert (found.outcome, found.agreeing_lines) == (Outcome.DIFFERS, 3)
    [told] = found.differences
    assert f"line 8 of {tmp_path / 'a'} (mark 'b') is not what line 8 of {tmp_path / 'b'} tells (mark 'x')" in told


@pytest.mark.parametrize("swapped", [False, True])
def test_which_has_more_is_said(tmp_path: Path, swapped: bool) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    more, less = reversed(paths) if swapped else paths
    write(more)
    write(less, copy=1, frames=FRAMES[:90], marks=("a", "b"))
    found = compare(*paths)
    assert (found.outcome, found.agreeing_lines, found.agreeing_frames) == (Outcome.DIFFERS, 4, 90)
    acts, media = found.differences
    assert f"{more} has more: 1 acts and events from its line " in acts and f"which {less} lacks" in acts
    assert media == f"media/001-audio.mkv: {more} has 10 frames, the first at 0:00:01.800, which {less} lacks"


@pytest.mark.parametrize("change", ["other", "order", "twice"])
def test_other_media_differ(tmp_path: Path, change: str) -> None:
    frames = list(FRAMES)
    if change == "order":
        frames[40], frames[50] = frames[50], frames[40]
    else:
        frames[40] = b"forged" if change == "other" else frames[39]
    write(tmp_path / "a")
    write(tmp_path / "b", copy=1, frames=frames)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found.outcome is Outcome.DIFFERS
    assert ("in another order" if change == "order" else "0:00:00.8") in found.differences[0]


def test_a_copy_that_was_cut_off_and_recovered_is_compared_as_far_as_it_was_signed(tmp_path: Path) -> None:
    write(tmp_path / "a")
    made = write(tmp_path / "b", copy=1, frames=FRAMES[:50], close=False)
    made.event("mark", 2 * SECOND_US, at_us=2 * SECOND_US, name="never signed", data={})
    assert compare(tmp_path / "a", tmp_path / "b").outcome is Outcome.DIFFERS
    recover_record(tmp_path / "b", KEY, UTC)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found.outcome is Outcome.DIFFERS
    assert [each.split(": ")[0] for each in found.differences] == ["media/001-audio.mkv"]
    assert found.agreeing_lines == 5


def test_the_worse_of_both_is_said_where_they_agree(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", copy=1, close=False)
    assert compare(tmp_path / "a", tmp_path / "b").outcome is Outcome.NOT_CLOSED
    recover_record(tmp_path / "b", KEY, UTC)
    assert compare(tmp_path / "a", tmp_path / "b").outcome is Outcome.RECOVERED


def test_an_altered_copy_is_not_compared(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", copy=1)
    (tmp_path / "b" / "media/001-audio.mkv").write_bytes(b"")
    for pair in (("a", "b"), ("b", "a")):
        found = compare(*(tmp_path / name for name in pair))
        assert found.outcome is Outcome.ALTERED
        assert str(tmp_path / "b") in found.differences[0]


def test_records_of_different_hearings_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", seed=2)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert found.outcome is Outcome.DIFFERS
    assert "different records" in found.differences[0]


def test_of_one_hearing_the_first_lines_tell_the_same(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", copy=1, room="other")
    assert compare(tmp_path / "a", tmp_path / "b").differences == ("their first lines do not tell the same room",)


def test_a_fault_that_one_recorder_had_is_its_own_and_no_divergence(tmp_path: Path) -> None:
    for copy, name in enumerate("ab"):
        made = write(tmp_path / name, copy=copy, close=False)
        if copy:
            made.event("fault", 2 * SECOND_US, source=1, file="media/001-audio.mkv", reason="no space left")
        made.event("mark", 2 * SECOND_US, at_us=2 * SECOND_US, name="after it", data={}, subject="clerk")
        made.close(2 * SECOND_US)
    found = compare(tmp_path / "a", tmp_path / "b")
    assert (found.outcome, found.agreeing_lines) == (Outcome.INTACT, 6)
