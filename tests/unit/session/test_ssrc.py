"""SSRCs of one connection never repeat."""

from __future__ import annotations

import random

from sfu.session.ssrc import _STEP, SsrcSequence


def test_no_repetition_and_no_zero() -> None:
    sequence = SsrcSequence(random.Random(1))
    taken = [sequence.take() for _ in range(100_000)]
    assert len(set(taken)) == len(taken)
    assert all(0 < ssrc < 1 << 32 for ssrc in taken)


def test_zero_is_left_out() -> None:
    sequence = SsrcSequence(random.Random(1))
    sequence._next = 0
    assert sequence.take() == _STEP


def test_two_connections_begin_apart() -> None:
    rng = random.Random(1)
    assert SsrcSequence(rng).take() != SsrcSequence(rng).take()
