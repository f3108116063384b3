from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sfu.node.cli import app
from sfu.recording.journal import ClosedEntry, Journal
from sfu.recording.lock import lock_for_writing
from sfu.recording.signing import SigningKey
from tests.recording_authority import Authority
from tests.recording_samples import SampleRecord, begin_record, build_continued, build_record

KEY = SigningKey.generate()


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return build_record(tmp_path / "record", KEY).folder


@pytest.fixture
def public(tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_bytes(KEY.public.pem)
    return path


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(KEY.private_pem)
    path.chmod(0o600)
    return path


def test_an_intact_record_is_0_and_says_what_it_is(record: Path, public: Path) -> None:
    code, output, error = run("verify", record, "--key", public)
    assert (code, error) == (0, "")
    assert output.startswith("INTACT\n")
    assert "room 'saal 1'" in output and "14 fragments, 1 gaps" in output and KEY.key_id in output
    assert "not pinned" not in output
    assert "timestamps/0001.tsr (line 19): not checked; give --tsa-ca" in output


def test_a_record_of_two_processes_is_intact_and_says_so(tmp_path: Path, public: Path, record: Path) -> None:
    code, output, _ = run("verify", build_continued(tmp_path / "continued", KEY).folder, "--key", public)
    assert (code, output.partition("\n")[0]) == (0, "INTACT")
    assert "restarts  1: another process continued the record" in output
    assert "restarts" not in run("verify", record)[1]


def test_a_record_that_waits_to_be_continued_is_not_closed_and_called_so(tmp_path: Path, public: Path) -> None:
    made = begin_record(tmp_path / "record", KEY)
    made.suspend(6_000_000)
    code, output, _ = run("verify", made.folder, "--key", public)
    assert code == 3 and "was suspended, so that another process continues it" in output


def test_ciphertext_is_called_so(tmp_path: Path) -> None:
    made = SampleRecord(tmp_path / "secret", KEY)
    made.source(1, "audio", "anna")
    made.source(2, "video", "anna", encryption="GCM")
    code, output, _ = run("verify", made.folder)
    assert code == 3
    (line,) = [line for line in output.splitlines() if "ciphertext" in line]
    assert line.startswith("  encrypted media/002-video.mkv: holds ciphertext (GCM)")
    told = json.loads(run("verify", made.folder, "--json")[1])
    assert told["encrypted"] == {"media/002-video.mkv": "GCM"}


def test_without_a_key_it_says_that_anyone_may_have_signed(record: Path) -> None:
    code, output, _ = run("verify", record)
    assert code == 5
    assert output.startswith("CONSISTENT, SIGNER UNKNOWN\n  no key was given from outside")
    assert output.count("given") == 1 and "not pinned" not in output


def test_that_no_key_was_given_is_said_once_also_of_a_record_that_is_not_closed(tmp_path: Path) -> None:
    code, output, _ = run("verify", begin_record(tmp_path / "open", KEY).folder)
    assert (code, output.count("not pinned"), output.count("Give --key")) == (3, 1, 1)


def test_an_altered_record_is_1_and_names_the_first_fragment(record: Path, public: Path) -> None:
    path = record / "media" / "002-video.mkv"
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    code, output, _ = run("verify", record, "--key", public)
    assert code == 1
    assert output.startswith("ALTERED\n  media/002-video.mkv: fragment 0 (bytes 0 to ")
    code, output, _ = run("verify", record, "--key", public, "--json")
    verdict = json.loads(output)
    assert (code, verdict["exit_code"], verdict["outcome"]) == (1, 1, "altered")
    assert (verdict["file"], verdict["fragment"], verdict["pinned"]) == ("media/002-video.mkv", 0, True)


def test_an_altered_ledger_is_1_and_names_the_line(record: Path) -> None:
    path = record / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"witness", b"culprit", 1))
    code, output, _ = run("verify", record)
    assert code == 1
    assert output.startswith("ALTERED\n  ledger.jsonl, line 3: it does not hold the hash of line 2: line 2 was changed")


