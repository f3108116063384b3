"""A short fuzz of the parsers of descriptors in every test run; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fuzz.mutation import mutated

from .descriptors import TARGETS, run

CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus" / "descriptors").iterdir())}
PLAIN = bool(os.environ.get("NUMBA_DISABLE_JIT"))
MUTATIONS = {"dependency": 10}
"""Of each input; of the targets that are not named: 40."""
SEED = 20


def hold(data: bytes, origin: str) -> None:
    """Run an input, and name it if it is a finding."""
    try:
        run(data)
    except (AssertionError, IndexError, ValueError, OverflowError) as error:
        raise AssertionError(f"{origin}: {data.hex()}") from error


def test_the_corpus_has_something_for_every_target():
    assert {TARGETS[data[0]] for data in CORPUS.values()} == set(TARGETS)


@pytest.mark.skipif(not PLAIN, reason="runs in a process of its own in plain Python, see test_in_plain_python")
def test_the_corpus():
    for name, data in CORPUS.items():
        hold(data, name)


@pytest.mark.skipif(not PLAIN, reason="runs in a process of its own in plain Python, see test_in_plain_python")
def test_every_beginning_of_the_corpus():
    for name, data in CORPUS.items():
        if TARGETS[data[0]] != "dependency":
            for length in range(2, min(len(data), 32)):
                hold(data[:length], f"{length} octets of {name}")


@pytest.mark.skipif(not PLAIN, reason="runs in a process of its own in plain Python, see test_in_plain_python")
def test_what_is_near_the_corpus():
    chance = random.Random(SEED)
    for name, data in CORPUS.items():
        for k in range(MUTATIONS.get(TARGETS[data[0]], 40)):
            hold(mutated(data, chance), f"mutation {k} of {name}")


@pytest.mark.skipif(PLAIN, reason="already within that process")
@pytest.mark.timeout(400)
@pytest.mark.beside("NUMBA_DISABLE_JIT", Path(__file__))
def test_in_plain_python(beside):
    """NumPy checks the indexes there, and integers do not wrap unseen."""
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert "4 passed" in beside.stdout
