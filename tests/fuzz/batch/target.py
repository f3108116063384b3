"""What the compiled loops have in common: how they say where they are, what they saw, and what is wrong."""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from .loop import loop, unchecked

POSITION, OPERATIONS, BATCHES, INPUTS, KEPT, CORPUS, SHRINKS = range(7)
"""Of `progress`: the input that a loop is at, and how many operations, batches and inputs it has done in all; how many
inputs were kept for what came of them, and of how many it mutates now; how often a finding was tried with less."""
PROGRESS = 8
MARKS = 1 << 16
"""An input's mark says roughly what came of it: 0..MARKS - 1. One with a mark that was not there before is kept."""

Words = NDArray[np.int64]


class Fault(enum.IntEnum):
    """What a loop found to be wrong with the outcome of an input; an IndexError says the rest."""

    NONE = 0
    SURROUNDINGS = 1
    """What stands before or behind the input makes a difference."""
    STATUS = 2
    """A status that there is not."""
    RANGE = 3
    """A value that others index or write by is out of its range."""
    BEYOND = 4
    """What was found does not lie within the input."""
    OTHERS = 5
    """Something was written that is none of its business: other rows, other octets, what is known already."""
    CONTRADICTION = 6
    """Two values of the outcome do not go together."""
    REPETITION = 7
    """What was written says something else than what was read."""
    COUNT = 8
    """A datagram was lost without being counted, or counted twice."""
    BOUNDS = 9
    """An estimate is beyond its bounds, or no number."""


SURROUNDINGS, STATUS, RANGE, BEYOND, OTHERS, CONTRADICTION, REPETITION, COUNT, BOUNDS = (
    int(fault) for fault in list(Fault)[1:]
)


@unchecked
def any_set(words: Words) -> bool:
    """Whether one of them is not 0."""
    found = np.int64(0)
    for k in range(len(words)):
        found |= words[k]
    return found != 0


@unchecked
def same(one: Words, other: Words) -> bool:
    """Whether they are equal, word by word; they are of one length."""
    found = np.int64(0)
    for k in range(len(one)):
        found |= one[k] ^ other[k]
    return found == 0


@unchecked
def copy(source: Words, target: Words) -> None:
    """Make them equal; they are of one length."""
    for k in range(len(source)):
        target[k] = source[k]


@unchecked
def fill_words(words: Words, value: int) -> None:
    """Make all of them `value`."""
    for k in range(len(words)):
        words[k] = value


@unchecked
def copy_octets(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
    """Make them equal; they are of one length."""
    for k in range(min(len(source), len(target))):
        target[k] = source[k]


@unchecked
def fill_octets(octets: NDArray[np.uint8], value: int) -> None:
    """Make all of them `value`."""
    for k in range(len(octets)):
        octets[k] = value


@unchecked
def all_are(octets: NDArray[np.uint8], value: int) -> bool:
    """Whether all of them are `value`."""
    found = np.int64(0)
    for k in range(len(octets)):
        found |= np.int64(octets[k]) ^ value
    return found == 0


@loop
def mix(mark: int, value: int) -> int:
    """`mark`, and `value`, in one number."""
    mark = (mark ^ value) * 0x5851F42D4C957F2D + 0x14057B7EF767814F
    return mark ^ (mark >> 29)


@loop
def fold(mark: int) -> int:
    """A number of `mix` as a mark."""
    return (mark ^ (mark >> 16) ^ (mark >> 32)) & 0xFFFF
