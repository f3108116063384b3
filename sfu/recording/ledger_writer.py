"""The ledger of a record as it is written: lines that wait for their media, heads and who signs them, timestamps.

No thread and no clock of its own: whoever calls says what time it is, in microseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Callable
from typing import Any

from sfu.recording.entries import EntryError
from sfu.recording.errors import RecordError
from sfu.recording.folder import timestamp_file
from sfu.recording.ledger import Ledger
from sfu.recording.options import RecordingOptions
from sfu.recording.remote_signer import SignerError
from sfu.recording.stamping import Stamped, Stamper
from sfu.recording.store import Store

MOST_REASON = 500
"""Most characters of an error that a line tells."""
_SIGN_AGAIN_US = 1_000_000


class LedgerWriter:
    """Collects the lines of one record until `flush`, and has heads of it signed and stamped."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        start_us: int,
        options: RecordingOptions,
        utc: Callable[[], datetime.datetime],
        stamper: Stamper | None = None,
        stamps: int = 0,
    ) -> None:
        """`utc` tells the date and time. `stamper` has heads stamped; of these the record has `stamps` already."""
        self.unsigned: str | None = None
        """Why the signer did not sign, when it was asked last."""
        self.stamps = stamps
        """How many timestamps the record has."""
        self._store = store
        self._ledger = ledger
        self._start_us = start_us
        self._interval_us = round(options.head_interval * 1e6)
        self._utc = utc
        self._stamper = stamper
        self._lines: list[bytes] = []
        self._last_head = b""
        self._signed_lines = 0
        self._sign_us = start_us + self._interval_us

    @property
    def head(self) -> str:
        """SHA-256 of the last line, which stands for everything that was told so far."""
        return self._ledger.prev

    @property
    def ledger(self) -> Ledger:
        """The chain of the lines."""
        return self._ledger

    def at(self, now_us: int) -> int:
        """Return a time as the record has it."""
        return max(0, now_us - self._start_us)

    def add(self, kind: str, t_us: int, /, **fields: Any) -> None:
        """Add a line; `t_us` is on the record's clock. Raises EntryError."""
        self._lines.append(self._ledger.append(kind, t_us, **fields))

    def note(self, kind: str, now_us: int, /, **fields: Any) -> None:
        """Add a line about an event at `now_us`; if no ledger can hold it, one that says so."""
        at_us = self.at(now_us)
        try:
            self.add(kind, at_us, at_us=at_us, **fields)
        except EntryError as error:  # the embedder's data must not end a record
            self.add("unstorable", at_us, at_us=at_us, of=kind, reason=str(error)[:MOST_REASON])

    def poll(self, now_us: int) -> None:
        """Sign, have stamped and write what is due. Raises RecordError."""
        self.take_stamp(now_us)
        if now_us >= self._sign_us:
            line = self.try_to_sign(now_us)
            if line is not None and self._stamper is not None:
                self._stamper.offer(line, self._ledger.prev, now_us)
        self.flush()

    def try_to_sign(self, now_us: int) -> bytes | None:
        """Sign, if the signer answers; if not, media still go to disk, and it is asked again."""
        self._sign_us = now_us + self._interval_us
        try:
            line = self._sign(now_us)
        except SignerError as error:
            self.unsigned = str(error)
            self._sign_us = min(self._sign_us, now_us + _SIGN_AGAIN_US)
            return None
        self.unsigned = None
        return line

    def take_stamp(self, now_us: int) -> None:
        """Keep the timestamp that has come, if one has."""
        if self._stamper is not None:
            self._write_stamp(self._stamper.poll(), now_us)

    def flush(self) -> None:
        """Bring all lines to disk. Raises RecordError; it may then be tried again."""
        if self._lines:
            self._store.append_ledger(b"".join(self._lines))
            self._lines.clear()

    def seal(self, now_us: int) -> None:
        """Write and sign all that was told, and have it stamped. After a RecordError it may be tried again."""
        self.sign_end(now_us)
        if self._stamper is not None:
            stamper, self._stamper = self._stamper, None
            stamped = stamper.stamp(self._last_head, self._ledger.prev)
            if stamped.response:  # after the stop nothing else may be told, nor that this one could not be kept
                self._keep_stamp(stamped, now_us)
        self.sign_end(now_us)

    def sign_end(self, now_us: int) -> None:
        """Write and sign all that was told. After a RecordError it may be tried again: it goes on where it was."""
        self.flush()
        if self._ledger.n != self._signed_lines:
            self._sign(now_us)
        self.flush()

    def _sign(self, now_us: int) -> bytes:
        self._last_head = self._ledger.sign_head(self.at(now_us), self._utc())
        self._signed_lines = self._ledger.n
        self._lines.append(self._last_head)
        return self._last_head

    def _write_stamp(self, stamped: Stamped | None, now_us: int) -> None:
        if stamped is None:
            return
        failure = stamped.failure or self._keep_stamp(stamped, now_us)
        if failure:
            self.note("unstamped", now_us, head=stamped.head, reason=failure[:MOST_REASON])

    def _keep_stamp(self, stamped: Stamped, now_us: int) -> str:
        """Keep a timestamp; return why that is impossible, or an empty string."""
        self.stamps += 1
        file = timestamp_file(self.stamps)
        try:
            self._store.write_file(file, stamped.response)
        except RecordError as error:
            self.stamps -= 1
            return str(error)
        digest = hashlib.sha256(stamped.response).hexdigest()
        self.add("timestamp", self.at(now_us), file=file, bytes=len(stamped.response), sha256=digest, head=stamped.head)
        return ""
