from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.journal import ClosedEntry, Journal
from sfu.recording.reader import read_record
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey, load_public_key
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import SECOND_US, SampleRecord, begin_record, build_record
from tests.unit.recording.recovery import KEY, UTC, apart, append, contents, lines_of, recovered


@pytest.fixture
def crashed(tmp_path: Path) -> SampleRecord:
    return begin_record(tmp_path / "record", KEY, seconds=5)


def test_what_was_signed_is_kept_and_closed_and_what_was_not_is_set_apart(crashed: SampleRecord) -> None:
    before = contents(crashed.folder)
    lines = before["ledger.jsonl"].splitlines(keepends=True)
    done = recover_record(crashed.folder, KEY, UTC)
    recovered(crashed.folder, 18)
    after = contents(crashed.folder)
    assert after["ledger.jsonl"].startswith(b"".join(lines[:18]))
    assert apart(crashed.folder)["0001-ledger.jsonl"] == b"".join(lines[18:])
    for name in [name for name in before if name.startswith("media/")]:
        tail = after.get(name.replace("media/", "unattested/0001-"), b"")
        assert after.get(name, b"") + tail == before[name]
        assert tail  # after the head each source went on
    said, *told, stop, head = lines_of(crashed.folder)[18:]
    assert (said["type"], said["utc"], said["last_us"]) == ("recover", "2026-02-01T12:00:00.000000Z", 4 * SECOND_US)
    assert (said["lines"], said["signed_lines"]) == (done.lines, done.signed_lines) == (24, 18)
    assert [each["file"] for each in told if each["type"] == "unattested"] == [each.path for each in done.unattested]
    assert (stop["type"], stop["cause"], stop["fragments"]) == ("stop", "recovered", 8)
    assert head["type"] == "head"
    assert {each["t_us"] for each in (said, *told, stop, head)} == {4 * SECOND_US}


def test_nothing_is_signed_of_what_a_forger_appended(crashed: SampleRecord) -> None:
    """A fragment, a mark and a stop, chained as they must be, behind the last head that was signed."""
    crashed.head(5 * SECOND_US)
    signed = len(lines_of(crashed.folder))
    crashed.fragment(1, 5 * SECOND_US, 6 * SECOND_US, b"forged media")
    crashed.event("mark", 6 * SECOND_US, name="forged", data={})
    crashed.event("stop", 6 * SECOND_US, cause="stopped", utc="2026-01-31T09:00:06.000000Z")
    recover_record(crashed.folder, KEY, UTC)
    recovered(crashed.folder, signed)
    assert b"forged" not in (crashed.folder / "ledger.jsonl").read_bytes()
    assert not (crashed.folder / "media/001-audio.mkv").read_bytes().endswith(b"forged media")
    assert apart(crashed.folder)["0001-001-audio.mkv"] == b"forged media"
    assert b'"forged"' in apart(crashed.folder)["0001-ledger.jsonl"]


def test_a_record_of_which_nothing_is_signed_is_not_recovered(tmp_path: Path) -> None:
    """As anybody can make one up who has the public key."""
    folder = begin_record(tmp_path / "record", KEY, seconds=1).folder
    before = contents(folder)
    with pytest.raises(RecordError, match="no line of this record was signed, so there is nothing"):
        recover_record(folder, KEY, UTC)
    assert contents(folder) == before


def test_what_is_set_apart_is_covered(crashed: SampleRecord) -> None:
    recover_record(crashed.folder, KEY, UTC)
    for path in sorted((crashed.folder / "unattested").iterdir()):
        data = path.read_bytes()
        path.write_bytes(data + b"x")
        verdict = verify_record(crashed.folder, KEY.public)
        assert (verdict.outcome, verdict.file) == (Outcome.ALTERED, f"unattested/{path.name}")
        path.write_bytes(data)
    recovered(crashed.folder)
    (crashed.folder / "unattested/0002-ledger.jsonl").write_bytes(b"")
    assert verify_record(crashed.folder, KEY.public).outcome is Outcome.ALTERED


