from __future__ import annotations

import fcntl
import hashlib
import json
import os
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import SECOND_US, SampleRecord

from .verdicts import KEY, altered, check


def fragment_of(folder: Path, file: str, index: int) -> tuple[int, int, int]:
    """Line (from 1), offset and size of a fragment."""
    lines = [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]
    source = int(file[6:9])
    for each in lines:
        if each["type"] == "fragment" and (each["source"], each["index"]) == (source, index):
            return each["n"] + 1, each["offset"], each["bytes"]
    raise AssertionError(f"{file} has no fragment {index}")


def flip(path: Path, at: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def test_a_record_that_nobody_touched_is_intact_and_says_what_it_is(record: Path) -> None:
    verdict = check(record)
    assert verdict.outcome is Outcome.INTACT
    assert (verdict.problem, verdict.file, verdict.line, verdict.fragment) == ("", "", None, None)
    assert (verdict.room, verdict.key_id, verdict.pinned) == ("saal 1", KEY.key_id, True)
    assert (verdict.began_utc, verdict.stop_cause) == ("2026-01-31T09:00:00.000000Z", "stopped")
    assert verdict.counts["fragment"] == 14 and verdict.counts["gap"] == 1
    assert verdict.lines == verdict.signed_lines == sum(verdict.counts.values())
    assert json.loads(json.dumps(verdict.as_dict()))["outcome"] == "intact"


def test_without_a_key_from_outside_nobody_knows_who_signed(record: Path) -> None:
    verdict = verify_record(record)
    assert (verdict.outcome, verdict.pinned) == (Outcome.UNPINNED, False)
    assert "no key was given from outside" in verdict.problem


def test_another_key_than_the_given_one_is_told(record: Path) -> None:
    verdict = verify_record(record, SigningKey.generate().public)
    assert verdict.outcome is Outcome.OTHER_KEY
    assert f"signed by the key {KEY.key_id}" in verdict.problem


@pytest.mark.parametrize(("file", "index"), [("media/001-audio.mkv", 0), ("media/002-video.mkv", 3)])
def test_a_changed_bit_of_media_names_its_fragment(record: Path, file: str, index: int) -> None:
    line, offset, size = fragment_of(record, file, index)
    for at in (offset, offset + size // 2, offset + size - 1):
        flip(record / file, at)
        verdict = altered(record, file, f"fragment {index} (bytes {offset} to {offset + size - 1}, ")
        assert (verdict.line, verdict.fragment) == (line, index)
        assert "of 'Żofia' from 0:00:0" in verdict.problem and "was changed" in verdict.problem
        flip(record / file, at)
    assert check(record).outcome is Outcome.INTACT


def test_of_several_changes_the_first_in_the_ledgers_order_is_named(record: Path) -> None:
    _, late, _ = fragment_of(record, "media/001-audio.mkv", 5)
    line, early, _ = fragment_of(record, "media/002-video.mkv", 1)
    flip(record / "media/001-audio.mkv", late)
    flip(record / "media/002-video.mkv", early)
    verdict = altered(record, "media/002-video.mkv", "fragment 1")
    assert verdict.line == line


def test_a_media_file_that_is_cut_short_names_the_first_fragment_that_lacks(record: Path) -> None:
    line, offset, size = fragment_of(record, "media/001-audio.mkv", 2)
    os.truncate(record / "media/001-audio.mkv", offset + size - 1)
    verdict = altered(record, "media/001-audio.mkv", "cut short: it ends within fragment 2")
    assert (verdict.line, verdict.fragment) == (line, 2)


def test_bytes_after_the_last_fragment_are_found(record: Path) -> None:
    with (record / "media/003-audio.mkv").open("ab") as file:
        file.write(b"more")
    altered(record, "media/003-audio.mkv", "4 bytes were added")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("ledger.jsonl", "this file is missing"),
        ("public-key.pem", "this file is missing, so nobody can tell"),
        ("manifest.json.sig", "this file is missing"),
        ("media/001-audio.mkv", "this file is missing; fragment 0"),
        ("timestamps/0001.tsr", "this file is missing; line 19 of the ledger names it"),
    ],
)
def test_a_file_that_is_missing_is_named(record: Path, file: str, reason: str) -> None:
    (record / file).unlink()
    altered(record, file, reason)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("note.txt", "does not belong"),
        (".DS_Store", "does not belong"),
        ("media/001-audio.mkv~", "does not belong"),
        ("media/0001-audio.mkv", "does not belong"),
        ("media/deep/001-audio.mkv", "this is a folder"),
        ("other/001-audio.mkv", "this is a folder"),
        ("manifest.json.tmp", "does not belong"),
        ("media/004-audio.mkv", "was added"),
        ("timestamps/0002.tsr", "was added"),
        ("torn/0001.bin", "was added"),
    ],
)
def test_a_file_that_was_added_is_named(record: Path, file: str, reason: str) -> None:
    (record / file).parent.mkdir(exist_ok=True)
    (record / file).write_bytes(b"")
    named = file if reason != "this is a folder" else str(Path(file).parent)
    altered(record, named, reason)


def test_an_edited_line_is_named_although_its_chain_was_made_to_fit(record: Path) -> None:
    path = record / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert b'"lost":0' in lines[6]
    lines[6] = lines[6].replace(b'"lost":0', b'"lost":9')
    path.write_bytes(b"".join(lines))
    assert altered(record, "ledger.jsonl", "line 7 was changed").line == 8
    for n in range(7, len(lines)):
        fields = json.loads(lines[n])
        fields["prev"] = hashlib.sha256(lines[n - 1]).hexdigest()
        if fields["type"] == "head":
            fields["head"] = fields["prev"]
        lines[n] = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    verdict = altered(record, "ledger.jsonl", "of the lines 1 to ")
    assert verdict.line == next(n + 1 for n, line in enumerate(lines) if b'"type":"head"' in line)


