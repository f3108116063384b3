from __future__ import annotations

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sfu.recording import recover
from sfu.recording.errors import RecordError
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import SECOND_US, SampleRecord, begin_record, build_record

KEY = SigningKey.generate()
UTC = datetime.datetime(2026, 2, 1, 12, 0, tzinfo=datetime.UTC)


@pytest.fixture
def crashed(tmp_path: Path) -> SampleRecord:
    return begin_record(tmp_path / "record", KEY, seconds=5)


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def intact(folder: Path) -> None:
    verdict = verify_record(folder, KEY.public)
    assert verdict.outcome is Outcome.INTACT, verdict.problem


def test_a_record_that_was_not_closed_is_closed_and_says_so(crashed: SampleRecord) -> None:
    before = contents(crashed.folder)
    done = recover_record(crashed.folder, KEY, UTC)
    intact(crashed.folder)
    after = contents(crashed.folder)
    assert {name: after[name] for name in before if name != "ledger.jsonl"} == {
        name: data for name, data in before.items() if name != "ledger.jsonl"
    }
    assert after["ledger.jsonl"].startswith(before["ledger.jsonl"])
    *_, said, stop, head = lines_of(crashed.folder)
    assert (said["type"], said["utc"], said["last_us"]) == ("recover", "2026-02-01T12:00:00.000000Z", 5 * SECOND_US)
    assert (said["lines"], said["signed_lines"]) == (done.lines, done.signed_lines) == (24, 18)
    assert (stop["type"], stop["cause"], stop["fragments"]) == ("stop", "recovered", 11)
    assert head["type"] == "head"
    assert {each["t_us"] for each in (said, stop, head)} == {5 * SECOND_US}


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
    intact(made.folder)


def test_a_torn_line_is_kept_in_a_file_of_its_own(crashed: SampleRecord) -> None:
    append(crashed.folder / "ledger.jsonl", b'{"n":24,"t_us":5')
    assert recover_record(crashed.folder, KEY, UTC).torn_bytes == 16
    assert (crashed.folder / "torn/0001.bin").read_bytes() == b'{"n":24,"t_us":5'
    assert [each["file"] for each in lines_of(crashed.folder) if each["type"] == "torn"] == ["torn/0001.bin"]
    intact(crashed.folder)


def test_what_a_recovery_makes_is_not_for_everybody_to_read(crashed: SampleRecord) -> None:
    before = {*crashed.folder.rglob("*")}
    append(crashed.folder / "ledger.jsonl", b'{"n":24,"t_us":5')
    umask = os.umask(0)
    try:
        recover_record(crashed.folder, KEY, UTC)
    finally:
        os.umask(umask)
    made = {*crashed.folder.rglob("*")} - before
    assert {str(each.relative_to(crashed.folder)) for each in made} >= {"torn", "torn/0001.bin", "manifest.json"}
    assert all(each.stat().st_mode & 0o027 == 0 for each in made)


def test_media_that_no_line_tells_of_are_kept_and_covered(crashed: SampleRecord) -> None:
    append(crashed.folder / "media/001-audio.mkv", b"a cluster")
    (crashed.folder / "media/004-video.mkv").write_bytes(b"a header")
    (crashed.folder / "media/005-audio.mkv").write_bytes(b"")
    (crashed.folder / "timestamps/0002.tsr").write_bytes(b"half a resp")
    done = recover_record(crashed.folder, KEY, UTC)
    assert [(each.path, each.bytes) for each in done.tails] == [
        ("media/001-audio.mkv", 9),
        ("media/004-video.mkv", 8),
        ("media/005-audio.mkv", 0),
    ]
    tails = {each["file"]: each for each in lines_of(crashed.folder) if each["type"] == "tail"}
    assert tails["media/001-audio.mkv"]["offset"] > 0 == tails["media/004-video.mkv"]["offset"]
    assert [each["file"] for each in lines_of(crashed.folder) if each["type"] == "stray"] == ["timestamps/0002.tsr"]
    intact(crashed.folder)
    data = bytearray((crashed.folder / "media/001-audio.mkv").read_bytes())
    data[-1] ^= 1
    (crashed.folder / "media/001-audio.mkv").write_bytes(data)
    verdict = verify_record(crashed.folder, KEY.public)
    assert (verdict.outcome, verdict.file) == (Outcome.ALTERED, "media/001-audio.mkv")
    assert "what follows its last fragment" in verdict.problem


def test_a_source_whose_file_was_not_yet_made_is_no_fault(crashed: SampleRecord) -> None:
    crashed.source(4, "audio", "late")
    (crashed.folder / "media/004-audio.mkv").unlink()
    recover_record(crashed.folder, KEY, UTC)
    intact(crashed.folder)


