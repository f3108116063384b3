"""Batch after batch of one target: inputs are made, tried, and kept where something new came of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .mutate import Corpus, fill
from .target import BATCHES, CORPUS, INPUTS, KEPT, MARKS, POSITION, PROGRESS, SHRINKS, Fault

_MOST_KEPT = 4096
_MOST_FRESH = 16
"""So many are kept of one batch: each is compared with what a slow reader makes of it."""
_SEED_STRIDE = 1_000_003
Octets, Words = NDArray[np.uint8], NDArray[np.int64]


class Judge(Protocol):
    """What tries a batch."""

    def judge(self, inputs: Octets, ends: Words, progress: Words, marks: Words, *, again: bool = False) -> int:
        """A `Fault` of the input at `progress[POSITION]`, or 0; an exception is a finding, too.

        `again`: the inputs were tried before, and stay as they are.
        """


@dataclass(frozen=True)
class Target:
    """Something that takes inputs by the thousand."""

    name: str
    guided: str
    """The guided target whose inputs these are, its corpus, and `run` for what was found."""
    make: Callable[[], Judge]
    """Compiles."""
    parts: Callable[[bytes], list[bytes]]
    """What of an input of the guided target is mutated here: none, itself, or its operations."""
    join: Callable[[Sequence[bytes]], bytes] = b"".join
    """Inputs that were tried one after the other, as one of the guided target."""
    session: int = 1
    """So many inputs belong to one state, at most."""
    fixed: int = 1
    """Octets at the beginning that stay."""
    longest: int = 512
    size: int = 4096
    """Of a batch, a multiple of `session`."""
    compare: Callable[[bytes], None] | None = None
    """`run` of the guided target, for what is new; None: it cannot be called beside compiled kernels."""
    compiled: bool = True


@dataclass(frozen=True)
class Finding:
    """An input that breaks something."""

    target: Target
    data: bytes
    """As the guided target takes it."""
    what: str
    seed: int
    batch: int
    position: int

    def write(self, directory: Path) -> Path:
        """To a file named like libFuzzer's."""
        path = directory / f"crash-{self.target.name}-{hashlib.sha256(self.data).hexdigest()[:16]}"
        path.write_bytes(self.data)
        return path

    def __str__(self) -> str:
        where = f"seed {self.seed}, batch {self.batch}, input {self.position}"
        return f"{self.target.name}: {self.what} ({where}; {len(self.data)} octets)"


@dataclass
class Memory:
    """A batch; in a file, if another process shall see what was tried last."""

    inputs: Octets
    ends: Words
    progress: Words

    @classmethod
    def of(cls, target: Target, directory: Path | None = None) -> Memory:
        """In `directory`, or nowhere."""

        def array(name: str, count: int, kind: type) -> np.ndarray:
            if directory is None:
                return np.zeros(count, kind)
            path = directory / name
            return np.asarray(np.memmap(path, kind, "r+" if path.exists() else "w+", shape=(count,)))

        size = target.size
        return cls(
            array("inputs", size * target.longest, np.uint8),
            array("ends", size, np.int64),
            array("progress", PROGRESS, np.int64),
        )

    def tried(self, first: int, last: int) -> list[bytes]:
        """Inputs `first` to `last`, both included."""
        begins = [0, *self.ends[: last + 1].tolist()]
        return [self.inputs[begins[k] : begins[k + 1]].tobytes() for k in range(first, last + 1)]

    def session(self, target: Target) -> list[bytes]:
        """What belongs to the state in which the last input was tried."""
        position = int(self.progress[POSITION])
        return self.tried(position - position % target.session, position)


@dataclass
class Batches:
    """One target, from a seed and a corpus on."""

    target: Target
    seed: int
    corpus: Iterable[bytes]
    memory: Memory
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        self._kept = [part[: self.target.longest] for data in self.corpus for part in self.target.parts(data)]
        if not self._kept:
            raise ValueError(f"{self.target.name}: nothing in its corpus to begin with")
        self._seeds = len(self._kept)
        self._flat = Corpus.of(self._kept)
        self._seen = np.zeros(MARKS, bool)
        self._marks = np.zeros(self.target.size, np.int64)
        self.memory.progress[CORPUS] = len(self._kept)
        self.judge = self.target.make()

    def run(self) -> Finding | None:
        """One batch."""
        target, memory, progress = self.target, self.memory, self.memory.progress
        batch = int(progress[BATCHES])
        seed = self.seed * _SEED_STRIDE + batch
        fill(seed, self._flat, target.fixed, target.longest, memory.inputs, memory.ends)
        progress[POSITION] = 0
        what = self._try(memory, self._marks)
        if what:
            return self._finding(what, batch)
        progress[BATCHES] += 1
        progress[INPUTS] += len(memory.ends)
        return self._keep(batch)

    def _try(self, memory: Memory, marks: Words, *, again: bool = False) -> str:
        """What is wrong, or nothing."""
        try:
            fault = self.judge.judge(memory.inputs, memory.ends, memory.progress, marks, again=again)
        except Exception as error:  # noqa: BLE001 - whatever it raises is what is looked for
            return f"{type(error).__name__}: {error}"[:500]
        return Fault(fault).name if fault else ""

    def _keep(self, batch: int) -> Finding | None:
        """Keep inputs with a new mark, one of each."""
        target, marks = self.target, self._marks
        fresh = np.flatnonzero(~self._seen[marks])
        if len(fresh) == 0:
            return None
        found, first = np.unique(marks[fresh], return_index=True)
        self._seen[found[:_MOST_FRESH]] = True
        for position in fresh[first[:_MOST_FRESH]].tolist():
            self.memory.progress[POSITION] = position
            (data,) = self.memory.tried(position, position)
            if target.compare is not None:
                try:
                    target.compare(target.join([data]))
                except Exception as error:  # noqa: BLE001 - as above
                    return self._finding(f"{type(error).__name__}: {error}"[:500], batch, compared=True)
            if len(self._kept) < self._seeds + _MOST_KEPT:
                self._kept.append(data)
                self.memory.progress[KEPT] += 1
        self._flat = Corpus.of(self._kept)
        self.memory.progress[CORPUS] = len(self._kept)
        return None

    def _finding(self, what: str, batch: int, *, compared: bool = False) -> Finding:
        position = int(self.memory.progress[POSITION])
        inputs = self.memory.session(self.target)
        if not compared:
            inputs = shrink(inputs, self._breaks)
        return Finding(self.target, self.target.join(inputs), what, self.seed, batch, position)

    def _breaks(self, inputs: Sequence[bytes]) -> bool:
        """Whether these, one after the other, break anything."""
        self.memory.progress[SHRINKS] += 1
        flat = Corpus.of(inputs)
        memory = Memory(flat.octets, flat.bounds[1:], np.zeros(PROGRESS, np.int64))
        return bool(self._try(memory, np.zeros(len(inputs), np.int64), again=True))


def shrink(inputs: list[bytes], breaks: Callable[[Sequence[bytes]], bool]) -> list[bytes]:
    """Leave out what is not needed to break it, half of all first, then less."""
    count = len(inputs) // 2
    while count > 0:
        at = 0
        while at < len(inputs):
            fewer = inputs[:at] + inputs[at + count :]
            if fewer and breaks(fewer):
                inputs = fewer
            else:
                at += count
        count //= 2
    return inputs
