"""The batch fuzzer: it finds what is broken, says with which input, and finds nothing in a short run of each target."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from sfu.routing.kernels.counters import Counter
from tests.fuzz import broken_targets, descriptors, packet_path
from tests.fuzz.batch.batches import Batches, Memory, shrink
from tests.fuzz.batch.loop import CHECKED
from tests.fuzz.batch.mutate import Corpus, fill
from tests.fuzz.batch.target import POSITION
from tests.fuzz.batch.targets import TARGETS, corpus
from tests.fuzz.batch.watch import Piece

SEED = 16
COMPILED = [name for name, target in TARGETS.items() if target.compiled]
BATCHES = 3
checked = pytest.mark.skipif(not CHECKED, reason="runs in a process of its own with bounds checks, see below")
usual = pytest.mark.skipif(CHECKED, reason="already within that process")


def batches_of(name: str, seed: int = SEED) -> Batches:
    """From what is kept for all, not from what was found on this machine."""
    target = TARGETS[name]
    return Batches(target, seed, corpus(target, None), Memory.of(target))


@checked
@pytest.mark.parametrize("name", COMPILED)
def test_a_short_run_finds_nothing(name: str) -> None:
    batches = batches_of(name)
    for _ in range(BATCHES):
        finding = batches.run()
        assert finding is None, f"{finding}: {finding.data.hex()}"
    assert len(np.unique(batches._marks)) > 3, "all inputs come to the same"


@pytest.fixture(scope="module")
def broken():
    return broken_targets.broken_payloads()


@checked
@pytest.mark.parametrize(
    ("name", "parser", "what"),
    [
        ("vp8", broken_targets.reads_on, "IndexError"),
        ("av1", broken_targets.looks_back, "SURROUNDINGS"),
        ("h264", broken_targets.says_too_much, "RANGE"),
    ],
)
def test_a_broken_parser_is_caught_and_its_input_kept(broken, monkeypatch, tmp_path, name, parser, what) -> None:
    target = dataclasses.replace(TARGETS[name], make=lambda: broken.Payloads(TARGETS[name].longest), compare=None)
    batches = Batches(target, SEED, corpus(target, None), Memory.of(target))
    found = (batches.run() for _ in range(BATCHES))
    finding = next(finding for finding in found if finding is not None)
    assert what in finding.what
    # as it was tried, and made again from the same seed
    again = Batches(target, SEED, corpus(target, None), Memory.of(target)).run()
    assert again == finding
    data = finding.write(tmp_path).read_bytes()
    descriptors.run(data)  # the sound parser takes it
    monkeypatch.setitem(descriptors._PARSERS, name, parser)
    with pytest.raises((IndexError, AssertionError)):
        descriptors.run(data)


@checked
@pytest.mark.parametrize(
    ("name", "reached"),
    [
        ("packet_path", {Counter.REPEATED_PACKETS: 50, Counter.RECEIVED_RTP: 100}),
        ("packet_media", {Counter.RECEIVED_RTP: 800}),
        ("packet_control", {Counter.DROP_STUN_RATE: 100, Counter.DROP_DTLS_RATE: 100}),
    ],
)
def test_the_packet_path_does_the_same_with_a_batch_as_with_one_input_of_its_operations(name, reached) -> None:
    target = TARGETS[name]
    batches = Batches(target, SEED, corpus(target, None), Memory.of(target))
    assert batches.run() is None
    batches.memory.progress[POSITION] = target.size - 1
    one = packet_path.PacketPath()
    one.run(target.join(batches.memory.session(target)))
    expected, found = (path.plane._tables for path in (one, batches.judge.path))
    one.close()
    assert expected.counters.tolist() == found.counters.tolist()
    assert all(expected.counters[counter] > least for counter, least in reached.items()), expected.counters.tolist()
    assert expected.subscriptions.tobytes() == found.subscriptions.tobytes()
    assert expected.structures.tobytes() == found.structures.tobytes()


@checked
def test_an_input_depends_on_the_seed_the_corpus_and_its_place_alone() -> None:
    parts = Corpus.of([b"\x01header", b"\x02", b"\x03" + bytes(range(90))])
    made = []
    for seed, dirt in ((5, 0), (5, 0xAA), (6, 0)):
        inputs, ends = np.full(64 * 100, dirt, np.uint8), np.zeros(64, np.int64)
        fill(seed, parts, 1, 100, inputs, ends)
        made.append([bytes(inputs[begin:end]) for begin, end in zip([0, *ends[:-1]], ends, strict=True)])
    assert made[0] == made[1] != made[2]
    assert {data[0] for data in made[0]} == {1, 2, 3}
    assert all(len(data) <= 100 for data in made[0])
    assert len(set(made[0])) > 60


def test_operations_taken_apart_and_joined_are_the_same() -> None:
    for name in ("packet_path", "feedback"):
        target = TARGETS[name]
        for data in corpus(target, None):
            joined = target.join(target.parts(data))
            assert target.parts(joined) == target.parts(data)
            assert data.startswith(joined) or len(joined) >= len(data) - 3


def test_what_is_not_needed_is_left_out() -> None:
    inputs = [bytes([k]) for k in range(100)]
    assert shrink(inputs, lambda some: {b"\x07", b"\x45"} <= set(some)) == [b"\x07", b"\x45"]


@pytest.mark.breadth
@usual
@pytest.mark.timeout(320)
@pytest.mark.parametrize(("name", "what"), [("CRASHES", "signal 6"), ("HANGS", "goes nowhere")])
def test_an_input_that_ends_its_process_or_never_ends_is_kept(tmp_path: Path, name: str, what: str) -> None:
    piece = Piece(f"tests.fuzz.broken_targets:{name}", SEED, ["--inputs", "1000000"], tmp_path, hangs_s=1.0)
    piece.start()
    until = time.monotonic() + 300
    while not piece.poll():
        assert time.monotonic() < until
        with contextlib.suppress(subprocess.TimeoutExpired):
            piece.process.wait(0.1)
    assert what in piece.result["finding"]
    assert Path(piece.result["crash"]).read_bytes()[0] == 0x15


@usual
@pytest.mark.timeout(400)
@pytest.mark.beside("NUMBA_BOUNDSCHECK", Path(__file__))
def test_with_bounds_checks(beside) -> None:
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert f"{len(COMPILED) + 9} passed" in beside.stdout
