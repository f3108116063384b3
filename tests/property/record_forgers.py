"""What forgers do: they have the folder and the public key, and know that who has the private key will recover it."""

from __future__ import annotations

import hashlib
import json
import random

from sfu.recording.entries import parse_utc
from sfu.recording.folder import LEDGER, MANIFEST, SIGNATURE
from sfu.recording.ledger import Ledger, LedgerParser
from sfu.recording.signing import SigningKey
from tests.property.record_changes import take_the_close_away
from tests.property.record_files import (
    Files,
    Kind,
    entries,
    fragments_of,
    put_lines,
    remake_manifest,
    split,
)


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
