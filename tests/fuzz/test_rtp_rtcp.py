"""A short fuzz of RTP headers, RTCP and STUN in every test run; `make fuzz` runs the long ones."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.mutation import mutated

from . import rtp_rtcp, stun

RUNS: dict[str, Callable[[bytes], None]] = {"rtp_rtcp": rtp_rtcp.run, "stun": stun.run}
CORPUS = [
    (name, path.name, path.read_bytes())
    for name in RUNS
    for path in sorted((Path(__file__).parent / "corpus" / name).iterdir())
]
PLAIN = bool(os.environ.get("NUMBA_DISABLE_JIT"))
MUTATIONS = 60
"""Of each input."""
SEED = 30
plain = pytest.mark.skipif(not PLAIN, reason="runs in a process of its own in plain Python, see test_in_plain_python")


def hold(target: str, data: bytes, origin: str) -> None:
    try:
        RUNS[target](data)
    except Exception as error:
        raise AssertionError(f"{target}: {origin}: {data.hex()}") from error


def test_the_corpus_has_something_for_every_target() -> None:
    assert {data[0] for target, _, data in CORPUS if target == "rtp_rtcp"} == set(range(len(rtp_rtcp.TARGETS)))


@plain
def test_the_corpus_and_every_beginning_of_it() -> None:
    for target, name, data in CORPUS:
        for length in range(len(data) + 1):
            hold(target, data[:length], f"{length} octets of {name}")


@plain
def test_what_is_near_the_corpus() -> None:
    chance = random.Random(SEED)
    for target, name, data in CORPUS:
        for k in range(MUTATIONS):
            hold(target, mutated(data, chance), f"mutation {k} of {name}")


@pytest.mark.skipif(PLAIN, reason="already within that process")
@pytest.mark.beside("NUMBA_DISABLE_JIT", Path(__file__))
def test_in_plain_python(beside) -> None:
    """NumPy checks the indexes there, and integers do not wrap unseen."""
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert "3 passed" in beside.stdout
