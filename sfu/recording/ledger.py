"""The ledger: an append-only chain of lines, each of which holds the hash of the one before; heads of it are signed.

No IO here: a writer turns events into lines, a parser turns lines into entries and says which line is the first wrong.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sfu.errors import LocalError
from sfu.recording.entries import (
    FORMAT,
    MAX_LINE_BYTES,
    NO_HEAD,
    VERSION,
    Entry,
    EntryError,
    build_line,
    format_utc,
    name_count,
    read_fields,
)
from sfu.recording.signing import Signer, build_head_statement


class LedgerError(LocalError):
    """A ledger is wrong; `line` counts from 1, as `sed -n 5p` does, and `reason` says what is wrong with it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} of the ledger: {reason}")
        self.line = line
        self.reason = reason


class Ledger:
    """Makes the lines of one record. What it returns must be written in that order, or the chain is broken.

    To go on after a crash, give the `n`, `prev`, `t_us` and `counts` that a LedgerParser has after the last whole line.
    """

    def __init__(
        self,
        record: str,
        key: Signer,
        *,
        n: int = 0,
        prev: str = NO_HEAD,
        t_us: int = 0,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        self.record = record
        self.n = n
        """Of the next line."""
        self.prev = prev
        """SHA-256 of the last line: the head of the chain."""
        self.t_us = t_us
        """Of the last line."""
        self.counts = Counter(counts)
        """Lines of each type, as the manifest has them."""
        self._key = key

    def append(self, type: str, t_us: int, /, **fields: Any) -> bytes:
        """Return the next line. A time before the last line's is written as the last line's: time never falls.

        EntryError when a field is missing, is of a wrong type, or the line is longer than MAX_LINE_BYTES; the chain
        is then as it was.
        """
        t_us = max(t_us, self.t_us)
        line = build_line(self.n, t_us, self.prev, type, fields)
        self.n, self.t_us, self.prev = self.n + 1, t_us, hashlib.sha256(line).hexdigest()
        self.counts[name_count(type)] += 1
        return line

    def start(
        self,
        room: str,
        utc: datetime.datetime,
        software: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        copy: int = 0,
        subject: str | None = None,
    ) -> bytes:
        """Return the first line: whose record it is, when the clock was zero, and which key signs.

        `copy`: 0 for the main record, then one number for each of its mirrors. `subject`: who was authenticated as the
        one who had it begun.
        """
        if self.n:
            raise EntryError("a ledger starts once")
        return self.append(
            "start",
            0,
            format=FORMAT,
            version=VERSION,
            record=self.record,
            copy=copy,
            room=room,
            utc=format_utc(utc),
            key=self._key.key_id,
            software=software,
            metadata=dict(metadata or {}),
            subject=subject,
        )

    def sign_head(self, t_us: int, utc: datetime.datetime) -> bytes:
        """Return a line that signs all lines before it, and the time that it states."""
        t_us, said = max(t_us, self.t_us), format_utc(utc)
        signature = self._key.sign(build_head_statement(self.record, self.n, t_us, said, self.prev))
        return self.append("head", t_us, head=self.prev, signature=base64.b64encode(signature).decode(), utc=said)


class LedgerParser:
    """Reads lines one by one and knows what the next must be. After an error it is as it was before."""

    def __init__(self) -> None:
        self.n = 0
        """Of the next line: how many were read."""
        self.prev = NO_HEAD
        self.t_us = 0
        self.offset = 0
        """Bytes of all lines read."""
        self.counts: Counter[str] = Counter()

    def parse(self, line: bytes) -> Entry:
        """Return what a line says, given with its newline; LedgerError when it is wrong or not the next."""
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
        self.counts[name_count(kind)] += 1
        return Entry(n, t_us, prev, kind, fields, head)

    def _check_place(self, n: int, prev: str, kind: str) -> None:
        if n != self.n:
            raise self._error(f"it has number {n} where {self.n} must stand: lines were removed, added or moved")
        if prev != self.prev and n == 0:
            raise self._error("it is the first and must have 64 zeros as the hash of the line before")
        if prev != self.prev:
            raise self._error(f"it does not hold the hash of line {n}: line {n} was changed, or this one")
        if (kind == "start") is not (n == 0):
            raise self._error("a start line must stand first, and only there")

    def _error(self, reason: str) -> LedgerError:
        return LedgerError(self.n + 1, reason)


def parse_ledger(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a whole ledger; LedgerError at the first line that is wrong. An empty one has no entries."""
    parser = LedgerParser()
    while parser.offset < len(data):
        end = data.find(b"\n", parser.offset, parser.offset + MAX_LINE_BYTES)
        stop = end + 1 if end >= 0 else parser.offset + MAX_LINE_BYTES + 1
        yield parser.parse(data[parser.offset : stop])
