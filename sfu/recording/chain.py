"""A chain of lines: each is canonical JSON and holds the hash of the line before, so that whoever has the last hash
has all of it. The record's ledger is one, with signatures; a program can keep its own audit in another.

No IO here: `Chain` turns events into lines, `ChainParser` turns lines into entries and says which is the first wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sfu.errors import LocalError
from sfu.recording.entries import MAX_LINE_BYTES, NO_HEAD, Entry, EntryError, build_line, read_fields


class ChainError(LocalError):
    """A chain is wrong; `line` counts from 1, as `sed -n 5p` does, and `reason` says what is wrong with it."""

    def __init__(self, line: int, reason: str, *, of: str = "chain") -> None:
        super().__init__(f"line {line} of the {of}: {reason}")
        self.line = line
        self.reason = reason


class Chain:
    """Makes the lines of one chain. What it returns must be written in that order, or the chain is broken.

    To go on with a chain, give the `n`, `prev` and `t_us` that a ChainParser has after its last line.
    """

    def __init__(self, *, n: int = 0, prev: str = NO_HEAD, t_us: int = 0) -> None:
        self.n = n
        """Of the next line."""
        self.prev = prev
        """SHA-256 of the last line: the head of the chain."""
        self.t_us = t_us
        """Of the last line, in microseconds; since when is for the caller to say."""

    def append(self, type: str, t_us: int, /, **fields: Any) -> bytes:
        """Return the next line. A time before the last line's is written as the last line's: time never falls.

        `type`: a word of `a` to `z` and `_`. Those that a record's ledger has need the fields that they have there
        (docs/record-format.md); any other may have whatever JSON can hold.

        EntryError when a field is missing, is of a wrong type, or the line is longer than 65,536 bytes; the chain is
        then as it was.
        """
        t_us = max(t_us, self.t_us)
        line = build_line(self.n, t_us, self.prev, type, fields)
        self.n, self.t_us, self.prev = self.n + 1, t_us, hashlib.sha256(line).hexdigest()
        return line


class ChainParser:
    """Reads lines one by one and knows what the next must be. After an error it is as it was before."""

    def __init__(self) -> None:
        self.n = 0
        """Of the next line: how many were read."""
        self.prev = NO_HEAD
        """The head of the chain that was read."""
        self.t_us = 0
        self.offset = 0
        """Bytes of all lines read."""

    def parse(self, line: bytes) -> Entry:
        """Return what a line says, given with its newline; ChainError when it is wrong or not the next."""
        if len(line) > MAX_LINE_BYTES:
            raise self._error(f"it is longer than {MAX_LINE_BYTES} bytes")
        if not line.endswith(b"\n"):
            raise self._error("it is torn: it does not end with a newline")
        try:
            n, t_us, prev, kind, fields = read_fields(line[:-1])
        except EntryError as error:
            raise self._error(str(error)) from error
        self._check_place(n, prev, kind)
        if t_us < self.t_us:
            raise self._error(f"its time is {t_us} us, before the {self.t_us} us of the line before")
        head = hashlib.sha256(line).hexdigest()
        self.n, self.t_us, self.prev, self.offset = n + 1, t_us, head, self.offset + len(line)
        return Entry(n, t_us, prev, kind, fields, head)

    def parse_all(self, data: bytes) -> Iterator[Entry]:
        """Yield the entries of a whole chain; ChainError at the first line that is wrong."""
        while self.offset < len(data):
            end = data.find(b"\n", self.offset, self.offset + MAX_LINE_BYTES)
            stop = end + 1 if end >= 0 else self.offset + MAX_LINE_BYTES + 1
            yield self.parse(data[self.offset : stop])

    def _check_place(self, n: int, prev: str, kind: str) -> None:
        if n != self.n:
            raise self._error(f"it has number {n} where {self.n} must stand: lines were removed, added or moved")
        if prev != self.prev and n == 0:
            raise self._error("it is the first and must have 64 zeros as the hash of the line before")
        if prev != self.prev:
            raise self._error(f"it does not hold the hash of line {n}: line {n} was changed, or this one")

    def _error(self, reason: str) -> ChainError:
        return ChainError(self.n + 1, reason)


def parse_chain(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a whole chain; ChainError at the first line that is wrong. An empty one has no entries.

    That nothing was taken from its end is known only to who has its last `head` from elsewhere.
    """
    return ChainParser().parse_all(data)
