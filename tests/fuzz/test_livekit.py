"""A short fuzz of the LiveKit protocol's readers in every test run; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import random
from pathlib import Path

from .livekit_messages import MODES, run

CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus" / "livekit").iterdir())}
INPUTS = 4_000
SEED = 18


def hold(data: bytes, origin: str) -> None:
    try:
        run(data)
    except Exception as error:
        raise AssertionError(f"{origin}: {data!r}") from error


def made(chance: random.Random) -> bytes:
    """A real one, some of its octets changed, dropped, doubled or moved."""
    data = bytearray(chance.choice(list(CORPUS.values())))
    for _ in range(chance.choice((0, 1, 1, 2, 4, 8))):
        at = chance.randrange(1, len(data) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 1 and at > 1:
            del data[at : at + chance.randrange(1, 9)]
        elif kind == 2:
            data[at:at] = data[at : at + chance.randrange(1, 40)]
        elif at < len(data):
            data[at] = chance.choice((0, 0xFF, 0x7F, data[at] ^ 1 << chance.randrange(8)))
    return bytes(data)


def test_the_corpus() -> None:
    assert {data[0] for data in CORPUS.values()} == set(range(len(MODES)))
    for name, data in CORPUS.items():
        hold(data, name)


def test_what_is_near_real_messages() -> None:
    chance = random.Random(SEED)
    for number in range(INPUTS):
        hold(made(chance), f"input {number}")