def test_a_recovered_record_that_is_recovered_again_is_the_recorders_as_far_as_before(crashed: SampleRecord) -> None:
    recover_record(crashed.folder, KEY, UTC)
    (crashed.folder / "manifest.json").unlink()
    before = contents(crashed.folder)
    append(crashed.folder / "media/002-video.mkv", b"forged")
    append(crashed.folder / "ledger.jsonl", b'{"n":99}\n')
    recover_record(crashed.folder, KEY, UTC)
    recovered(crashed.folder, 18)
    assert apart(crashed.folder)["0002-002-video.mkv"] == b"forged"
    assert apart(crashed.folder).keys() >= {Path(name).name for name in before if name.startswith("unattested/")}


def test_without_a_key_a_recovered_record_is_one_of_an_unknown_signer(crashed: SampleRecord) -> None:
    recover_record(crashed.folder, KEY, UTC)
    verdict = verify_record(crashed.folder)
    assert (verdict.outcome, verdict.attested_lines) == (Outcome.UNPINNED, 18)


@pytest.mark.parametrize(
    ("name", "outcome", "attested"),
    [("closed", "INTACT", None), ("recovered", "RECOVERED", 18), ("forged", "RECOVERED", 18),
     ("forged-stop", "RECOVERED", 18)],
)  # fmt: skip
def test_records_of_version_1_verify_and_what_a_recovery_signed_is_not_intact(
    name: str, outcome: str, attested: int | None
) -> None:
    """Made by the program that wrote version 1: its recovery signed whatever stood behind the last head."""
    data = Path(__file__).parents[2] / "data" / "version-1"
    verdict = verify_record(data / name, load_public_key(data / "public.pem"))
    assert (verdict.outcome.name, verdict.attested_lines) == (outcome, attested), verdict.problem


def test_what_a_recovery_of_version_1_signed_is_no_entry_like_others() -> None:
    data = Path(__file__).parents[2] / "data" / "version-1"
    forged = (data / "forged" / "ledger.jsonl").read_bytes()
    assert forged.count(b'"type":"fragment"') == 9
    record = read_record(data / "forged")
    assert sum(len(each.fragments) for each in record.sources) == 8
    assert sum(len(each.fragments) for each in read_record(data / "closed").sources) == 8


def test_a_crashed_record_of_version_1_is_recovered(tmp_path: Path) -> None:
    made = SampleRecord(tmp_path / "record", KEY, version=1)
    made.source(1, "audio", "a")
    made.fragment(1, 0, SECOND_US)
    made.head(SECOND_US)
    made.fragment(1, SECOND_US, 2 * SECOND_US)
    (made.folder / "torn").mkdir()
    (made.folder / "torn/0001.bin").write_bytes(b"of a recovery that was interrupted")
    recover_record(made.folder, KEY, UTC)
    recovered(made.folder, 4)
    assert apart(made.folder).keys() == {"0001-ledger.jsonl", "0001-001-audio.mkv", "0001-0001.bin"}


def closed_in(journal: Journal, made: SampleRecord, copy: int = 0) -> None:
    ledger = made.ledger
    journal.add(ClosedEntry(ledger.record, copy, ledger.n, ledger.prev, KEY.key_id, "record"))


