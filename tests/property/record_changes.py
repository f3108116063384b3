"""What anybody can change in a record who knows the format."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from sfu.recording.entries import encode, parse_utc
from sfu.recording.folder import LEDGER, MANIFEST, PUBLIC_KEY, SIGNATURE
from sfu.recording.ledger import Ledger
from sfu.recording.signing import SigningKey
from tests.property.record_files import (
    Files,
    Kind,
    Unchanged,
    entries,
    fragments_of,
    pick,
    pick_media,
    put_lines,
    rechain,
    remake_manifest,
)


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
