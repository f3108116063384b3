"""Alarms of a recorder."""

from __future__ import annotations

from sfu.recording.watch import (
    BEHIND,
    DISK_NEARLY_FULL,
    NOTHING_WRITTEN,
    WRITE_FAILED,
    Progress,
    Watch,
)

GIB = 1 << 30


def run(watch: Watch, seconds: range, progress, *, expected: bool = True) -> dict[int, tuple[set[str], set[str]]]:
    """Look each second; return what began and ended when."""
    found = {}
    for now in seconds:
        begun, ended = watch.update(progress(now), expected=expected, now=float(now))
        if begun or ended:
            found[now] = set(begun), set(ended)
    return found


def test_while_bytes_come_all_is_well() -> None:
    assert run(Watch(GIB, 0.0), range(1, 60), lambda now: Progress(1000 * now, 2 * GIB)) == {}


def test_nothing_written_is_told_within_five_seconds_and_taken_back_when_bytes_come_again() -> None:
    watch = Watch(GIB, 0.0)
    written = {**dict.fromkeys(range(1, 10), 0), **{now: now for now in range(10, 20)}}
    found = run(watch, range(1, 20), lambda now: Progress(written[now], 2 * GIB))
    (began, ended) = found
    assert began <= 4  # a second remains until the next look
    assert found[began] == ({NOTHING_WRITTEN}, set())
    assert (ended, found[ended]) == (10, (set(), {NOTHING_WRITTEN}))


def test_silence_is_no_alarm_where_nothing_should_come() -> None:
    assert run(Watch(GIB, 0.0), range(1, 60), lambda now: Progress(0, 2 * GIB), expected=False) == {}


def test_after_a_pause_the_time_begins_anew() -> None:
    watch = Watch(GIB, 0.0)
    run(watch, range(1, 60), lambda now: Progress(0, 2 * GIB), expected=False)
    assert watch.update(Progress(0, 2 * GIB), expected=True, now=60.0) == ({}, [])


def test_what_came_between_two_looks_has_all_of_its_time() -> None:
    """As after a restart: the process is busy with those who come again, and looks late."""
    watch = Watch(GIB, 0.0)
    watch.update(Progress(), expected=False, now=1.0)
    assert watch.update(Progress(), expected=True, now=6.0) == ({}, [])
    found = run(watch, range(7, 12), lambda now: Progress())
    assert found == {9: ({NOTHING_WRITTEN}, set())}


def test_a_disk_that_fills_is_told_once() -> None:
    found = run(Watch(GIB, 0.0), range(1, 30), lambda now: Progress(now, 2 * GIB if now < 10 else GIB // 2))
    assert found == {10: ({DISK_NEARLY_FULL}, set())}


def test_a_failure_is_told_with_its_reason_and_stays() -> None:
    watch = Watch(GIB, 0.0)
    assert watch.update(Progress(failure="/disk/a: full"), expected=True, now=1.0) == (
        {WRITE_FAILED: "/disk/a: full"},
        [],
    )
    assert run(watch, range(2, 30), lambda now: Progress(failure="/disk/a: full")) == {}


def test_packets_that_could_not_be_taken_are_told() -> None:
    missed = [0, 0, 5, 5, 5, 5, 5, 5, 5, 5]
    found = run(Watch(GIB, 0.0), range(1, 10), lambda now: Progress(now, 2 * GIB, missed[now]))
    assert found == {2: ({BEHIND}, set()), 5: (set(), {BEHIND})}


def test_a_source_that_cannot_be_written_is_an_alarm_until_it_can() -> None:
    def progress(now: int) -> Progress:
        faults = ["002-audio.mkv: cannot be written", "003-audio.mkv: cannot be written"] if 5 <= now < 9 else []
        return Progress(1000 * now, 2 * GIB, faults=faults)

    watch = Watch(GIB, 0.0)
    assert run(watch, range(1, 8), progress) == {5: ({WRITE_FAILED}, set())}
    assert watch.alarms[WRITE_FAILED] == "002-audio.mkv: cannot be written (and 1 more)"
    assert run(watch, range(8, 20), progress) == {9: (set(), {WRITE_FAILED})}


def test_what_is_not_signed_is_told_until_it_is() -> None:
    watch = Watch(0, now=0.0)
    begun, _ = watch.update(Progress(unsigned="the signer does not answer"), expected=False, now=1.0)
    assert begun == {"not_signed": "the signer does not answer"}
    assert watch.update(Progress(), expected=False, now=2.0) == ({}, ["not_signed"])
