"""A record as a table of files, which is changed and laid out again."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sfu.recording.entries import encode
from sfu.recording.errors import RecordError
from sfu.recording.folder import LEDGER, MANIFEST, SIGNATURE
from sfu.recording.manifest import FileFact, build_manifest
from sfu.recording.signing import SigningKey
from sfu.recording.verify import Verdict, verify_record

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


def fragments_of(files: Files, name: str) -> list[tuple[int, dict[str, Any]]]:
    found = entries(files)
    source = next(each["source"] for each in found if each.get("file") == name and each["type"] == "source")
    return [(n, each) for n, each in enumerate(found) if each["type"] == "fragment" and each["source"] == source]


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


def split(files: Files) -> list[bytes]:
    return files[LEDGER].splitlines(keepends=True)
