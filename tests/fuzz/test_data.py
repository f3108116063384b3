"""A short fuzz of the data channels in every test run; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from sfu.transport.dcep import Open
from tests.fuzz.data import KINDS, run

CORPUS = sorted((Path(__file__).parent / "corpus" / "data").iterdir())
INPUTS = 400


def piece(kind: int, value: bytes, flags: int = 3) -> bytes:
    return bytes((KINDS.index(kind), flags, len(value))) + value


def made(chance: random.Random) -> bytes:
    """Most pieces are plausible, some are not."""
    octets = bytearray()
    for _ in range(chance.randint(5, 80)):
        ends, stream = chance.choice((0, 16, 48)), chance.randrange(10)
        near = bytes((chance.choice((0, 1, 1, 1, 2, 3, 7)), 0, 0, 0))
        name = struct.pack("!HHL", stream, chance.randrange(3), chance.choice((50, 51, 53, 56, 57, 0)))
        text = chance.choice((b"x", b"\2", Open("n").build(), chance.randbytes(20)))
        octets += chance.choice(
            (
                piece(0, near + name + text, chance.choice((0, 1, 2, 3, 7)) | ends),
                piece(3, near + struct.pack("!LHH", chance.choice((0, 1 << 20)), 1, 0) + bytes((0, 1, 0, 9)), ends),
                piece(192, near + struct.pack("!HH", stream, chance.randrange(4)), ends),
                piece(
                    130, struct.pack("!HHLLLH", chance.choice((13, 14, 16, 17)), 18, 1, 2, 3, stream) + b"\0\0", ends
                ),
                piece(chance.choice(KINDS), chance.randbytes(chance.randrange(40)), chance.randrange(64)),
            )
        )
    return bytes(octets)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_the_corpus(path: Path) -> None:
    run(path.read_bytes())


def test_inputs_of_a_seed() -> None:
    chance = random.Random(9)
    for _ in range(INPUTS):
        data = made(chance)
        try:
            run(data)
        except Exception as error:
            raise AssertionError(f"a finding: {data.hex()}") from error
