from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.journal import ClosedEntry, Journal, find_journal_beside


def entry(record: int = 1, copy: int = 0, lines: int = 7) -> ClosedEntry:
    return ClosedEntry(f"{record:032x}", copy, lines, "a" * 64, "b" * 64, f"room-{record}")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def test_what_was_added_is_found_by_record_and_copy(journal: Journal) -> None:
    for each in (entry(1), entry(1, copy=1), entry(2), entry(1, lines=9)):
        journal.add(each)
    assert journal.find(entry(1).record, 0) == [entry(1), entry(1, lines=9)]
    assert journal.find(entry(1).record, 1) == [entry(1, copy=1)]
    assert journal.find(entry(3).record, 0) == []
    assert journal.path.stat().st_mode & 0o777 & ~0o640 == 0


def test_an_entry_that_a_crash_tore_is_nobodys(journal: Journal) -> None:
    journal.add(entry(1))
    with journal.path.open("ab") as file:
        file.write(b'{"record":"00')
    assert journal.find(entry(1).record, 0) == [entry(1)]
    journal.add(entry(2))
    assert journal.find(entry(2).record, 0) == [entry(2)]
    assert journal.path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("line", [b"", b"{}", b"nonsense", b'{"record":1}', b"\xff"])
def test_a_wrong_line_is_named_and_nothing_is_said_of_any_record(journal: Journal, line: bytes) -> None:
    journal.add(entry(1))
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(RecordError, match="line 2 of the journal is wrong"):
        journal.find(entry(1).record, 0)


def test_recorders_that_close_at_once_write_whole_lines(journal: Journal) -> None:
    threads = [threading.Thread(target=journal.add, args=(entry(number),)) for number in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all(len(journal.find(entry(number).record, 0)) == 1 for number in range(20))


def test_a_journal_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "missing" / "journal.jsonl")
    for use in (journal.check, lambda: journal.add(entry()), lambda: journal.find("", 0)):
        with pytest.raises(RecordError, match="the journal cannot be"):
            use()


def test_it_stands_beside_the_folder_of_records() -> None:
    assert find_journal_beside(Path("/srv/records")) == Path("/srv/records-journal.jsonl")
