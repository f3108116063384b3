"""What one process tells another of a suspended recording is read strictly; how the record's time goes on."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sfu.clock import read_boot_id
from sfu.recording.entries import format_utc
from sfu.recording.manifest import FileFact
from sfu.recording.options import RecordingOptions
from sfu.recording.restart.absence import EndedSource
from sfu.recording.restart.continuing import Taking, find_times
from sfu.recording.restart.suspension import SuspendedCopy, SuspendedRecording, SuspensionError

NOON = datetime.datetime(2026, 3, 2, 12, 0, tzinfo=datetime.UTC)
SUSPENDED = SuspendedRecording(
    room="court", id="0" * 32, since=format_utc(NOON), key="1" * 64, start_us=5_000_000, suspended_us=65_000_001,
    suspended_utc=format_utc(NOON), boot="b1", options=RecordingOptions(fragment=0.5), metadata={"case": ["7 C 12", 1]},
    subject=None, selective=False, journal="/records-journal.jsonl",
    pause={"ground": "recess", "authoriser": "judge", "note": "", "subject": None},
    copies=(
        SuspendedCopy(
            path="/records/a", lines=7, head="2" * 64, t_us=60_000_000, counts={"head": 2, "start": 1},
            files=(FileFact("ledger.jsonl", 900, "3" * 64), FileFact("media/001-audio.mkv", 5, "4" * 64)), sources=1,
            ended=(EndedSource(1, ("anna", "audio", "", "opus", "")),), timestamps=0, written_bytes=5,
        ),
        SuspendedCopy(path="/mirror/a", failure="its disk did not answer in time"),
    ),
)  # fmt: skip


FREE = ("metadata", "counts")
"""Objects of whatever JSON has, and of numbers under any names."""


def as_json() -> dict[str, Any]:
    return json.loads(json.dumps(SUSPENDED.to_json()))


def test_what_was_handed_over_is_what_arrives() -> None:
    assert SuspendedRecording.from_json(as_json()) == SUSPENDED
    assert [str(path) for path in SUSPENDED.paths] == ["/records/a", "/mirror/a"]


def spoil(value: Any) -> Iterator[Any]:
    """The same with one thing in it that cannot be."""
    if isinstance(value, dict):
        for key in value:
            yield {other: each for other, each in value.items() if other != key}
            if key not in FREE:
                yield from (value | {key: spoiled} for spoiled in spoil(value[key]))
        yield value | {"more": 1}
    elif isinstance(value, list):
        for n, each in enumerate(value):
            for spoiled in spoil(each):
                yield [*value[:n], spoiled, *value[n + 1 :]]
        yield {"not": "a list"}
    else:
        yield {"neither": "text nor number"}
        if not isinstance(value, str):
            yield "a text" if value is not None else 1


def test_whatever_is_wrong_with_it_is_one_error() -> None:
    tried = list(spoil(as_json()))
    for spoiled in tried:
        with pytest.raises(SuspensionError):
            SuspendedRecording.from_json(spoiled)
    assert len(tried) > 100


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"version": True},
        {"metadata": {"no": float("nan")}},
        {"options": {"fragment": 9.0}},
        {"suspended_us": 4_999_999},
        {"copies": []},
        {"journal": "relative.jsonl"},
        {"id": "x"},
        {"since": "yesterday"},
    ],
)
def test_values_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    value = as_json()
    if "options" in change:
        change = {"options": value["options"] | change["options"]}
    with pytest.raises(SuspensionError):
        SuspendedRecording.from_json(value | change)


@pytest.mark.parametrize(
    "change",
    [
        {"files": [{"path": "../x", "bytes": 1, "sha256": "3" * 64}]},
        {"files": [{"path": "media/001-audio.mkv", "bytes": 1, "sha256": "3" * 64}]},
        {"files": [{"path": "ledger.jsonl", "bytes": -1, "sha256": "3" * 64}]},
        {"ended": [{"number": 2, "speaker": ["a", "audio", "", "opus", ""]}]},
        {"ended": [{"number": 1, "speaker": ["a", "audio", "", "opus"]}]},
        {"counts": {"head": "2"}},
        {"head": ""},
        {"lines": 0},
        {"path": "records/a"},
    ],
)
def test_records_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    value = as_json()
    value["copies"][0] |= change
    with pytest.raises(SuspensionError):
        SuspendedRecording.from_json(value)


@pytest.mark.parametrize("value", [None, 1, "{}", [], {}, {"version": 1}])
def test_anything_else_is_no_recording(value: object) -> None:
    with pytest.raises(SuspensionError):
        SuspendedRecording.from_json(value)


def test_time_goes_on_by_the_clock_that_both_processes_have() -> None:
    later = NOON + datetime.timedelta(hours=9)  # whatever the calendar says
    assert find_times(SUSPENDED, 66_000_000, later, "b1") == Taking(5_000_000, 65_000_001, 66_000_000, "monotonic")


@pytest.mark.parametrize("boot", ["b2", ""])
def test_after_another_start_of_the_machine_the_calendar_tells(boot: str) -> None:
    later = NOON + datetime.timedelta(seconds=30)
    taking = find_times(SUSPENDED, 7_000_000, later, boot)
    assert taking == Taking(-83_000_001, -23_000_000, 7_000_000, "utc")
    assert taking.suspended_us - taking.start_us == SUSPENDED.suspended_us - SUSPENDED.start_us


def test_a_calendar_that_went_back_makes_no_time_negative() -> None:
    taking = find_times(SUSPENDED, 7_000_000, NOON - datetime.timedelta(days=1), "b2")
    assert (taking.suspended_us, taking.now_us) == (7_000_000, 7_000_000)


def test_a_clock_that_went_back_is_not_that_clock() -> None:
    taking = find_times(replace(SUSPENDED, boot=""), 66_000_000, NOON, "")
    assert taking.clock == "utc"
    assert find_times(SUSPENDED, 64_000_000, NOON, "b1").clock == "utc"


def test_this_machine_says_which_start_it_is() -> None:
    assert read_boot_id() == read_boot_id() != ""
