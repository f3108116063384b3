"""Speakers whose files ended when their record was suspended: what is said of them until they come again.

A process that continues a record begins new files. Until one continues an old file, each moment that its speaker has no
media is declared as a gap of the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

Speaker = tuple[str, str, str, str, str]
"""Key by which Tracks continue one file: peer, kind, label, codec, encryption."""


@dataclass(frozen=True, slots=True)
class EndedSource:
    """A source whose file ended at a suspension, and which no other has continued yet."""

    number: int
    speaker: Speaker


@dataclass(frozen=True, slots=True)
class WriterState:
    """What a suspended record has beside its ledger and its files: a `RecordWriter` goes on from it."""

    sources: int = 0
    """How many sources it has."""
    ended: tuple[EndedSource, ...] = ()
    """Those that no other continues."""
    stamps: int = 0
    """How many timestamps."""
    written_bytes: int = 0
    """Of media."""
    paused: bool = False


NEW = WriterState()


class Absence(NamedTuple):
    """A span without media of a source; times are on the clock that `Absences` is told."""

    source: int
    cause: str
    begin_us: int
    end_us: int


class Absences:
    """Knows who has not come again; each method returns what is over, to be declared."""

    def __init__(self, sources: Sequence[EndedSource] = (), since_us: int = 0, *, paused: bool = False) -> None:
        self._sources = list(sources)
        self._since_us = since_us
        self._cause = _name_cause(paused)

    @property
    def sources(self) -> tuple[EndedSource, ...]:
        """Those that no other has continued."""
        return tuple(self._sources)

    def set_paused(self, paused: bool, now_us: int) -> Iterator[Absence]:
        """A pause of the record begins or ends."""
        cause = _name_cause(paused)
        if cause != self._cause:
            yield from self.end(now_us)
            self._cause, self._since_us = cause, now_us

    def take(self, speaker: Speaker, now_us: int) -> Absence | None:
        """A new source of that speaker begins: return the absence that ends with it, None if he was never there."""
        for source in self._sources:
            if source.speaker == speaker:
                self._sources.remove(source)
                return self._tell(source, now_us)
        return None

    def end(self, now_us: int) -> Iterator[Absence]:
        """The record ends, or is suspended again."""
        if now_us > self._since_us:
            for source in self._sources:
                yield self._tell(source, now_us)

    def _tell(self, source: EndedSource, now_us: int) -> Absence:
        return Absence(source.number, self._cause, self._since_us, max(self._since_us, now_us))


def _name_cause(paused: bool) -> str:
    return "pause" if paused else "disconnect"
