from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, Verdict, verify_record
from tests.recording_samples import SECOND_US, SampleRecord, begin_record, build_record

KEY = SigningKey.generate()
UTC = "2026-01-31T09:00:00.000000Z"
SOURCE = {"source": 1, "file": "media/001-audio.mkv", "kind": "audio", "codec": "opus", "peer": "b"}
STOP = {"cause": "stopped", "utc": UTC}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    build_record(tmp_path / "record", KEY)
    return tmp_path / "record"


@pytest.fixture
def open_record(tmp_path: Path) -> SampleRecord:
    return begin_record(tmp_path / "record", KEY)


def check(folder: Path) -> Verdict:
    return verify_record(folder, KEY.public)


def altered(folder: Path, file: str, reason: str) -> Verdict:
    verdict = check(folder)
    assert (verdict.outcome, verdict.file) == (Outcome.ALTERED, file), verdict.problem
    assert reason in verdict.problem
    return verdict


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


def test_without_a_key_from_outside_it_is_intact_but_not_pinned(record: Path) -> None:
    verdict = verify_record(record)
    assert (verdict.outcome, verdict.pinned) == (Outcome.INTACT, False)


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


@pytest.mark.parametrize(
    "file",
    [
        "../outside.mkv",
        "/etc/passwd",
        "media/../../outside.mkv",
        "media/1-audio.mkv",
        "media/001-audio.mkv\0",
        "",
        "media",
    ],
)
def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    (tmp_path / "outside.mkv").write_bytes(b"x")
    made.event("source", 5, source=1, file=file, kind="audio", codec="opus", peer="a")
    made.close(20)
    verdict = altered(tmp_path / "record", "ledger.jsonl", "cannot be the file of audio source 1")
    assert verdict.line == 2


@pytest.mark.parametrize("kind", ["timestamp", "torn", "stray"])
def test_a_line_about_a_file_elsewhere_is_refused(tmp_path: Path, kind: str) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    line = made.head(1)
    head = hashlib.sha256(line).hexdigest()
    made.event(kind, 5, file="../../etc/passwd", bytes=1, sha256="0" * 64, head=head)
    altered(tmp_path / "record", "ledger.jsonl", f"cannot be the file of a {kind} line")


def link_a_media_file(folder: Path) -> str:
    path = folder / "media/001-audio.mkv"
    path.rename(folder.parent / "elsewhere.mkv")
    path.symlink_to(folder.parent / "elsewhere.mkv")
    return "media/001-audio.mkv"


def link_the_media_folder(folder: Path) -> str:
    (folder / "media").rename(folder.parent / "elsewhere")
    (folder / "media").symlink_to(folder.parent / "elsewhere")
    return "media/001-audio.mkv"


def link_the_ledger(folder: Path) -> str:
    (folder / "ledger.jsonl").rename(folder.parent / "elsewhere.jsonl")
    (folder / "ledger.jsonl").symlink_to(folder.parent / "elsewhere.jsonl")
    return "ledger.jsonl"


def make_the_key_a_pipe(folder: Path) -> str:
    (folder / "public-key.pem").unlink()
    os.mkfifo(folder / "public-key.pem")
    return "public-key.pem"


def make_a_stamp_a_socket(folder: Path) -> str:
    (folder / "timestamps/0001.tsr").unlink()
    with socket.socket(socket.AF_UNIX) as made:
        previous = os.getcwd()
        os.chdir(folder / "timestamps")
        try:
            made.bind("0001.tsr")
        finally:
            os.chdir(previous)
    return "timestamps/0001.tsr"


def make_the_manifest_a_folder(folder: Path) -> str:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()
    return "manifest.json"


@pytest.mark.parametrize(
    "change",
    [link_a_media_file, link_the_media_folder, link_the_ledger, make_the_key_a_pipe, make_a_stamp_a_socket,
     make_the_manifest_a_folder],
)  # fmt: skip
def test_nothing_but_regular_files_is_read(record: Path, change: Callable[[Path], str]) -> None:
    named = change(record)
    verdict = check(record)
    assert verdict.outcome is Outcome.ALTERED
    assert verdict.file == named


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", 1),
        (b"\n", 1),
        (b"x", 1),
        (b"x\n", 1),
        (b"\0" * 100_000, 1),
        (b"[" * 1_000_000 + b"\n", 1),
        (b'{"n":0,"n":0}\n', 1),
        (b'{"n":NaN,"t_us":0,"prev":"","type":"start"}\n', 1),
        (b"{" + b'"a":{' * 10_000 + b"}" * 10_001 + b"\n", 1),
        (random.Random(1).randbytes(300_000), 1),
    ],
)
def test_a_ledger_of_anything_names_its_first_line(record: Path, content: bytes, line: int) -> None:
    (record / "ledger.jsonl").write_bytes(content)
    assert altered(record, "ledger.jsonl", "").line == line


