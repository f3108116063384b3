"""Whatever is changed in a record is found: 1,000 changes, made by someone who knows the format but has not the key.

And by forgers, who wait for a recovery to sign what they wrote.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sfu.recording.entries import encode, parse_utc
from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER, MANIFEST, PUBLIC_KEY, SIGNATURE
from sfu.recording.journal import ClosedEntry, Journal
from sfu.recording.ledger import Ledger, LedgerError, LedgerParser
from sfu.recording.manifest import FileFact, build_manifest
from sfu.recording.recover import recover_record
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Outcome, Verdict, verify_record
from tests.recording_samples import build_record

MUTATIONS = 1000
Files = dict[str, bytes]
Kind = Callable[[Files, random.Random], None]


class Unchanged(Exception):
    """This mutation finds nothing to change, or changes nothing."""


def pick(dice: random.Random, files: Files) -> str:
    return dice.choice(sorted(files))


def pick_media(dice: random.Random, files: Files) -> str:
    return dice.choice([name for name in sorted(files) if name.startswith("media/")])


def entries(files: Files) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files[LEDGER].splitlines()]


def put_lines(files: Files, lines: list[bytes]) -> None:
    files[LEDGER] = b"".join(lines)


def rechain(found: list[dict[str, Any]], first: int = 0) -> bytes:
    """Number and chain lines anew, as who has no key can do; signatures stay what they were."""
    prev, lines = "0" * 64, []
    for n, fields in enumerate(found):
        if n >= first:
            fields = fields | {"n": n, "prev": prev} | ({"head": prev} if fields["type"] == "head" else {})
        lines.append(encode(fields) + b"\n")
        prev = hashlib.sha256(lines[-1]).hexdigest()
    return b"".join(lines)


def remake_manifest(files: Files) -> None:
    """Make the manifest fit the files again; its signature stays what it was."""
    if MANIFEST not in files:
        return
    found = entries(files)
    rest = [
        FileFact(name, len(data), hashlib.sha256(data).hexdigest())
        for name, data in files.items()
        if name not in (MANIFEST, SIGNATURE)
    ]
    head = hashlib.sha256(files[LEDGER].splitlines(keepends=True)[-1]).hexdigest()
    counts = Counter(each["type"] for each in found)
    files[MANIFEST] = build_manifest(found[0]["record"], found[0]["key"], len(found), head, counts, rest)


def flip_a_bit(files: Files, dice: random.Random) -> None:
    name = pick(dice, files)
    data = bytearray(files[name])
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    files[name] = bytes(data)


def flip_a_bit_of_media(files: Files, dice: random.Random) -> None:
    name = pick_media(dice, files)
    data = bytearray(files[name])
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    files[name] = bytes(data)


def cut_short(files: Files, dice: random.Random) -> None:
    name = pick(dice, files)
    files[name] = files[name][: dice.randrange(len(files[name]))]


def extend(files: Files, dice: random.Random) -> None:
    files[pick(dice, files)] += dice.choice([b"\n", b"\0", b"{}\n", dice.randbytes(dice.randint(1, 50))])


def empty(files: Files, dice: random.Random) -> None:
    files[pick(dice, files)] = b""


def remove_file(files: Files, dice: random.Random) -> None:
    del files[pick(dice, files)]


def rename_file(files: Files, dice: random.Random) -> None:
    old = pick(dice, files)
    new = dice.choice([old + ".old", old.upper(), "media/009-audio.mkv", "timestamps/0009.tsr", "torn/0001.bin"])
    files[new] = files.pop(old)


def swap_files(files: Files, dice: random.Random) -> None:
    one, other = dice.sample(sorted(files), 2)
    files[one], files[other] = files[other], files[one]


def add_file(files: Files, dice: random.Random) -> None:
    names = ["media/004-audio.mkv", "media/note.txt", "timestamps/0002.tsr", "torn/0001.bin", "README", ".hidden",
             "media/0001-audio.mkv", "manifest.json.tmp", "media/005-video.mkv"]  # fmt: skip
    files[dice.choice(names)] = dice.choice([b"", dice.randbytes(20), files[LEDGER]])


def edit_a_line(files: Files, dice: random.Random) -> None:
    lines = files[LEDGER].splitlines(keepends=True)
    n = dice.randrange(len(lines))
    lines[n] = encode(edited(json.loads(lines[n]), dice)) + b"\n"
    put_lines(files, lines)


def remove_a_line(files: Files, dice: random.Random) -> None:
    lines = files[LEDGER].splitlines(keepends=True)
    del lines[dice.randrange(len(lines))]
    put_lines(files, lines)


def duplicate_a_line(files: Files, dice: random.Random) -> None:
    lines = files[LEDGER].splitlines(keepends=True)
    lines.insert(dice.randrange(len(lines) + 1), dice.choice(lines))
    put_lines(files, lines)


def swap_lines(files: Files, dice: random.Random) -> None:
    lines = files[LEDGER].splitlines(keepends=True)
    one, other = dice.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    put_lines(files, lines)


def rewrite_a_line(files: Files, dice: random.Random) -> None:
    """The same meaning in other bytes."""
    lines = files[LEDGER].splitlines(keepends=True)
    n = dice.randrange(len(lines))
    fields = json.loads(lines[n])
    lines[n] = dice.choice(
        [
            json.dumps(fields).encode() + b"\n",
            json.dumps(dict(sorted(fields.items())), separators=(",", ":"), ensure_ascii=False).encode() + b"\n",
            lines[n][:-1] + b" \n",
            lines[n][:-1] + b"\r\n",
            b" " + lines[n],
        ]
    )
    put_lines(files, lines)


def edited(fields: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    key = dice.choice([each for each in fields if each not in ("n", "prev", "type")])
    value = fields[key]
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        value = [] if value != [] else {}
    elif isinstance(value, int):
        value += dice.choice([-1, 1, 1000])
    else:
        at = dice.randrange(len(value) + 1)
        value = value[:at] + dice.choice("0f9aZ=") + value[at + 1 :]
    return fields | {key: value}


def edit_and_rechain(files: Files, dice: random.Random) -> None:
    found = entries(files)
    n = dice.randrange(len(found))
    found[n] = edited(found[n], dice)
    files[LEDGER] = rechain(found, n)
    if dice.random() < 0.5:
        remake_manifest(files)


def remove_and_rechain(files: Files, dice: random.Random) -> None:
    found = entries(files)
    n = dice.randrange(1, len(found))
    del found[n]
    files[LEDGER] = rechain(found, n)
    if dice.random() < 0.5:
        remake_manifest(files)


def cut_the_end_off(files: Files, dice: random.Random) -> None:
    """Cut the ledger after a line, with or without a manifest that fits: the last minutes never were."""
    lines = files[LEDGER].splitlines(keepends=True)
    put_lines(files, lines[: dice.randrange(1, len(lines))])
    remake_manifest(files)


def fragments_of(files: Files, name: str) -> list[tuple[int, dict[str, Any]]]:
    found = entries(files)
    source = next(each["source"] for each in found if each.get("file") == name and each["type"] == "source")
    return [(n, each) for n, each in enumerate(found) if each["type"] == "fragment" and each["source"] == source]


def rebuild_fragments(files: Files, name: str, order: list[int], told: bool, remake: bool) -> None:
    """Put a file together from its fragments in another order, and tell of it in the ledger, or not."""
    old = fragments_of(files, name)
    pieces = [files[name][each["offset"] : each["offset"] + each["bytes"]] for _, each in old]
    if order == list(range(len(old))):
        raise Unchanged
    files[name] = b"".join(pieces[k] for k in order)
    if not told:
        return
    found = entries(files)
    offset, made = 0, []
    for index, k in enumerate(order):
        made.append(old[k][1] | {"index": index, "offset": offset})
        offset += len(pieces[k])
    numbers = [n for n, _ in old]
    for n, each in zip(numbers, made, strict=False):
        found[n] = each
    last = numbers[-1]
    found[last + 1 : last + 1] = made[len(numbers) :]
    for n in numbers[len(made) :]:
        found[n] = {}
    files[LEDGER] = rechain([each for each in found if each], 1)
    if remake:
        remake_manifest(files)


def remove_a_fragment(files: Files, dice: random.Random) -> None:
    name = pick_media(dice, files)
    order = list(range(len(fragments_of(files, name))))
    del order[dice.randrange(len(order))]
    rebuild_fragments(files, name, order, dice.random() < 0.6, dice.random() < 0.6)


def duplicate_a_fragment(files: Files, dice: random.Random) -> None:
    name = pick_media(dice, files)
    order = list(range(len(fragments_of(files, name))))
    order.insert(dice.randrange(len(order) + 1), dice.choice(order))
    rebuild_fragments(files, name, order, dice.random() < 0.6, dice.random() < 0.6)


def swap_fragments(files: Files, dice: random.Random) -> None:
    name = pick_media(dice, files)
    order = list(range(len(fragments_of(files, name))))
    one, other = dice.sample(order, 2)
    order[one], order[other] = other, one
    rebuild_fragments(files, name, order, dice.random() < 0.6, dice.random() < 0.6)


def replace_a_fragment(files: Files, dice: random.Random) -> None:
    """Other media of the same size under a hash that fits, chain and manifest made to fit, too."""
    name = pick_media(dice, files)
    n, fragment = dice.choice(fragments_of(files, name))
    data = dice.randbytes(fragment["bytes"])
    begin = fragment["offset"]
    files[name] = files[name][:begin] + data + files[name][begin + len(data) :]
    found = entries(files)
    found[n] = fragment | {"sha256": hashlib.sha256(data).hexdigest()}
    files[LEDGER] = rechain(found, n)
    remake_manifest(files)


def take_the_close_away(files: Files, dice: random.Random) -> None:
    """As if it had never been closed, with or without its last lines."""
    lines = files[LEDGER].splitlines(keepends=True)
    put_lines(files, lines[: dice.randrange(1, len(lines) + 1)])
    del files[MANIFEST], files[SIGNATURE]


def sign_again(files: Files, dice: random.Random) -> None:
    """All made anew under another key, as who has the program can do: only a key from outside tells."""
    key = SigningKey.generate()
    found = entries(files)
    ledger = Ledger(found[0]["record"], key)
    lines = []
    for fields in found:
        rest = {name: value for name, value in fields.items() if name not in ("n", "t_us", "prev", "type")}
        if fields["type"] == "head":
            lines.append(ledger.sign_head(fields["t_us"], parse_utc(rest["utc"])))
        else:
            changes = {"start": {"key": key.key_id}, "timestamp": {"head": ledger.prev}}
            changed = rest | changes.get(fields["type"], {})
            lines.append(ledger.append(fields["type"], fields["t_us"], **changed))
    put_lines(files, lines)
    files[PUBLIC_KEY] = key.public.pem
    remake_manifest(files)
    files[SIGNATURE] = key.sign(files[MANIFEST])


ANYONE: list[Kind] = [
    flip_a_bit, flip_a_bit_of_media, cut_short, extend, empty, remove_file, rename_file, swap_files, add_file,
    edit_a_line, remove_a_line, duplicate_a_line, swap_lines, rewrite_a_line, edit_and_rechain, remove_and_rechain,
    cut_the_end_off, remove_a_fragment, duplicate_a_fragment, swap_fragments, replace_a_fragment, take_the_close_away,
]  # fmt: skip


def read(folder: Path) -> Files:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def lay_out(folder: Path, before: Files, after: Files) -> None:
    """Make a folder that holds `before` hold `after`."""
    for name in before.keys() - after.keys():
        (folder / name).unlink()
    for name, data in after.items():
        if before.get(name) != data:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    for each in [each for each in folder.iterdir() if each.is_dir() and not any(each.iterdir())]:
        each.rmdir()  # left over, it would give every later change away


def mutate(original: Files, dice: random.Random, kinds: list[Kind]) -> tuple[str, Files]:
    while True:
        kind = dice.choice(kinds)
        files = dict(original)
        try:
            kind(files, dice)
        except Unchanged:
            continue
        if files != original:
            return kind.__name__, files


def judge(folder: Path, key: SigningKey | None) -> Verdict | RecordError:
    try:
        return verify_record(folder, key.public if key is not None else None)
    except RecordError as error:
        return error


def is_found(verdict: Verdict | RecordError, files: Files) -> bool:
    """Whether a change was told of. Only a record whose manifest is gone may pass as one that was never closed."""
    if isinstance(verdict, RecordError):
        return "version" in str(verdict) or "not one of a record" in str(verdict)
    if verdict.outcome is Outcome.NOT_CLOSED:
        return MANIFEST not in files and bool(verdict.problem)
    return verdict.outcome is Outcome.ALTERED and bool(verdict.problem) and bool(verdict.file)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_of_1000_changes_by_who_has_no_key_1000_are_found(tmp_path: Path, seed: int) -> None:
    key, dice = SigningKey.generate(), random.Random(seed)
    folder = tmp_path / "record"
    build_record(folder, key, seed)
    original = read(folder)
    assert verify_record(folder).outcome is Outcome.UNPINNED
    missed, made = [], Counter[str]()
    for number in range(MUTATIONS):
        kind, files = mutate(original, dice, ANYONE)
        made[kind] += 1
        lay_out(folder, original, files)
        verdict = judge(folder, key if number % 2 else None)
        if not is_found(verdict, files):
            missed.append((number, kind, verdict))
        lay_out(folder, files, original)
        assert verify_record(folder, key.public).outcome is Outcome.INTACT
    assert not missed
    assert made.keys() == {each.__name__ for each in ANYONE}


def test_a_record_that_was_signed_again_is_found_by_who_knows_the_key(tmp_path: Path) -> None:
    key, dice = SigningKey.generate(), random.Random(3)
    folder = tmp_path / "record"
    build_record(folder, key, 3)
    original = read(folder)
    for _ in range(20):
        _, files = mutate(original, dice, [sign_again])
        lay_out(folder, original, files)
        assert verify_record(folder).outcome is Outcome.UNPINNED  # nothing in the record itself tells
        assert verify_record(folder, key.public).outcome is Outcome.OTHER_KEY
        lay_out(folder, files, original)


# Forgers have the folder and the public key, and know that somebody who has the private key will run `sfu recover`.


def split(files: Files) -> list[bytes]:
    return files[LEDGER].splitlines(keepends=True)


def unclose(files: Files) -> None:
    for name in (MANIFEST, SIGNATURE):
        files.pop(name, None)


def heads_of(files: Files) -> list[int]:
    return [n for n, each in enumerate(entries(files)) if each["type"] == "head"]


def continue_ledger(files: Files, cut: int) -> LedgerParser:
    """Cut the ledger after so many lines and the media where these end; return where it goes on."""
    parser, ends = LedgerParser(), dict[str, int]()
    names: dict[int, str] = {}
    lines = split(files)
    for line in lines[:cut]:
        entry = parser.parse(line)
        if entry.type == "source":
            names[entry.integer("source")] = entry.text("file")
        elif entry.type == "fragment":
            ends[names[entry.integer("source")]] = entry.integer("offset") + entry.integer("bytes")
    put_lines(files, lines[:cut])
    for name in [name for name in files if name.startswith("media/")]:
        files[name] = files[name][: ends.get(name, 0)]
    return parser


def forge(files: Files, dice: random.Random, cut: int, stop: bool) -> None:
    """Go on from a line with a fragment, a mark, perhaps a stop: chained as they must be, signed by nobody."""
    parser = continue_ledger(files, cut)
    record = json.loads(split(files)[0])["record"]
    ledger = Ledger(record, STRANGER, n=parser.n, prev=parser.prev, t_us=parser.t_us, counts=parser.counts)
    name = "media/001-audio.mkv"
    if name in files and any(each.get("file") == name for each in entries(files)):
        data, known = dice.randbytes(dice.randint(1, 90)), fragments_of(files, name)
        about = {"source": 1, "index": len(known), "offset": len(files[name]), "bytes": len(data)}
        times = {"begin_us": parser.t_us, "end_us": parser.t_us + 1000}
        digest = hashlib.sha256(data).hexdigest()
        files[LEDGER] += ledger.append("fragment", parser.t_us, **about, sha256=digest, **times)
        files[name] += data
    files[LEDGER] += ledger.append("mark", parser.t_us, name="I did it", data={})
    if stop:
        files[LEDGER] += ledger.append("stop", parser.t_us, cause="stopped", utc="2026-01-31T09:00:06.000000Z")


def cut_at_a_head_and_forge(files: Files, dice: random.Random) -> None:
    unclose(files)
    forge(files, dice, dice.choice(heads_of(files)) + 1, dice.random() < 0.5)


def cut_anywhere_and_forge(files: Files, dice: random.Random) -> None:
    unclose(files)
    forge(files, dice, dice.randrange(1, len(split(files)) + 1), dice.random() < 0.5)


def replay_an_older_head(files: Files, dice: random.Random) -> None:
    """The last minutes never were: cut at a head, with the media, so that nothing tells of more."""
    unclose(files)
    continue_ledger(files, dice.choice(heads_of(files)[:-1]) + 1)


def take_the_manifest_away(files: Files, dice: random.Random) -> None:
    unclose(files)


def make_one_up(files: Files, dice: random.Random) -> None:
    """A whole record from the public key alone; the heads, if any, are signed by the forger."""
    found = entries(files)
    ledger = Ledger(dice.randbytes(16).hex(), STRANGER)
    lines = [ledger.append("start", 0, **{name: found[0][name] for name in list(found[0])[4:]})]
    for fields in found[1:]:
        rest = {name: value for name, value in fields.items() if name not in ("n", "t_us", "prev", "type")}
        if fields["type"] == "timestamp" or (fields["type"] == "head" and dice.random() < 0.9):
            continue
        if fields["type"] == "head":
            lines.append(ledger.sign_head(fields["t_us"], parse_utc(rest["utc"])))
        else:
            lines.append(ledger.append(fields["type"], fields["t_us"], **rest))
    put_lines(files, lines)
    if dice.random() < 0.5:
        unclose(files)
    else:
        remake_manifest(files)


def plant_what_a_recovery_sets_apart(files: Files, dice: random.Random) -> None:
    """Lines and files like those of a recovery, of which nobody has signed anything."""
    unclose(files)
    parser = continue_ledger(files, dice.choice(heads_of(files)) + 1)
    ledger = Ledger(entries(files)[0]["record"], STRANGER, n=parser.n, prev=parser.prev, t_us=parser.t_us)
    data, name = dice.randbytes(40), "unattested/0001-001-audio.mkv"
    files[name] = data
    about = {"file": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    kinds = [("recover", {"utc": "2026-01-31T09:00:06.000000Z"}), ("unattested", about), ("torn", about)]
    for kind, fields in dice.sample(kinds, dice.randint(1, 3)):
        files[LEDGER] += ledger.append(kind, parser.t_us, **fields)


def mix_with_the_mirror(files: Files, dice: random.Random) -> None:
    """Main and mirror have one id and one key: parts of the one in the place of the other's."""
    for name in dice.sample(sorted(MIRROR), dice.randint(1, 3)):
        files[name] = MIRROR[name]
    if dice.random() < 0.7:
        unclose(files)


