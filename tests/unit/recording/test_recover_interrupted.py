"""Recovering what ended anywhere: a ledger that is cut, a recovery that is interrupted, a writer that is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sfu.recording import recover, remainder
from sfu.recording.errors import RecordError
from sfu.recording.recover import recover_record
from sfu.recording.verify import verify_record
from tests.recording_samples import begin_record, build_record
from tests.unit.recording.recovery import KEY, UTC, apart, append, lines_of, recovered


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
        if any(b'"type":"head"' in line and line[-1:] == b"\n" for line in data[:cut].splitlines(keepends=True)):
            recover_record(folder, KEY, UTC)
            recovered(folder)
            assert sum(each["type"] == "stop" for each in lines_of(folder)) == 1
        else:
            with pytest.raises(RecordError, match="no line of this record was signed"):
                recover_record(folder, KEY, UTC)
        shutil.rmtree(folder)
    assert len(cuts) > 60


class Crash(Exception):
    pass


def test_a_recovery_that_is_interrupted_is_repaired_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends before each of its calls that change the disk, and in the middle of each write."""
    origin = begin_record(tmp_path / "origin", KEY, seconds=4).folder
    (origin / "timestamps/0002.tsr").write_bytes(b"half a stamp")
    append(origin / "ledger.jsonl", b'{"n":')
    append(origin / "media/002-video.mkv", b"a cluster")
    (origin / "public-key.pem").unlink()
    before = [b'{"n":', b"a cluster", b'"type":"mark"', b"half a stamp"]
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
        recovered(folder)
        kept = apart(folder).values()
        for each in before:
            assert any(each in piece for piece in kept)
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
    interrupt(os, "rename")
    interrupt(os, "fsync")
    interrupt(Path, "rename")
    interrupt(Path, "mkdir")
    interrupt(remainder, "copy_rest", lambda descriptor, offset, to: to.write_bytes(os.pread(descriptor, 3, offset)))
    interrupt(recover, "_write", lambda path, file, lines: file.write(lines[: len(lines) // 2]))


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
    recover_record(folder, KEY, UTC)
    assert apart(folder)["0001-ledger.jsonl"].endswith(b'{"n":')
    recovered(folder)
