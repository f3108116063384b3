"""The shell script of docs/record-format.md checks a record as a third party would: with tools that are not ours."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sfu.recording import entries, examine
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey, load_public_key
from sfu.recording.verify import Outcome, verify_record
from tests.recording_samples import BEGAN, begin_record, build_continued, build_record
from tests.restart_forgeries import FORGERIES, HARDLY_SEEN_BY_HAND, Forgery, forge

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "record-format.md").read_text()
TOOLS = (
    "bash",
    "cmp",
    "cut",
    "date",
    "find",
    "head",
    "mktemp",
    "openssl",
    "realpath",
    "rm",
    "sed",
    "sha256sum",
    "sort",
    "tail",
    "wc",
)
COMMITTED = sorted(path for path in (ROOT / "tests" / "data").glob("record-*") if path.is_dir())
KEY = SigningKey.generate()


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tools that the document names, and nothing else: above all no Python."""
    folder = tmp_path_factory.mktemp("tools")
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None, f"this test needs {name}"
        (folder / name).symlink_to(found)
    return folder


def check(tools: Path, record: Path, key: Path) -> tuple[int, str]:
    [script] = re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL)
    path = record.parent / "check-record.sh"
    path.write_text(script)
    done = subprocess.run(
        [tools / "bash", path, record, key],
        env={"PATH": str(tools)},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "public.pem"
    path.write_bytes(KEY.public.pem)
    return path


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return build_record(tmp_path / "record", KEY).folder


@pytest.mark.parametrize("committed", [None, *COMMITTED], ids=lambda each: each.name if each else "made")
def test_the_script_and_the_verifier_find_a_record_intact(
    tools: Path, tmp_path: Path, record: Path, committed: Path | None
) -> None:
    if committed is not None:
        record = tmp_path / committed.name
        shutil.copytree(committed, record)
    code, output = check(tools, record, record / "public-key.pem")
    assert code == 0, output
    verdict = verify_record(record, load_public_key(record / "public-key.pem"))
    assert verdict.outcome is Outcome.INTACT
    assert output == f"INTACT: record {verdict.record}, {verdict.lines} lines, signed by {verdict.key_id}\n"


VERSION_1 = ROOT / "tests" / "data" / "version-1"


@pytest.mark.parametrize("name", ["closed", "recovered", "forged", "forged-stop"])
def test_the_script_and_the_verifier_agree_on_records_of_version_1(tools: Path, tmp_path: Path, name: str) -> None:
    record = tmp_path / name
    shutil.copytree(VERSION_1 / name, record)
    code, output = check(tools, record, VERSION_1 / "public.pem")
    verdict = verify_record(record, load_public_key(VERSION_1 / "public.pem"))
    assert code == verdict.outcome, output
    assert verdict.outcome is (Outcome.INTACT if name == "closed" else Outcome.RECOVERED)
    assert verdict.attested_lines is None or f"up to line {verdict.attested_lines}," in output


def test_the_script_finds_how_far_a_recovered_record_is_the_recorders(tools: Path, tmp_path: Path, key: Path) -> None:
    folder = begin_record(tmp_path / "record", KEY, seconds=4).folder
    for name, data in (("ledger.jsonl", b'{"n'), ("media/001-audio.mkv", b"more"), ("media/004-video.mkv", b"new")):
        with (folder / name).open("ab") as file:
            file.write(data)
    recover_record(folder, KEY, BEGAN)
    code, output = check(tools, folder, key)
    assert (code, "signed by its recorder up to line 18," in output) == (6, True), output
    (folder / "unattested/0001-004-video.mkv").write_bytes(b"old")
    code, output = check(tools, folder, key)
    assert (code, "WRONG: a file is not what" in output) == (1, True), output


def test_the_script_finds_a_record_of_two_processes_intact(tools: Path, tmp_path: Path, key: Path) -> None:
    record = build_continued(tmp_path / "record", KEY).folder
    code, output = check(tools, record, key)
    assert code == 0, output


@pytest.mark.parametrize(
    "forgery", [each for each in FORGERIES if each not in HARDLY_SEEN_BY_HAND], ids=lambda each: each.__name__
)
def test_the_script_finds_a_restart_that_cannot_have_been(
    tools: Path, tmp_path: Path, key: Path, forgery: Forgery
) -> None:
    code, output = check(tools, forge(tmp_path / "record", KEY, forgery).folder, key)
    assert (code, "WRONG: line" in output) == (1, True), output


def test_what_moderators_order_is_checked_like_any_line(tools: Path, tmp_path: Path, key: Path) -> None:
    made = begin_record(tmp_path / "record", KEY)
    about = {"peer": "judge", "kind": "audio", "subject": "clerk", "track": None}
    for act in ("block", "unblock"):
        made.event(act, 6_000_000, **about)
    made.event("silent", 6_000_000, peer="judge", kind="video")
    made.event("remove", 6_000_000, peer="judge", subject=None)
    made.event("close_room", 6_000_000, subject="clerk")
    made.close(6_000_000)
    assert verify_record(made.folder, KEY.public).outcome is Outcome.INTACT
    assert check(tools, made.folder, key)[0] == 0
    edit(made.folder / "ledger.jsonl", lambda data: data.replace(b'"subject":"clerk"', b'"subject":"judge"'))
    assert verify_record(made.folder, KEY.public).outcome is Outcome.ALTERED


def edit(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    assert change(data) != data
    path.write_bytes(change(data))


def sign_manifest_anew(record: Path) -> None:
    """What only the key's owner can do; here to see that the script does not stop at the manifest."""
    manifest = (record / "manifest.json").read_bytes()
    for name in re.findall(rb'"path":"([^"]*)"', manifest):
        data = (record / name.decode()).read_bytes()
        fact = b'"path":"%s","bytes":%d,"sha256":"%s"' % (name, len(data), hashlib.sha256(data).hexdigest().encode())
        manifest = re.sub(b'"path":"%s","bytes":[0-9]*,"sha256":"[0-9a-f]*"' % name, fact, manifest)
    (record / "manifest.json").write_bytes(manifest)
    (record / "manifest.json.sig").write_bytes(KEY.sign(manifest))


LEDGER, AUDIO, MANIFEST = "ledger.jsonl", "media/001-audio.mkv", "manifest.json"


@pytest.mark.parametrize(
    ("change", "reason", "deeper"),
    [
        (lambda record: edit(record / MANIFEST, lambda data: data[:-2] + b" }\n"), "manifest.json is not signed", None),
        (lambda record: edit(record / AUDIO, lambda data: b"\0" + data[1:]), "a file is not what", "was changed"),
        (lambda record: edit(record / AUDIO, lambda data: data + b"x"), "a file is not what", "goes on"),
        (lambda record: (record / "note.txt").write_bytes(b""), "a file was added or removed", None),
        (lambda record: (record / "media/002-video.mkv").unlink(), "a file is not what", None),
        (
            lambda record: edit(record / LEDGER, lambda data: data.replace(b'"oath"', b'"lie!"')),
            "a file is not what",
            "does not continue line",
        ),
        (
            lambda record: edit(record / LEDGER, lambda data: data[: data[:-1].rindex(b"\n") + 1]),
            "a file is not what",
            "does not end with a signature",
        ),
        (
            lambda record: edit(record / LEDGER, lambda data: data.replace(b"09:00:02.0", b"09:00:03.0")),
            "a file is not what",
            "not signed by this key",
        ),
    ],
)
def test_the_script_finds_what_was_changed(
    tools: Path, record: Path, key: Path, change: Callable[[Path], None], reason: str, deeper: str | None
) -> None:
    change(record)
    code, output = check(tools, record, key)
    assert (code, "INTACT" in output) == (1, False)
    assert f"WRONG: {reason}" in output
    if deeper is not None:
        sign_manifest_anew(record)
        code, output = check(tools, record, key)
        assert code == 1
        assert deeper in output


def test_the_script_finds_another_key(tools: Path, record: Path, key: Path) -> None:
    key.write_bytes(SigningKey.generate().public.pem)
    code, output = check(tools, record, key)
    assert (code, output) == (1, "WRONG: manifest.json is not signed by this key\n")


def test_the_document_names_the_limits_and_types_that_the_program_has() -> None:
    rows = re.findall(
        r"^\| (`[a-z_`, ]+`) \| ", DOCUMENT.split("Further keys by type")[1].split("Times named")[0], re.MULTILINE
    )
    told = {"unstorable", "unstamped"}  # of these the verifier asks no more than of any event
    assert {name for row in rows for name in re.findall("[a-z_]+", row)} == set(entries._FIELDS) | told
    assert f"{entries.MAX_LINE_BYTES:,} bytes" in DOCUMENT
    assert f"{entries.MAX_DEPTH} deep" in DOCUMENT
    after = re.search(r"After `stop` only (.*) may come", DOCUMENT)
    assert after is not None
    assert set(re.findall("`([a-z]+)`", after[1])) == examine._AFTER_STOP


def test_each_type_of_line_that_is_written_stands_in_the_document() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "sfu" / "recording").glob("*.py"))
    written = set(re.findall(r'\b(?:note|add)\(\s*"([a-z_]+)"', sources)) | set(entries._FIELDS)
    rows = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|", DOCUMENT, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert {"fault", "unstorable", "unstamped"} <= written
    assert written <= documented
