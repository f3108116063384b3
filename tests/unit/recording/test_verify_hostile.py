"""Records that were made to mislead whoever verifies them."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.recording.verify import Outcome
from tests.recording_samples import SampleRecord

from .verdicts import KEY, altered, check

UTC = "2026-01-31T09:00:00.000000Z"
SOURCE = {"source": 1, "file": "media/001-audio.mkv", "kind": "audio", "codec": "opus", "peer": "b"}
APART = {"file": "unattested/0001-ledger.jsonl", "bytes": 1, "sha256": "0" * 64}
STOP = {"cause": "stopped", "utc": UTC}


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
    made = SampleRecord(tmp_path / "record", KEY, version=1)
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
        (
            [("tail", {"source": 1, "file": "media/001-audio.mkv", "offset": 3})],
            "cannot stand in a record of version 3",
        ),
        (
            [("torn", {"file": "torn/0001.bin", "bytes": 1, "sha256": "0" * 64})],
            "cannot stand in a record of version 3",
        ),
        ([("stray", {"file": "timestamps/0001.tsr", "bytes": 1, "sha256": "0" * 64})], "cannot stand in a record of"),
        ([("unattested", APART)], "there was no recovery before it"),
        ([("mark", {"name": "a"}), ("recover", {"utc": UTC})], "the lines before it are not signed"),
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


@pytest.mark.parametrize(
    ("tail", "reason"),
    [
        ({"source": 1, "file": "media/001-audio.mkv", "offset": 3}, "not what follows"),
        ({"source": 2, "file": "media/001-audio.mkv", "offset": 0}, "cannot be the file of source 2"),
    ],
)
def test_tails_of_version_1_follow_the_last_fragment(tmp_path: Path, tail: dict[str, object], reason: str) -> None:
    made = SampleRecord(tmp_path / "record", KEY, version=1)
    made.source(1, "audio", "a")
    made.event("tail", 5, bytes=1, sha256="0" * 64, **tail)
    assert altered(tmp_path / "record", "ledger.jsonl", reason).line == 3


@pytest.mark.parametrize("file", ["unattested/../media/001-audio.mkv", "unattested/1-ledger.jsonl", "torn/0001.bin"])
def test_what_is_set_apart_stands_in_its_folder(tmp_path: Path, file: str) -> None:
    made = SampleRecord(tmp_path / "record", KEY)
    made.head(1)
    made.event("recover", 2, utc=UTC)
    made.event("unattested", 2, **(APART | {"file": file}))
    assert altered(tmp_path / "record", "ledger.jsonl", "cannot be the file of a unattested line").line == 4


def test_a_start_of_version_2_says_which_copy_it_is(tmp_path: Path) -> None:
    made = SampleRecord(tmp_path / "record", KEY, version=1)
    path = made.folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2'))
    altered(made.folder, "ledger.jsonl", "does not say which copy")


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