def test_a_record_that_the_journal_knows_as_closed_is_not_recovered_from_an_older_head(tmp_path: Path) -> None:
    made, journal = build_record(tmp_path / "record", KEY), Journal(tmp_path / "journal.jsonl")
    closed_in(journal, made)
    (made.folder / "manifest.json").unlink()
    lines = (made.folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    cut = max(n for n, line in enumerate(lines[:-1]) if b'"type":"head"' in line) + 1
    (made.folder / "ledger.jsonl").write_bytes(b"".join(lines[:cut]))
    before = contents(made.folder)
    with pytest.raises(RecordError, match=rf"knows this record as closed, with {len(lines)} lines"):
        recover_record(made.folder, KEY, UTC, journal=journal)
    assert contents(made.folder) == before
    verdict = verify_record(made.folder, KEY.public, journal=journal)
    assert (verdict.outcome, "the journal knows" in verdict.problem) == (Outcome.ALTERED, True)
    recover_record(made.folder, KEY, UTC)  # without the journal nobody can know
    recovered(made.folder)
    assert verify_record(made.folder, KEY.public, journal=journal).outcome is Outcome.ALTERED


def test_a_record_that_lacks_the_manifest_only_gets_the_very_same_if_the_journal_knows_it(tmp_path: Path) -> None:
    made, journal = build_record(tmp_path / "record", KEY), Journal(tmp_path / "journal.jsonl")
    closed_in(journal, made)
    before = contents(made.folder)
    (made.folder / "manifest.json").rename(made.folder / "manifest.json.tmp")
    assert recover_record(made.folder, KEY, UTC, journal=journal).restored
    assert contents(made.folder) == before
    verdict = verify_record(made.folder, KEY.public, journal=journal)
    assert (verdict.outcome, verdict.journaled) == (Outcome.INTACT, True)
    (made.folder / "manifest.json").unlink()
    append(made.folder / "media/001-audio.mkv", b"forged")
    with pytest.raises(RecordError, match=r"media/001-audio\.mkv was added after this record was closed"):
        recover_record(made.folder, KEY, UTC, journal=journal)


def test_the_journal_learns_of_a_recovery_and_knows_mirrors_apart(crashed: SampleRecord, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    closed_in(journal, begin_record(tmp_path / "mirror", KEY, seconds=4, copy=1), copy=1)
    recover_record(crashed.folder, KEY, UTC, journal=journal)
    [known] = journal.find(crashed.ledger.record, 0)
    assert (known.folder, known.lines) == ("record", len(lines_of(crashed.folder)))
    verdict = verify_record(crashed.folder, KEY.public, journal=journal)
    assert (verdict.outcome, verdict.journaled) == (Outcome.RECOVERED, True)
    (crashed.folder / "manifest.json").unlink()
    append(crashed.folder / "ledger.jsonl", b"{}\n")
    with pytest.raises(RecordError, match="knows this record as closed"):
        recover_record(crashed.folder, KEY, UTC, journal=journal)


def test_a_gap_without_end_is_declared_for_each_source_from_its_last_media_on(tmp_path: Path) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    for source, peer in ((1, "silent"), (2, "lost"), (3, "gone"), (4, "back"), (5, "late")):
        made.source(source, "audio", peer, 1000)
    for source in (2, 3, 4):
        made.fragment(source, 0, SECOND_US)
    made.event("gap", 2 * SECOND_US, source=2, cause="loss", begin_us=SECOND_US, end_us=1_900_000)
    for source in (3, 4):
        made.event("track", 2 * SECOND_US, source=source, track=7, event="end")
    made.event("track", 3 * SECOND_US, source=4, track=8, event="begin")
    made.fragment(5, 3 * SECOND_US, 4 * SECOND_US)
    made.head(4 * SECOND_US)
    done = recover_record(made.folder, KEY, UTC)
    gaps = {each["source"]: each for each in lines_of(made.folder) if each.get("cause") == "recorder_fault"}
    assert {source: each["begin_us"] for source, each in gaps.items()} == {
        1: 1000,
        2: 1_900_000,
        4: 3 * SECOND_US,
        5: 4 * SECOND_US,
    }
    assert {each["end_us"] for each in gaps.values()} == {None}
    assert dict(done.gaps)["media/005-audio.mkv"] == 4 * SECOND_US
    recovered(made.folder)


@pytest.mark.parametrize("torn", [b'{"n":24,"t_us":5', b"\0" * 4096, b"{}\n" * 3, b"\xff" * 200_000])
def test_what_was_torn_is_kept(crashed: SampleRecord, torn: bytes) -> None:
    append(crashed.folder / "ledger.jsonl", torn)
    before = (crashed.folder / "ledger.jsonl").read_bytes()
    recover_record(crashed.folder, KEY, UTC)
    kept = apart(crashed.folder)["0001-ledger.jsonl"]
    assert kept.endswith(torn) and before.endswith(kept)
    recovered(crashed.folder, 18)


def test_what_a_recovery_makes_is_not_for_everybody_to_read(crashed: SampleRecord) -> None:
    for each in crashed.folder.rglob("*.*"):
        each.chmod(0o640)  # as a recorder makes them
    before = {*crashed.folder.rglob("*")}
    append(crashed.folder / "ledger.jsonl", b'{"n":24,"t_us":5')
    umask = os.umask(0)
    try:
        recover_record(crashed.folder, KEY, UTC)
    finally:
        os.umask(umask)
    made = {*crashed.folder.rglob("*")} - before
    assert {str(each.relative_to(crashed.folder)) for each in made} >= {
        "unattested", "unattested/0001-ledger.jsonl", "manifest.json"
    }  # fmt: skip
    assert all(each.stat().st_mode & 0o027 == 0 for each in made)


def test_files_that_no_signed_line_tells_of_are_set_apart_whole(crashed: SampleRecord) -> None:
    (crashed.folder / "media/004-video.mkv").write_bytes(b"a header")
    (crashed.folder / "media/005-audio.mkv").write_bytes(b"")
    (crashed.folder / "timestamps/0002.tsr").write_bytes(b"half a resp")
    recover_record(crashed.folder, KEY, UTC)
    recovered(crashed.folder, 18)
    found = apart(crashed.folder)
    assert found["0001-004-video.mkv"] == b"a header" and found["0001-005-audio.mkv"] == b""
    assert found["0001-0002.tsr"] == b"half a resp"
    assert not (crashed.folder / "media/004-video.mkv").exists()


def test_a_source_whose_file_was_not_yet_made_is_no_fault(crashed: SampleRecord) -> None:
    crashed.source(4, "audio", "late")
    (crashed.folder / "media/004-audio.mkv").unlink()
    recover_record(crashed.folder, KEY, UTC)
    recovered(crashed.folder)


def test_a_public_key_that_was_not_yet_written_is_written(crashed: SampleRecord) -> None:
    (crashed.folder / "public-key.pem").unlink()
    recover_record(crashed.folder, KEY, UTC)
    assert (crashed.folder / "public-key.pem").read_bytes() == KEY.public.pem
    recovered(crashed.folder)


def test_a_closed_record_is_left_alone(tmp_path: Path) -> None:
    folder = build_record(tmp_path / "record", KEY).folder
    before = contents(folder)
    with pytest.raises(RecordError, match="is closed; there is nothing to recover"):
        recover_record(folder, KEY, UTC)
    assert contents(folder) == before


def test_a_recovered_record_is_closed(crashed: SampleRecord) -> None:
    recover_record(crashed.folder, KEY, UTC)
    with pytest.raises(RecordError, match="is closed"):
        recover_record(crashed.folder, KEY, UTC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: flip(folder / "media/002-video.mkv"), r"media/002-video\.mkv: fragment 0 .* was changed"),
        (lambda folder: flip(folder / "ledger.jsonl"), r"ledger\.jsonl, line 1: "),
        (lambda folder: (folder / "media/001-audio.mkv").write_bytes(b""), "cut short: it ends within fragment 0"),
        (lambda folder: (folder / "notes.txt").write_bytes(b""), r"notes\.txt: this file was added"),
        (lambda folder: (folder / "ledger.jsonl").write_bytes(b'{"n":'), r"ledger\.jsonl, line 1: it is torn"),
        (lambda folder: (folder / "ledger.jsonl").write_bytes(b""), "the ledger is empty"),
    ],
)
def test_a_record_that_was_altered_is_not_recovered(
    crashed: SampleRecord, change: Callable[[Path], object], reason: str
) -> None:
    change(crashed.folder)
    before = contents(crashed.folder)
    with pytest.raises(RecordError, match=reason):
        recover_record(crashed.folder, KEY, UTC)
    assert contents(crashed.folder) == before


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[20] ^= 1
    path.write_bytes(data)


def test_another_key_cannot_recover_it(crashed: SampleRecord) -> None:
    before = contents(crashed.folder)
    with pytest.raises(RecordError, match="begun with another key"):
        recover_record(crashed.folder, SigningKey.generate(), UTC)
    assert contents(crashed.folder) == before


def test_what_is_no_record_is_not_recovered(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RecordError, match=r"has no ledger\.jsonl that can be written: No such file"):
            recover_record(folder, KEY, UTC)
    (tmp_path / "other.jsonl").write_bytes(b"")
    (tmp_path / "ledger.jsonl").symlink_to("other.jsonl")
    with pytest.raises(RecordError, match="that can be written"):
        recover_record(tmp_path, KEY, UTC)
