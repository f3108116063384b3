"""Records of two processes that tell of their restart what cannot be, by who has the key; what is wrong with each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfu.recording.entries import format_utc
from sfu.recording.signing import SigningKey
from tests.recording_samples import BEGAN, SECOND_US, SampleRecord

AT, AGAIN, END = 2 * SECOND_US, 3 * SECOND_US, 5 * SECOND_US
_UTC = format_utc(BEGAN)
_SUSPEND = {"at_us": AT, "utc": _UTC, "process": 7}

Forgery = Callable[[SampleRecord], None]


def _begin(made: SampleRecord) -> None:
    made.source(1, "audio", "anna")
    made.source(2, "video", "anna")
    made.fragment(1, 0, AT)


def _continue(made: SampleRecord, **changes: Any) -> None:
    about = {"begin_us": AT, "end_us": AGAIN, "utc": _UTC, "key": made.key.key_id, "clock": "monotonic"}
    made.event("continue", AGAIN, **about | changes)


def _gap(made: SampleRecord, source: int, **changes: Any) -> None:
    made.event("gap", AGAIN, **{"source": source, "cause": "restart", "begin_us": AT, "end_us": AGAIN} | changes)


def continue_without_suspension(made: SampleRecord) -> None:
    made.head(AT)
    _continue(made)


def continue_twice(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.head(AGAIN)
    _continue(made)


def suspend_without_a_head(made: SampleRecord) -> None:
    for source in (1, 2):
        made.event("track", AT, source=source, event="end")
    made.event("suspend", AT, **_SUSPEND)
    _continue(made)


def suspend_while_somebody_is_recorded(made: SampleRecord) -> None:
    made.event("track", AT, source=1, event="end")
    made.event("suspend", AT, **_SUSPEND)


def suspend_in_the_future(made: SampleRecord) -> None:
    for source in (1, 2):
        made.event("track", AT, source=source, event="end")
    made.event("suspend", AT, **_SUSPEND | {"at_us": AT + 1})


def suspend_twice(made: SampleRecord) -> None:
    made.suspend(AT)
    made.event("suspend", AT, **_SUSPEND)


def go_on_without_a_word(made: SampleRecord) -> None:
    made.suspend(AT)
    made.event("mark", AT, name="as if nothing had been")


def stop_what_is_suspended(made: SampleRecord) -> None:
    made.suspend(AT)


def continue_by_another_key(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made, key=SigningKey.generate().key_id)


def begin_the_gap_later(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made, begin_us=AT + 1)


def end_the_gap_before_it_begins(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made, end_us=AT - 1)


def end_the_gap_in_the_future(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made, end_us=AGAIN + 1)


def declare_no_gap(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made)
    _gap(made, 1)


def sign_before_all_gaps(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made)
    _gap(made, 1)
    made.head(AGAIN)
    _gap(made, 2)


def declare_a_shorter_gap(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made)
    _gap(made, 1, end_us=AGAIN - 1)
    _gap(made, 2)


def declare_an_endless_gap(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made)
    _gap(made, 1, end_us=None)
    _gap(made, 2)


def declare_a_gap_twice(made: SampleRecord) -> None:
    made.suspend(AT)
    _continue(made)
    _gap(made, 1)
    _gap(made, 1)


def declare_a_restart_that_was_not(made: SampleRecord) -> None:
    _gap(made, 1)


def go_on_with_an_old_file(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.fragment(1, AT, AGAIN)


def go_on_with_an_old_track(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.event("track", AGAIN, source=1, event="begin")


def continue_a_source_that_is_not_there(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.source(3, "audio", "anna", AGAIN, continues=9)


def continue_a_source_of_this_process(made: SampleRecord) -> None:
    made.source(3, "audio", "anna", AGAIN, continues=1)


def continue_a_source_twice(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.source(3, "audio", "anna", AGAIN, continues=1)
    made.source(4, "audio", "anna", AGAIN, continues=1)


def continue_somebody_elses_source(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.source(3, "audio", "ben", AGAIN, continues=1)


def continue_a_source_as_nonsense(made: SampleRecord) -> None:
    made.suspend(AT)
    made.go_on(AGAIN)
    made.source(3, "audio", "anna", AGAIN, continues="1x")


FORGERIES: dict[Forgery, str] = {
    continue_without_suspension: "nobody had suspended",
    continue_twice: "nobody had suspended",
    suspend_without_a_head: "was not signed",
    suspend_while_somebody_is_recorded: "source 2 had not ended",
    suspend_in_the_future: "before that time has come",
    suspend_twice: "a suspend line cannot stand here",
    go_on_without_a_word: "a mark line cannot stand here",
    stop_what_is_suspended: "a stop line cannot stand here",
    continue_by_another_key: "another key continues",
    begin_the_gap_later: "does not reach from the suspension",
    end_the_gap_before_it_begins: "does not reach from the suspension",
    end_the_gap_in_the_future: "does not reach from the suspension",
    declare_no_gap: "of source 2 nothing says",
    sign_before_all_gaps: "of source 2 nothing says",
    declare_a_shorter_gap: "this gap of a restart does not reach",
    declare_an_endless_gap: "this gap of a restart does not reach",
    declare_a_gap_twice: "declared already",
    declare_a_restart_that_was_not: "or there was none",
    go_on_with_an_old_file: "source 1 ended when the record was suspended",
    go_on_with_an_old_track: "source 1 ended when the record was suspended",
    continue_a_source_that_is_not_there: "it continues a source that had not ended",
    continue_a_source_of_this_process: "it continues a source that had not ended",
    continue_a_source_twice: "or that another continues",
    continue_somebody_elses_source: "which is somebody else's",
    continue_a_source_as_nonsense: "it continues a source that had not ended",
}
HARDLY_SEEN_BY_HAND = (
    suspend_while_somebody_is_recorded, suspend_in_the_future, end_the_gap_before_it_begins, end_the_gap_in_the_future,
    go_on_with_an_old_track, continue_somebody_elses_source,
)  # fmt: skip
"""What the script of the format's page leaves to the verifier."""


def forge(folder: Path, key: SigningKey, forgery: Forgery) -> SampleRecord:
    """A closed record with that in it."""
    made = SampleRecord(folder, key)
    _begin(made)
    forgery(made)
    made.close(END)
    return made
