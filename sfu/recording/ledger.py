"""The ledger: an append-only chain of lines, each of which holds the hash of the one before; heads of it are signed.

No IO here: a writer turns events into lines, a parser turns lines into entries and says which line is the first wrong.
"""

from __future__ import annotations

import base64
import datetime
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sfu.recording.chain import Chain, ChainError, ChainParser
from sfu.recording.entries import FORMAT, NO_HEAD, VERSION, Entry, EntryError, format_utc, is_record_id, name_count
from sfu.recording.signing import Signer, build_head_statement


class LedgerError(ChainError):
    """A ledger is wrong; `line` counts from 1, as `sed -n 5p` does, and `reason` says what is wrong with it."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(line, reason, of="ledger")


class Ledger(Chain):
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
        super().__init__(n=n, prev=prev, t_us=t_us)
        self.record = record
        self.counts = Counter(counts)
        """Lines of each type, as the manifest has them."""
        self._key = key

    def append(self, type: str, t_us: int, /, **fields: Any) -> bytes:
        """See `Chain.append`; counts the line, too."""
        line = super().append(type, t_us, **fields)
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
        follows: str | None = None,
    ) -> bytes:
        """Return the first line: whose record it is, when the clock was zero, and which key signs.

        `copy`: 0 for the main record, then one number for each of its mirrors. `subject`: who was authenticated as the
        one who had it begun. `follows`: the id of another record, which this one goes on with.
        """
        if self.n:
            raise EntryError("a ledger starts once")
        if follows is not None and not is_record_id(follows):
            raise EntryError(f"no record has the id {follows!r}, which this one would follow")
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
            **({"follows": follows} if follows is not None else {}),
        )

    def sign_head(self, t_us: int, utc: datetime.datetime) -> bytes:
        """Return a line that signs all lines before it, and the time that it states."""
        t_us, said = max(t_us, self.t_us), format_utc(utc)
        signature = self._key.sign(build_head_statement(self.record, self.n, t_us, said, self.prev))
        return self.append("head", t_us, head=self.prev, signature=base64.b64encode(signature).decode(), utc=said)


class LedgerParser(ChainParser):
    """Reads lines one by one and knows what the next must be. After an error it is as it was before."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def parse(self, line: bytes) -> Entry:
        """Return what a line says, given with its newline; LedgerError when it is wrong or not the next."""
        entry = super().parse(line)
        self.counts[name_count(entry.type)] += 1
        return entry

    def _check_place(self, n: int, prev: str, kind: str) -> None:
        super()._check_place(n, prev, kind)
        if (kind == "start") is not (n == 0):
            raise self._error("a start line must stand first, and only there")

    def _error(self, reason: str) -> LedgerError:
        return LedgerError(self.n + 1, reason)


def parse_ledger(data: bytes) -> Iterator[Entry]:
    """Yield the entries of a whole ledger; LedgerError at the first line that is wrong. An empty one has no entries."""
    return LedgerParser().parse_all(data)
