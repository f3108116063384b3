"""A short fuzz of the recorder in every test run; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import random
from pathlib import Path

from .depacketize import TARGETS, run

CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus" / "depacketize").iterdir())}
MUTATIONS = 120
"""Of each input."""
SESSIONS = 1_500
SEED = 11


def hold(data: bytes, origin: str) -> None:
    try:
        run(data)
    except Exception as error:
        raise AssertionError(f"{origin}: {data.hex()}") from error


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Octets changed, most of them where headers are; the codec stays."""
    octets = bytearray(data)
    for _ in range(chance.randint(1, 12)):
        at = chance.randrange(1, len(octets))
        if chance.random() < 0.7:  # in the first octets of some packet
            at = headers(octets)[chance.randrange(len(headers(octets)))] + chance.randrange(20)
        if at < len(octets):
            octets[at] = chance.choice([0, 1, 0x7F, 0x80, 0xFF, octets[at] ^ 1 << chance.randrange(8)])
    return bytes(octets)


def headers(octets: bytearray) -> list[int]:
    """Where packets begin."""
    found, at = [], 1
    while at + 3 <= len(octets):
        found.append(at)
        at += 3 + int.from_bytes(octets[at + 1 : at + 3])
    return found or [1]


def session(chance: random.Random) -> bytes:
    """Short payloads of chance, of any codec."""
    made = bytearray([chance.randrange(256)])
    for _ in range(chance.randint(1, 40)):
        payload = chance.randbytes(chance.choice((0, 1, 2, 3, 8, 40)))
        if payload and chance.random() < 0.8:  # what begins pictures, so that more is reached
            payload = (
                bytes([chance.choice((0x10, 0x90, 0x08, 0x0C, 0x8C, 0xAC, 0x18, 0x10, 0x7C, 0x67, 0x65))]) + payload
            )
        special = chance.choice((1, 8, 9, 9, 9, 11, 12, 13, 25, 41, 73, 137, chance.randrange(256)))
        made += bytes([special]) + len(payload).to_bytes(2) + payload
    return bytes(made)


def test_the_corpus_has_something_for_every_codec() -> None:
    assert {TARGETS[data[0]] for data in CORPUS.values()} == set(TARGETS)


def test_the_corpus() -> None:
    for name, data in CORPUS.items():
        hold(data, name)


def test_what_is_near_the_corpus() -> None:
    chance = random.Random(SEED)
    for name, data in CORPUS.items():
        for number in range(MUTATIONS):
            hold(mutated(data, chance), f"mutation {number} of {name}")


def test_any_payloads() -> None:
    chance = random.Random(SEED)
    for number in range(SESSIONS):
        hold(session(chance), f"session {number}")