def test_what_cannot_be_verified_is_2(tmp_path: Path, record: Path) -> None:
    code, output, error = run("verify", tmp_path / "missing")
    assert (code, output) == (2, "")
    assert "missing: this folder cannot be read: No such file or directory" in error
    assert run("verify", tmp_path)[0] == 2
    assert run("verify")[0] == 2
    code, _, error = run("verify", record, "--key", tmp_path / "none.pem")
    assert (code, "none.pem: the key cannot be read" in error) == (2, True)
    code, output, _ = run("verify", tmp_path, "--json")
    assert (code, json.loads(output)["exit_code"]) == (2, 2)
    assert "is not a record" in json.loads(output)["problem"]


def test_a_record_without_its_end_is_3(tmp_path: Path, public: Path) -> None:
    folder = begin_record(tmp_path / "open", KEY).folder
    code, output, _ = run("verify", folder, "--key", public)
    assert code == 3
    assert output.startswith("NOT CLOSED\n  this record was not closed: it is in order up to line 29")


def test_another_key_is_4(tmp_path: Path, record: Path, public: Path) -> None:
    public.write_bytes(SigningKey.generate().public.pem)
    code, output, _ = run("verify", record, "--key", public)
    assert code == 4
    assert output.startswith("SIGNED BY ANOTHER KEY\n")


def test_timestamps_are_checked_with_an_authoritys_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    made = begin_record(tmp_path / "record", KEY, seconds=2)
    line = made.head(2_000_000)
    (tmp_path / "line").write_bytes(line)
    made.timestamp(2_000_000, authority.stamp(line))
    made.close(2_000_000)
    code, output, _ = run("verify", made.folder, "--tsa-ca", authority.ca)
    assert code == 5
    assert "timestamps/0001.tsr (line 13): existed at 20" in output
    assert run("verify", made.folder, "--tsa-ca", tmp_path / "none.pem")[0] == 2
    other = Authority(tmp_path / "other")
    code, output, _ = run("verify", made.folder, "--tsa-ca", other.ca)
    assert (code, "timestamps/0001.tsr: this timestamp proves nothing" in output) == (1, True)
    plain = begin_record(tmp_path / "plain", KEY, seconds=2)
    plain.close(2_000_000)
    assert "timestamp none in this record" in run("verify", plain.folder, "--tsa-ca", authority.ca)[1]


def test_names_in_a_record_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    folder = begin_record(tmp_path / "record", KEY, room="\x1b[2J[bold]\u202e\u009b").folder
    output = run("verify", folder)[1]
    assert "\x1b" not in output and "\u202e" not in output and "\u009b" not in output
    assert "[bold]" in output
    assert run("verify", folder, "--json")[1].isascii()


def test_recovery_tells_what_it_found_and_the_record_is_then_a_recovered_one(
    tmp_path: Path, private: Path, public: Path
) -> None:
    folder = begin_record(tmp_path / "open", KEY, seconds=5).folder
    for name, data in (("ledger.jsonl", b'{"n":'), ("media/001-audio.mkv", b"cluster")):
        with (folder / name).open("ab") as file:
            file.write(data)
    code, output, error = run("recover", folder, "--key", private)
    assert (code, error) == (0, "")
    assert "signed up to line 18 of 24, at 0:00:04.000" in output
    assert "unattested/0001-ledger.jsonl: " in output and "unattested/0001-001-audio.mkv: " in output
    assert "media/002-video.mkv: a gap is declared from 0:00:04.000 on" in output
    assert "no journal was asked" in output
    code, output, _ = run("verify", folder, "--key", public)
    assert (code, output.startswith("RECOVERED\n")) == (6, True)
    assert "recovered signed by its recorder up to line 18;" in output
    assert "unattested unattested/0001-001-audio.mkv, " in output
    verdict = json.loads(run("verify", folder, "--key", public, "--json")[1])
    assert (verdict["outcome"], verdict["attested_lines"], len(verdict["unattested"])) == ("recovered", 18, 5)
    assert "signed by its recorder up to line 18" in run("verify", folder)[1]
    code, _, error = run("recover", folder, "--key", private)
    assert (code, "this record is closed" in error) == (2, True)


