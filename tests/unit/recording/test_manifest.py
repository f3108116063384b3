from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from sfu.recording.entries import EntryError
from sfu.recording.errors import RecordError
from sfu.recording.folder import Folder, printable, write_whole
from sfu.recording.manifest import FileFact, build_manifest, digest_file, parse_manifest_files, write_manifest
from sfu.recording.signing import SigningKey
from tests.recording_samples import build_record

KEY = SigningKey.generate()
FILES = [FileFact("media/002-video.mkv", 3, "b" * 64), FileFact("ledger.jsonl", 7, "a" * 64)]


def test_a_manifest_is_the_same_whatever_order_its_facts_come_in() -> None:
    one = build_manifest("r" * 32, "k" * 64, 9, "h" * 64, {"stop": 1, "gap": 2}, FILES)
    other = build_manifest("r" * 32, "k" * 64, 9, "h" * 64, {"gap": 2, "stop": 1}, reversed(FILES))
    assert one == other
    assert one.endswith(b"}\n") and b" " not in one
    read = json.loads(one)
    assert [each["path"] for each in read["files"]] == ["ledger.jsonl", "media/002-video.mkv"]
    assert (read["lines"], read["head"], read["counts"]) == (9, "h" * 64, {"gap": 2, "stop": 1})
    assert parse_manifest_files(one) == sorted(FILES)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"{}\n", b'{"files":1}\n', b'{"files":[1]}\n', b'{"files":[{"path":"a","bytes":1}]}\n',
     b'{"files":[{"path":"a","bytes":true,"sha256":"b"}]}\n', b'{"files":[{"path":1,"bytes":1,"sha256":"b"}]}\n',
     b'{"files":NaN}\n', b"[" * 100_000 + b"\n", b"\xff\n"],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(EntryError):
        parse_manifest_files(data)


def test_a_manifest_is_signed_in_64_bytes_and_covers_all_files(tmp_path: Path) -> None:
    folder = build_record(tmp_path / "record", KEY).folder
    manifest, signature = (folder / "manifest.json").read_bytes(), (folder / "manifest.json.sig").read_bytes()
    assert len(signature) == 64
    assert KEY.public.verify(manifest, signature)
    named = {each.path: each for each in parse_manifest_files(manifest)}
    there = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    assert named.keys() == there - {"manifest.json", "manifest.json.sig"}
    for each in named.values():
        data = (folder / each.path).read_bytes()
        assert (each.bytes, each.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert digest_file(folder, each.path) == each


def test_the_signature_is_there_before_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest's presence says that a record is closed; so a crash between the two leaves it open."""
    seen = []
    really = Path.rename

    def note(path: Path, target: Path) -> Path:
        seen.append((target.name, sorted(each.name for each in tmp_path.iterdir())))
        return really(path, target)

    monkeypatch.setattr(Path, "rename", note)
    write_manifest(tmp_path, b"{}\n", KEY)
    assert seen == [
        ("manifest.json.sig", ["manifest.json.sig.tmp"]),
        ("manifest.json", ["manifest.json.sig", "manifest.json.tmp"]),
    ]


def test_a_file_that_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"missing/file: this file cannot be written: No such file"):
        write_whole(tmp_path / "missing" / "file", b"")
    with pytest.raises(RecordError, match=r"file: this file cannot be read: No such file"):
        digest_file(tmp_path, "file")


def test_a_folder_lists_what_a_record_has_and_what_it_cannot_have(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    for name in ("ledger.jsonl", "media/001-audio.mkv", "media/1000-video.mkv", "media/0100-video.mkv", "a\x1b[2Jb"):
        (tmp_path / name).write_bytes(b"xyz")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    with Folder(tmp_path) as folder:
        listing = folder.list()
        assert listing.sizes == {"ledger.jsonl": 3, "media/001-audio.mkv": 3, "media/1000-video.mkv": 3}
        assert sorted(name for name, _ in listing.strange) == ["\\udcff", "a\\x1b[2Jb", "media/0100-video.mkv"]
        assert b"".join(folder.read_chunks("media/001-audio.mkv", 1, 99)) == b"yz"
        assert folder.read("ledger.jsonl", 2) == b"xy"


def test_text_from_outside_cannot_move_the_cursor() -> None:
    assert printable("Żofia 1") == "Żofia 1"
    assert printable("a\x1b[2J\u202e\u009b\nb") == "a\\x1b[2J\\u202e\\x9b\\nb"
    assert len(printable("x" * 10_000)) == 203
