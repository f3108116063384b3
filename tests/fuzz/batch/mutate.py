"""Inputs by the thousand, made of a corpus: bits turned over, octets replaced, pieces moved, lengths that do not fit.

Nothing but the seed, the corpus and the position in the batch decides what an input is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .loop import loop

Octets = NDArray[np.uint8]
Offsets = NDArray[np.int64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _33 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(33)
_TELLING = np.array([0, 1, 2, 3, 4, 0x0F, 0x10, 0x1F, 0x20, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xFE, 0xFF], np.uint8)
_TELLING_PAIRS = np.array([0, 1, 3, 4, 0xFF, 0x100, 0x3FF, 0x7FFF, 0x8000, 0xBEDE, 0x1000, 0xFFFE, 0xFFFF], np.int64)
_HEAD = 16
"""Half of what is changed stands so near the beginning."""
_KINDS = 12


class Corpus(NamedTuple):
    """Inputs, one behind the other: number k is `octets[bounds[k] : bounds[k + 1]]`."""

    octets: Octets
    bounds: Offsets

    @classmethod
    def of(cls, inputs: Iterable[bytes]) -> Corpus:
        """From Python."""
        listed = list(inputs)
        bounds = np.cumsum([0, *map(len, listed)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(listed), np.uint8).copy(), bounds)


class Draft(NamedTuple):
    """The input that is being changed, at `inputs[start:]`, and what its changes are made with."""

    state: NDArray[np.uint64]
    corpus: Corpus
    fixed: int
    """Octets at the beginning that stay."""
    longest: int
    inputs: Octets
    start: int


@loop
def draw(state: NDArray[np.uint64], count: int) -> int:
    """A number of 0..count - 1 (splitmix64)."""
    state[0] += _STEP
    mixed = (state[0] ^ (state[0] >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    return np.int64((mixed ^ (mixed >> _31)) >> _33) % count


@loop
def fill(seed: int, corpus: Corpus, fixed: int, longest: int, inputs: Octets, ends: Offsets) -> None:
    """Write `len(ends)` inputs to `inputs`, one behind the other; number k ends at `ends[k]`.

    `fixed` octets at the beginning of each are those of the corpus. Room for `longest` octets each has been made.
    """
    state = np.empty(1, np.uint64)
    octets, bounds = corpus.octets, corpus.bounds
    at = 0
    for k in range(len(ends)):
        state[0] = np.uint64(seed) * _FIRST + np.uint64(k) * _SECOND
        chosen = draw(state, len(bounds) - 1)
        length = min(bounds[chosen + 1] - bounds[chosen], longest)
        for j in range(length):
            inputs[at + j] = octets[bounds[chosen] + j]
        rounds = 1 + draw(state, 4) if draw(state, 8) else 4 + draw(state, 28)
        draft = Draft(state, corpus, fixed, longest, inputs, at)
        for _ in range(rounds):
            length = _change(draft, length)
        at += length
        ends[k] = at


@loop
def _place(draft: Draft, length: int) -> int:
    """Somewhere in what may be changed, which is not empty; as often as not where headers are."""
    count = length - draft.fixed
    return draft.fixed + draw(draft.state, min(count, _HEAD) if draw(draft.state, 2) else count)


@loop
def _change(draft: Draft, length: int) -> int:
    """Change the input, which has `length` octets, in one way; its length afterwards."""
    kind = draw(draft.state, _KINDS)
    if length <= draft.fixed or kind == 0:
        return _insert(draft, length, draw(draft.state, 2) == 0)
    place = _place(draft, length)
    if kind <= 7:
        _replace(draft, length, place, kind)
        return length
    if kind == 8:
        return _cut(draft, length, place)
    if kind == 9:
        return place
    if kind == 10:
        return _splice(draft, length, place)
    return _insert(draft, length, True)


@loop
def _replace(draft: Draft, length: int, place: int, kind: int) -> None:
    """Other octets in the place of one or two."""
    state, inputs, at, rest = draft.state, draft.inputs, draft.start + place, length - place
    if kind <= 2:
        inputs[at] ^= np.uint8(1 << draw(state, 8))
    elif kind == 3:
        inputs[at] = draw(state, 256)
    elif kind == 4:
        inputs[at] = _TELLING[draw(state, len(_TELLING))]
    elif kind == 5:
        inputs[at] = (np.int64(inputs[at]) + draw(state, 33) - 16) & 0xFF
    elif kind == 6 and rest >= 2:
        _store_pair(inputs, at, _TELLING_PAIRS[draw(state, len(_TELLING_PAIRS))])
    else:  # what may be a length: of what follows, in octets or in words, about
        value = ((rest - 1) >> 2 * draw(state, 2)) + draw(state, 5) - 2
        if rest >= 2 and draw(state, 2):
            _store_pair(inputs, at, value)
        else:
            inputs[at] = value & 0xFF


@loop
def _cut(draft: Draft, length: int, place: int) -> int:
    rest = length - place
    count = 1 + draw(draft.state, min(rest, 8) if draw(draft.state, 2) else rest)
    for j in range(draft.start + place, draft.start + length - count):
        draft.inputs[j] = draft.inputs[j + count]
    return length - count


@loop
def _splice(draft: Draft, length: int, place: int) -> int:
    """A piece of another input over what stands there."""
    bounds = draft.corpus.bounds
    other = draw(draft.state, len(bounds) - 1)
    size = bounds[other + 1] - bounds[other] - draft.fixed
    if size <= 0:
        return length
    first = draw(draft.state, size)
    count = min(1 + draw(draft.state, size - first), draft.longest - place)
    for j in range(count):
        draft.inputs[draft.start + place + j] = draft.corpus.octets[bounds[other] + draft.fixed + first + j]
    return max(length, place + count)


@loop
def _insert(draft: Draft, length: int, again: bool) -> int:
    """Put in a few octets: `again` of what stands there, else of chance."""
    state, inputs, start = draft.state, draft.inputs, draft.start
    count = min(1 + draw(state, 16 if draw(state, 4) == 0 else 3), draft.longest - length)
    if count <= 0:
        return length
    place = draft.fixed + draw(state, length - draft.fixed + 1) if length > draft.fixed else length
    for j in range(start + length - 1, start + place - 1, -1):
        inputs[j + count] = inputs[j]
    for j in range(start + place, start + place + count):
        if not again or j >= start + length:
            inputs[j] = draw(state, 256)
    return length + count


@loop
def _store_pair(inputs: Octets, at: int, value: int) -> None:
    inputs[at] = (value >> 8) & 0xFF
    inputs[at + 1] = value & 0xFF