def test_a_line_that_never_ends_is_not_read_whole(record: Path) -> None:
    with (record / "ledger.jsonl").open("ab") as file:
        file.truncate(3 << 30)  # a hole of 3 GiB
    assert "longer than 65536 bytes" in altered(record, "ledger.jsonl", "").problem


def test_a_fragment_of_impossible_size_is_not_read(tmp_path: Path) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    made.source(1, "audio", "a")
    made.event("fragment", 5, source=1, index=0, offset=0, bytes=1 << 62, sha256="0" * 64, begin_us=0, end_us=1)
    verdict = altered(tmp_path / "record", "media/001-audio.mkv", "cut short")
    assert verdict.fragment == 0


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([("fragment", {"source": 9, "index": 0, "offset": 0})], "tells of source 9, which no line before has named"),
        ([("fragment", {"source": 1, "index": 1, "offset": 0})], "stands where fragment 0 must"),
        ([("fragment", {"source": 1, "index": 0, "offset": 1})], "begins elsewhere than at byte 0"),
        ([("fragment", {"source": 1, "index": 0, "offset": 0, "bytes": 0})], "begins elsewhere than at byte 0"),
        ([("gap", {"source": 9, "cause": "loss", "begin_us": 0, "end_us": 1})], "source 9"),
        ([("source", SOURCE)], "second time"),
        ([("source", SOURCE | {"source": 2, "kind": "video"})], "cannot be the file of video source 2"),
        ([("tail", {"source": 1, "file": "media/001-audio.mkv", "offset": 3})], "not what follows"),
        ([("tail", {"source": 2, "file": "media/001-audio.mkv", "offset": 0})], "cannot be the file of source 2"),
        ([("head", {"head": "0" * 64, "signature": "", "utc": UTC})], "not the hash of the line before"),
        ([("timestamp", {"file": "timestamps/0001.tsr", "head": "0" * 64})], "not a head line before it"),
        ([("stop", STOP), ("mark", {"name": "a"})], "after the record was stopped"),
        ([("stop", STOP), ("stop", STOP)], "after the record was stopped"),
    ],
)
def test_lines_that_contradict_each_other_are_named(
    tmp_path: Path, lines: list[tuple[str, dict[str, object]]], reason: str
) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    made.source(1, "audio", "a")
    common = {"bytes": 1, "sha256": "0" * 64, "begin_us": 0, "end_us": 1}
    for kind, fields in lines:
        made.event(kind, 5, **((common | fields) if kind in ("fragment", "tail", "timestamp") else fields))
    assert altered(tmp_path / "record", "ledger.jsonl", reason).line == 2 + len(lines)


@pytest.mark.parametrize("signature", ["", "A", "AAAA", "=" * 88, "ż" * 64, "A" * 86 + "==", "A" * 60_000])
def test_a_signature_that_is_none_is_named(tmp_path: Path, signature: str) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    head = made.ledger.prev
    made.event("head", 5, head=head, signature=signature, utc=UTC)
    assert altered(tmp_path / "record", "ledger.jsonl", "signature was not made by").line == 2


def test_one_signature_has_one_way_to_be_written(open_record: SampleRecord) -> None:
    """The last bits of base64 mean nothing, but a record that is changed in them is changed."""
    path = open_record.folder / "ledger.jsonl"
    data = path.read_bytes()
    at = data.rindex(b'==","utc"') - 1
    path.write_bytes(data[:at] + bytes([data[at] + 1]) + data[at + 1 :])
    altered(open_record.folder, "ledger.jsonl", "signature was not made by")


def test_a_record_of_a_later_version_is_not_called_altered(record: Path) -> None:
    path = record / "ledger.jsonl"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"version":1', b'"version":2', 1))
    with pytest.raises(RecordError, match="of version 2; this program knows version 1 only"):
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