@pytest.mark.parametrize("named", [False, True])
def test_what_the_journal_knows_as_closed_is_not_recovered(
    tmp_path: Path, private: Path, public: Path, named: bool
) -> None:
    """The journal beside the records' folder is asked without being named."""
    made = build_record(tmp_path / "records" / "1", KEY)
    place = tmp_path / ("elsewhere.jsonl" if named else "records-journal.jsonl")
    given = ("--journal", place) if named else ()
    ledger, folder = made.ledger, made.folder
    Journal(place).add(ClosedEntry(ledger.record, 0, ledger.n, ledger.prev, KEY.key_id, "1"))
    code, output, _ = run("verify", folder, "--key", public, "--journal", place)
    assert (code, "knows that this record was closed as it is" in output) == (0, True)
    (folder / "manifest.json").unlink()
    whole = (folder / "ledger.jsonl").read_bytes()
    (folder / "ledger.jsonl").write_bytes(whole[: whole.rindex(b"{")])
    code, _, error = run("recover", folder, "--key", private, *given)
    assert (code, "the journal knows this record as closed" in error) == (2, True)
    (folder / "ledger.jsonl").write_bytes(whole)
    code, output, _ = run("recover", folder, "--key", private, *given)
    assert (code, output.startswith("restored: ")) == (0, True)
    assert run("verify", folder, "--key", public)[0] == 0


def test_what_cannot_be_recovered_is_2(tmp_path: Path, private: Path, public: Path) -> None:
    folder = begin_record(tmp_path / "open", KEY).folder
    code, _, error = run("recover", folder, "--key", public)
    assert (code, "public.pem" in error) == (2, True)
    with (folder / "ledger.jsonl").open("ab") as writer:
        assert lock_for_writing(writer.fileno())
        code, _, error = run("recover", folder, "--key", private)
        assert (code, "still being written" in error) == (2, True)


def test_a_record_is_compared_with_its_mirror(tmp_path: Path, record: Path, public: Path) -> None:
    build_record(tmp_path / "mirror", KEY, copy=1)
    code, output, _ = run("verify", record, "--key", public, "--against", tmp_path / "mirror")
    assert (code, "\nAGREE\n" in output) == (0, True)
    assert "alike     9 acts and events, 14 frames of media" in output
    build_record(tmp_path / "other", KEY, seconds=4, copy=1)
    code, output, _ = run("verify", record, "--key", public, "--against", tmp_path / "other")
    assert (code, "\nDIFFERS\n" in output) == (7, True)
    assert f"{record} has more: 2 acts and events from its line " in output
    found = json.loads(run("verify", record, "--key", public, "--against", tmp_path / "other", "--json")[1])
    assert (found["outcome"], found["exit_code"], found["against"]["outcome"]) == ("differs", 7, "intact")


def test_the_help_tells_the_exit_codes() -> None:
    code, output, _ = run("verify", "--help")
    assert code == 0
    for meaning in (
        "0 intact",
        "1 altered",
        "2 the folder is not a record",
        "3 not closed",
        "4 in order, but signed",
        "5 in order, but no --key",
        "6 recovered",
        "7 it differs from its mirror",
    ):
        assert meaning in " ".join(output.replace("│", " ").split())


def test_a_record_is_verified_without_loading_what_a_server_needs(record: Path) -> None:
    code = (
        "import sys\n"
        "from sfu.node.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print({'numba', 'numpy', 'av', 'aiortc', 'uvicorn', 'asyncio'} & sys.modules.keys())\n"
    )
    command = [sys.executable, "-c", code, "verify", str(record)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.splitlines()[0]) == (5, "CONSISTENT, SIGNER UNKNOWN")
    assert done.stdout.splitlines()[-1] == "set()"