def test_a_public_key_that_was_not_yet_written_is_written(crashed: SampleRecord) -> None:
    (crashed.folder / "public-key.pem").unlink()
    recover_record(crashed.folder, KEY, UTC)
    assert (crashed.folder / "public-key.pem").read_bytes() == KEY.public.pem
    intact(crashed.folder)


def test_wherever_the_ledger_ends_it_is_recovered(tmp_path: Path) -> None:
    """A crash at every line's end, and at some bytes within each; media are always ahead of the ledger."""
    origin = build_record(tmp_path / "origin", KEY, seconds=4).folder
    data = (origin / "ledger.jsonl").read_bytes()
    ends = [n + 1 for n, octet in enumerate(data) if octet == 10]
    cuts = sorted({cut for end in ends for cut in (end, end - 1, end - 100, end + 1) if ends[0] <= cut <= len(data)})
    for cut in cuts:
        folder = tmp_path / f"cut-{cut}"
        shutil.copytree(origin, folder)
        for name in ("manifest.json", "manifest.json.sig"):
            (folder / name).unlink()
        os.truncate(folder / "ledger.jsonl", cut)
        recover_record(folder, KEY, UTC)
        intact(folder)
        assert sum(each["type"] == "stop" for each in lines_of(folder)) == 1
        shutil.rmtree(folder)
    assert len(cuts) > 60


def test_a_record_that_lacks_the_manifest_only_gets_the_very_same(tmp_path: Path) -> None:
    folder = build_record(tmp_path / "record", KEY).folder
    before = contents(folder)
    (folder / "manifest.json").rename(folder / "manifest.json.tmp")
    recover_record(folder, KEY, UTC)
    assert contents(folder) == before


class Crash(Exception):
    pass


def test_a_recovery_that_is_interrupted_is_repaired_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends before each of its calls that change the disk, and in the middle of each write."""
    origin = begin_record(tmp_path / "origin", KEY, seconds=4).folder
    append(origin / "ledger.jsonl", b'{"n":')
    append(origin / "media/002-video.mkv", b"a cluster")
    (origin / "public-key.pem").unlink()
    steps = 0
    while True:
        folder = tmp_path / f"step-{steps}"
        shutil.copytree(origin, folder)
        with monkeypatch.context() as patched:
            crash_after(patched, steps)
            try:
                recover_record(folder, KEY, UTC)
            except Crash:
                finished = False
            else:
                finished = True
        if finished:
            break
        if not (folder / "manifest.json").exists():  # else all was there, and only to be made to stay
            recover_record(folder, KEY, UTC)
        intact(folder)
        kept = b"".join(each.read_bytes() for each in sorted((folder / "torn").iterdir()))
        assert b'{"n":' in kept
        gaps = [each["source"] for each in lines_of(folder) if each.get("cause") == "recorder_fault"]
        assert gaps == [1, 2, 3]
        steps += 1
    assert steps > 10


def crash_after(patched: pytest.MonkeyPatch, steps: int) -> None:
    """Let so many changes to the disk pass; write half of what the next one would write, and end there."""
    left = [steps]

    def interrupt(owner: Any, name: str, half: Callable[..., None] | None = None) -> None:
        really = getattr(owner, name)

        def call(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] >= 0:
                return really(*arguments, **more)
            if half is not None:
                half(*arguments)
            raise Crash

        patched.setattr(owner, name, call)

    interrupt(os, "ftruncate")
    interrupt(os, "fsync")
    interrupt(Path, "rename")
    interrupt(Path, "mkdir")
    interrupt(recover, "write_new", lambda path, data: path.write_bytes(data[: len(data) // 2]))
    interrupt(recover, "_write", lambda path, file, lines: file.write(lines[: len(lines) // 2]))


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


WRITER = """
import fcntl, sys
from pathlib import Path
from sfu.recording.lock import lock_for_writing
from sfu.recording.signing import load_signing_key
from tests.recording_samples import begin_record
folder = Path(sys.argv[1])
made = begin_record(folder, load_signing_key(sys.argv[2]), seconds=3)
ledger = (folder / "ledger.jsonl").open("ab", buffering=0)
assert lock_for_writing(ledger.fileno())
ledger.write(b'{"n":')
print("writing", flush=True)
sys.stdin.read()
"""


def test_a_record_is_recovered_once_its_writer_is_killed_and_not_before(tmp_path: Path) -> None:
    key, folder = tmp_path / "key.pem", tmp_path / "record"
    key.write_bytes(KEY.private_pem)
    key.chmod(0o600)
    command = [sys.executable, "-c", WRITER, str(folder), str(key)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline() == b"writing\n"
        with pytest.raises(RecordError, match="still being written"):
            recover_record(folder, KEY, UTC)
        assert "still being written" in verify_record(folder).problem
        writer.send_signal(signal.SIGKILL)
        writer.wait(timeout=10)
    assert recover_record(folder, KEY, UTC).torn_bytes == 5
    intact(folder)