def test_a_manifest_that_does_not_fit_or_is_not_signed_is_found(record: Path) -> None:
    manifest, signature = record / "manifest.json", record / "manifest.json.sig"
    good, signed = manifest.read_bytes(), signature.read_bytes()
    manifest.write_bytes(good.replace(b'"fragment":14', b'"fragment":13'))
    altered(record, "manifest.json", "was changed")
    manifest.write_bytes(good.replace(b'"path":"public-key.pem","bytes":113', b'"path":"public-key.pem","bytes":112'))
    altered(record, "public-key.pem", "not what the manifest says")
    manifest.write_bytes(good.replace(b"timestamps/0001.tsr", b"timestamps/0009.tsr"))
    altered(record, "timestamps/0001.tsr", "does not name the file")
    manifest.write_bytes(b"{")
    altered(record, "manifest.json", "was changed: it does not end with a newline")
    manifest.write_bytes(good)
    for wrong in (b"", signed[:-1], signed + b"\n", SigningKey.generate().sign(good)):
        signature.write_bytes(wrong)
        altered(record, "manifest.json.sig", "not the signature of the record's key")
    signature.write_bytes(signed)
    assert check(record).outcome is Outcome.INTACT


def test_a_public_key_that_was_exchanged_is_found(record: Path) -> None:
    path = record / "public-key.pem"
    path.write_bytes(SigningKey.generate().public.pem)
    altered(record, "public-key.pem", "not the key that line 1 of the ledger names")
    path.write_bytes(KEY.public.pem + b"\n")
    altered(record, "public-key.pem", "still holds the same key")
    path.write_bytes(b"")
    altered(record, "public-key.pem", "no public key in PEM")


def test_a_record_without_its_end_is_in_order_as_far_as_it_goes(open_record: SampleRecord) -> None:
    verdict = check(open_record.folder)
    assert verdict.outcome is Outcome.NOT_CLOSED
    assert "was not closed" in verdict.problem
    open_record.event("mark", 7 * SECOND_US, name="later")
    verdict = check(open_record.folder)
    assert f"up to line {verdict.lines} of the ledger, signed up to line {verdict.lines - 1}" in verdict.problem


def test_a_record_that_is_still_written_is_told(open_record: SampleRecord) -> None:
    with (open_record.folder / "ledger.jsonl").open("ab") as writer:
        fcntl.flock(writer.fileno(), fcntl.LOCK_EX)
        verdict = check(open_record.folder)
        assert (verdict.outcome, "is still being written" in verdict.problem) == (Outcome.NOT_CLOSED, True)
        open_record.close(7 * SECOND_US)  # the writer holds on until all is there
        assert check(open_record.folder).outcome is Outcome.NOT_CLOSED
    assert check(open_record.folder).outcome is Outcome.INTACT


def test_a_record_that_was_not_closed_is_altered_all_the_same_where_it_was(open_record: SampleRecord) -> None:
    folder = open_record.folder
    _, offset, _ = fragment_of(folder, "media/001-audio.mkv", 4)
    flip(folder / "media/001-audio.mkv", offset)
    altered(folder, "media/001-audio.mkv", "fragment 4")


def test_what_a_crash_leaves_is_told_and_is_not_called_an_alteration(open_record: SampleRecord) -> None:
    folder = open_record.folder
    with (folder / "ledger.jsonl").open("ab") as ledger, (folder / "media/001-audio.mkv").open("ab") as media:
        ledger.write(b'{"n":')
        media.write(b"cluster")
    verdict = check(folder)
    assert verdict.outcome is Outcome.NOT_CLOSED
    assert "ends with 5 bytes of a line that was not finished" in verdict.problem
    assert "the last 7 bytes of media/001-audio.mkv" in verdict.problem


def test_a_folder_that_is_no_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"is not a record: it has no ledger\.jsonl"):
        verify_record(tmp_path)
    with pytest.raises(RecordError, match="No such file"):
        verify_record(tmp_path / "missing")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordError, match="Not a directory"):
        verify_record(tmp_path / "file")
    with pytest.raises(RecordError, match="null"):
        verify_record("a\0b")


def test_a_record_of_a_later_version_is_not_called_altered(record: Path) -> None:
    path = record / "ledger.jsonl"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"version":3', b'"version":9', 1))
    with pytest.raises(RecordError, match="of version 9; this program knows versions 1, 2 and 3 only"):
        check(record)
    path.write_bytes(data.replace(b'"sfu-record"', b'"else\\u009b"', 1).replace(b"\\u009b", "\u009b".encode(), 1))
    with pytest.raises(RecordError, match=r"not one of a record, but else\\x9b"):
        check(record)


def test_progress_reaches_the_size_of_what_is_read(record: Path) -> None:
    seen: list[tuple[int, int]] = []
    verify_record(record, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    total = sum(each.stat().st_size for each in record.rglob("*") if each.is_file())
    assert {total for _, total in seen} == {total}
    manifest = sum((record / name).stat().st_size for name in ("manifest.json", "manifest.json.sig"))
    assert seen[-1][0] == total - manifest


def test_a_file_that_cannot_be_read_is_an_error_and_no_verdict(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def refuse(path: object, *arguments: object, **more: object) -> int:
        if path == "002-video.mkv":
            raise PermissionError(13, "Permission denied")
        return really(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RecordError, match=r"002-video\.mkv: this file cannot be read: Permission denied"):
        check(record)
