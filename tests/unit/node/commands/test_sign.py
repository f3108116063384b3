"""`sfu sign` as a process of its own: who may ask, what is signed, and what a recorder does while it is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sfu
from sfu.clock import monotonic
from sfu.node.cli import app
from sfu.node.config.sources import SettingsError, load_settings
from sfu.node.records.store import open_record_store
from sfu.recording.opening import open_recorder
from sfu.recording.options import RecordingOptions
from sfu.recording.recorder import Recorder
from sfu.recording.remote_signer import LENGTH, RemoteSigner, SignerError
from sfu.recording.signable import MAX_BYTES
from sfu.recording.signing import SigningKey, build_head_statement
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import begin_record

KEY = SigningKey.generate()
RECORD = "5" * 32
HEAD = build_head_statement(RECORD, 7, 1_000_000, "2026-01-31T09:00:00.250000Z", "a" * 64)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.private_pem)
    path.chmod(0o600)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "signer.sock"


@contextlib.contextmanager
def signing(key: Path, path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    code = "from sfu.node.cli import main; main()"
    command = [sys.executable, "-c", code, "sign", "--key", str(key), "--socket", str(path), *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == f"signing with the key {KEY.key_id} at {path}\n"
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_signs_heads_and_manifests_and_nothing_else(key: Path, path: Path, tmp_path: Path) -> None:
    made = begin_record(tmp_path / "record", KEY)
    with signing(key, path) as process:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        signer = RemoteSigner.connect(path)
        assert signer.key_id == KEY.key_id
        assert signer.sign(HEAD) == KEY.sign(HEAD)
        made.key = signer  # type: ignore[assignment]
        made.close(6_000_000)
        for refused in (b"anything", HEAD + b"x", b"x" * 100_000):
            with pytest.raises(SignerError, match="the signer refuses: it is neither a head nor a manifest"):
                signer.sign(refused)
        assert signer.sign(HEAD) == KEY.sign(HEAD)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert not path.exists()
    assert verify_record(made.folder, KEY.public).outcome is Outcome.INTACT


@pytest.mark.parametrize(
    "question",
    [b"", b"\0", LENGTH.pack(MAX_BYTES + 1), LENGTH.pack(0xFFFFFFFF), LENGTH.pack(100) + b"short"],
)
def test_who_asks_what_is_no_question_costs_nobody_else_an_answer(key: Path, path: Path, question: bytes) -> None:
    with signing(key, path), contextlib.ExitStack() as open_ones:
        for _ in range(20):
            hanging = open_ones.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            hanging.connect(str(path))
            hanging.sendall(question)
        assert RemoteSigner.connect(path).sign(HEAD) == KEY.sign(HEAD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_even_where_the_socket_lets_him_in(key: Path, path: Path) -> None:
    with signing(key, path):
        path.chmod(0o666)
        for each in (path.parent, *path.parents):
            with contextlib.suppress(OSError):
                each.chmod(each.stat().st_mode | 0o011)
        code = (
            "import os, socket, sys\n"
            "os.setuid(65534)\n"
            "connection = socket.socket(socket.AF_UNIX)\n"
            "connection.connect(sys.argv[1])\n"
            "connection.sendall(bytes(4))\n"
            "print(connection.recv(1000))\n"
        )
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        assert "this user may not ask" in done.stdout, done.stderr
        assert RemoteSigner.connect(path).key_id == KEY.key_id


def test_a_signer_of_another_key_is_not_believed(key: Path, path: Path) -> None:
    with signing(key, path):
        signer = RemoteSigner(path, SigningKey.generate().public)
        with pytest.raises(SignerError, match="is not a signature of the key"):
            signer.sign(HEAD)


def test_a_socket_that_is_in_use_or_none_is_left_alone(key: Path, path: Path, tmp_path: Path) -> None:
    def refusal(at: Path) -> str:
        result = CliRunner().invoke(app, ["sign", "--key", str(key), "--socket", str(at)])
        assert result.exit_code == 2
        return " ".join(result.stderr.split())

    with signing(key, path) as process:
        assert "another signer answers there already" in refusal(path)
        process.kill()
        process.wait(20)
    assert path.is_socket()  # as a killed one leaves it
    with signing(key, path):
        assert RemoteSigner.connect(path).key_id == KEY.key_id
    assert "is left alone" in refusal(key)
    assert "no socket can be made" in refusal(tmp_path / "missing" / "s")


def begin(folder: Path, signer: sfu.Signer) -> Recorder:
    options = RecordingOptions(head_interval=0.2)
    return open_recorder(folder, RECORD, signer, "court", {}, start=monotonic(), options=options, clock=monotonic)


def heads(folder: Path) -> int:
    return (folder / "ledger.jsonl").read_bytes().count(b'"type":"head"')


def test_a_recorder_goes_on_without_its_signer_and_has_all_signed_when_it_is_back(
    key: Path, path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "record"
    with signing(key, path):
        recorder = begin(folder, RemoteSigner.connect(path))
        wait_until(lambda: heads(folder) >= 2)
    recorder.note("mark", monotonic(), name="the signer was killed", data={})
    wait_until(lambda: recorder.progress.unsigned is not None)
    signed = heads(folder)
    assert "the signer does not answer" in str(recorder.progress.unsigned)
    assert b"the signer was killed" in (folder / "ledger.jsonl").read_bytes()
    with signing(key, path):
        wait_until(lambda: heads(folder) > signed and recorder.progress.unsigned is None)
    recorder.stop("stopped", monotonic())
    wait_until(lambda: b'"type":"stop"' in (folder / "ledger.jsonl").read_bytes())
    assert recorder.running and not (folder / "manifest.json").exists()  # it waits, with all on disk
    with signing(key, path):
        wait_until(lambda: not recorder.running)
    assert (recorder.progress.failure, recorder.closed is not None) == (None, True)
    assert verify_record(folder, KEY.public).outcome is Outcome.INTACT


def test_a_record_whose_signer_stays_away_can_be_recovered(
    key: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfu.recording.recorder._CLOSING_S", 0.5)
    folder = tmp_path / "record"
    with signing(key, path):
        recorder = begin(folder, RemoteSigner.connect(path))
        wait_until(lambda: heads(folder) >= 1)
    recorder.stop("stopped", monotonic())
    wait_until(lambda: not recorder.running)
    assert "the signer does not answer" in str(recorder.progress.failure)
    assert verify_record(folder, KEY.public).outcome is Outcome.NOT_CLOSED
    with signing(key, path):
        result = CliRunner().invoke(app, ["recover", str(folder), "--signer", str(path)])
    assert result.exit_code == 0, result.stderr
    assert verify_record(folder, KEY.public).outcome is Outcome.RECOVERED


def test_a_node_has_its_records_signed_by_the_signer(key: Path, path: Path, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    secret = {"keys": {"main": "a-secret-of-more-than-thirty-two-bytes"}, "record_dir": str(tmp_path / "records")}
    settings = load_settings({**secret, "record_signer": str(path)}, None)
    with pytest.raises(sfu.ConfigError, match=r"record_signer: .*is `sfu sign` running"):
        open_record_store(settings)
    with signing(key, path):
        store = open_record_store(settings)
    assert store is not None and store.key.key_id == KEY.key_id
    with pytest.raises(SettingsError, match="record_signer: is set beside record_key"):
        load_settings({**secret, "record_signer": str(path), "record_key": str(key)}, None)


def test_a_recovery_needs_the_key_or_the_signer(tmp_path: Path, key: Path) -> None:
    for given in ((), ("--key", str(key), "--signer", "s")):
        result = CliRunner().invoke(app, ["recover", str(tmp_path), *given])
        assert (result.exit_code, "--key or --signer" in result.stderr) == (2, True)
