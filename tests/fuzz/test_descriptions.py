"""A short fuzz of negotiation in every test run; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import random
from pathlib import Path

from tests.unit.lines import count_lines

from .descriptions import MODES, run

HERE = Path(__file__).parent
CORPUS = {path.name: path.read_bytes() for path in sorted((HERE / "corpus" / "descriptions").iterdir())}
VECTORS = [path.read_text() for path in sorted((HERE.parent / "vectors" / "sdp").glob("*.sdp"))]
LINES = sorted({line for text in VECTORS for line in text.splitlines()})
WORDS = ("", " ", "0", "1", "-1", "4294967295", "9" * 11, "é", "~", ";", "a=b", "/", "*", "\ufeff", "\x00", "x" * 70)
INPUTS = 4_000
SEED = 5
MOST_LINES = 160
"""Of Python for each line of a description, half more than the most that any took."""


def hold(data: bytes, origin: str) -> None:
    try:
        run(data)
    except Exception as error:
        raise AssertionError(f"{origin}: {data!r}") from error


def made(chance: random.Random) -> bytes:
    """A real description, some of its lines dropped, doubled, moved, cut, or exchanged for others."""
    lines = chance.choice(VECTORS).splitlines()
    for _ in range(chance.choice((0, 1, 1, 2, 4, 8))):
        at = chance.randrange(len(lines))
        line = lines[at]
        kind = chance.randrange(8)
        if kind == 0:
            lines[at] = ""
        elif kind == 1:
            lines.insert(at, line)
        elif kind == 2:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], line
        elif kind == 3:
            lines.insert(at, chance.choice(LINES))
        elif kind == 4:
            lines[at] = chance.choice(LINES)
        else:
            words = line.split(" ") if kind == 5 else line.split(":") if kind == 6 else list(line or " ")
            words[chance.randrange(len(words))] = chance.choice(WORDS)
            lines[at] = {5: " ", 6: ":"}.get(kind, "").join(words)
    mode = chance.randrange(len(MODES))
    text = chance.choice(("\r\n", "\r\n", "\n")).join(lines)
    if MODES[mode] == "answer" and chance.random() < 0.8:
        text = text.replace("actpass", chance.choice(("active", "passive"))).replace("sendonly", "recvonly")
    return bytes([mode]) + text.encode("utf-8", "replace")


def test_the_corpus() -> None:
    assert {data[0] for data in CORPUS.values()} == set(range(len(MODES)))
    for name, data in CORPUS.items():
        hold(data, name)


def test_what_is_near_real_descriptions() -> None:
    chance = random.Random(SEED)
    for number in range(INPUTS):
        hold(made(chance), f"input {number}")


def test_the_work_is_bounded_by_the_length() -> None:
    chance = random.Random(SEED)
    for number in range(60):
        data = made(chance)
        lines = count_lines(lambda data=data: run(data))
        assert lines < MOST_LINES * (data.count(b"\n") + 50), f"input {number}"
