"""What an examination of a record finds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from sfu.recording.folder import LEDGER


class Fault(Exception):
    """The first thing that is wrong with a record; the text says what it is, for people who know nothing of formats."""

    def __init__(self, file: str, reason: str, *, line: int | None = None, fragment: int | None = None) -> None:
        super().__init__(reason)
        self.file = file
        self.line = line
        """Of the ledger, from 1."""
        self.fragment = fragment
        """Of the file, from 0."""

    @property
    def place(self) -> str:
        """File and line, or fragment, that is wrong."""
        return tell_place(self.file, self.line)


@dataclass(slots=True)
class SourceFacts:
    """What the ledger has said so far of one media file."""

    source: int
    file: str
    kind: str = ""
    """Kind of media; empty for a file that no source line has named, as a crash can leave one."""
    peer: str = ""
    encryption: str = ""
    """What its frames are encrypted with, end to end; empty: nothing."""
    known_us: int = 0
    """Time until which the ledger says what became of the source's media: recorded, or missing."""
    fragments: int = 0
    covered_bytes: int = 0
    """Number of bytes that fragments and tails announce, from the file's beginning."""
    ended: bool = False
    lost: bool = False
    """Whether a gap without end is declared."""
    tailed: bool = False
    digest: Any = field(default_factory=hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A timestamp of a `head` line."""

    file: str
    head: str
    line: int


def tell_time(time_us: int) -> str:
    """Return a time of the record in a form for people: 0:01:02.500."""
    seconds, thousandths = divmod(time_us // 1000, 1000)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{thousandths:03}"


def tell_place(file: str, line: int | None) -> str:
    """Return in words for people where something is wrong: a file, and in the ledger a line. Media have words of their
    own.
    """
    return f"{file}, line {line}" if file == LEDGER and line is not None else file