def take_the_end_from_the_mirror(files: Files, dice: random.Random) -> None:
    unclose(files)
    cut = dice.choice(heads_of(files)) + 1
    put_lines(files, split(files)[:cut] + split(MIRROR)[cut:])


FORGERS: list[Kind] = [
    cut_at_a_head_and_forge, cut_anywhere_and_forge, replay_an_older_head, take_the_manifest_away, make_one_up,
    plant_what_a_recovery_sets_apart, mix_with_the_mirror, take_the_end_from_the_mirror, take_the_close_away,
]  # fmt: skip
STRANGER = SigningKey.generate()
MIRROR: Files = {}
LATER = datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize("forgeries", [90, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_no_forger_has_an_intact_record_before_and_after_recovery(tmp_path: Path, forgeries: int) -> None:
    """Each forges once or twice, has it recovered, forges what came of it, and has that recovered, too."""
    key, dice = SigningKey.generate(), random.Random(forgeries)
    original = read(build_record(tmp_path / "origin", key, 7).folder)
    MIRROR.clear()
    MIRROR.update(read(build_record(tmp_path / "mirror", key, 7, copy=1).folder))
    assert original[LEDGER] != MIRROR[LEDGER]
    seen, made = Counter[str](), Counter[str]()
    for number in range(forgeries):
        folder, files = tmp_path / "forged", original
        shutil.rmtree(folder, ignore_errors=True)
        for _ in range(2):
            for _ in range(dice.randint(1, 2)):
                kind, files = mutate_again(files, dice, FORGERS + ANYONE if dice.random() < 0.3 else FORGERS)
                made[kind] += 1
            shutil.rmtree(folder, ignore_errors=True)
            lay_out(folder, {}, files)
            assert not is_intact(folder, key), (number, kind)
            try:
                recover_record(folder, key, LATER)
            except RecordError:
                seen["refused"] += 1
                break
            verdict = verify_record(folder, key.public)
            assert verdict.outcome is Outcome.RECOVERED, (number, kind, verdict.problem)
            check_recovered(folder, verdict, original)
            seen["recovered"] += 1
            files = read(folder)
    assert {each.__name__ for each in FORGERS} <= made.keys()
    assert min(seen["recovered"], seen["refused"]) > forgeries // 5, seen


def mutate_again(files: Files, dice: random.Random, kinds: list[Kind]) -> tuple[str, Files]:
    """Change what may be broken already: a kind that no longer finds what it needs leaves it to another."""
    while True:
        try:
            return mutate(files, dice, kinds)
        except (LookupError, ValueError, TypeError, StopIteration, LedgerError):
            continue


def is_intact(folder: Path, key: SigningKey) -> bool:
    verdict = judge(folder, key)
    return isinstance(verdict, Verdict) and verdict.outcome is Outcome.INTACT


def check_recovered(folder: Path, verdict: Verdict, original: Files) -> None:
    """What the recorder is said to have signed are lines of it, and no media stand there that it did not write."""
    files = read(folder)
    lines = split(files)[: verdict.attested_lines]
    assert lines in (split(original)[: len(lines)], split(MIRROR)[: len(lines)])
    for name in [name for name in files if name.startswith("media/")]:
        assert any(each.get(name, b"").startswith(files[name]) for each in (original, MIRROR)), name


def test_a_closed_record_that_the_journal_knows_is_never_another_one(tmp_path: Path) -> None:
    """With the journal a forger gets no recovery at all: it is refused, or the very same record is closed again."""
    key, dice = SigningKey.generate(), random.Random(11)
    made = build_record(tmp_path / "origin", key, 7)
    original, journal = read(made.folder), Journal(tmp_path / "journal.jsonl")
    ledger = made.ledger
    journal.add(ClosedEntry(ledger.record, 0, ledger.n, ledger.prev, key.key_id, "origin"))
    MIRROR.clear()
    MIRROR.update(read(build_record(tmp_path / "mirror", key, 7, copy=1).folder))
    forgers = [each for each in FORGERS if each not in (mix_with_the_mirror, make_one_up)]
    seen = Counter[str]()
    for _ in range(60):
        _, files = mutate(original, dice, forgers)
        folder = tmp_path / "forged"
        shutil.rmtree(folder, ignore_errors=True)
        lay_out(folder, {}, files)
        verdict = verify_record(folder, key.public, journal=journal)
        assert verdict.outcome is (Outcome.NOT_CLOSED if files[LEDGER] == original[LEDGER] else Outcome.ALTERED)
        try:
            recover_record(folder, key, LATER, journal=journal)
        except RecordError:
            seen["refused"] += 1
        else:
            assert read(folder) == original
            seen["restored"] += 1
    assert seen["refused"] > 30 and seen["restored"] > 3, seen
