"""A recorder: the thread that writes one record, and what the control side says to it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfu.clock import Clock
from sfu.recording.errors import RecordError
from sfu.recording.inbox import Inbox
from sfu.recording.restart.absence import WriterState
from sfu.recording.restart.suspension import SuspendedCopy
from sfu.recording.store import Store
from sfu.recording.track_writing import TrackInfo
from sfu.recording.watch import Progress
from sfu.recording.writer import RecordWriter
from sfu.routing.plane import TappedPackets

_log = logging.getLogger("sfu.recording")

_POLL_S = 0.25
_CLOSING_S = 30.0
"""Seconds for which closing a record is tried; after that it stays as it is, and can be recovered."""
_CLOSE_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ClosedRecord:
    """A record that was closed and is whole."""

    path: Path
    head: str
    """SHA-256 of the ledger's last line, which stands for every byte of the record."""


class Recorder:
    """Writes one record in a thread; all methods return at once. `progress.failure` says why that thread failed, if it
    has; other recorders go on.
    """

    def __init__(
        self,
        store: Store,
        writer: RecordWriter,
        finish: Callable[[], None],
        clock: Clock,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """`finish` writes and signs the manifest, and is called again after an error. `wait`: for so many seconds."""
        self.path = store.path
        self.progress = Progress(writer.written_bytes)
        self.closed: ClosedRecord | None = None
        """Once it has stopped without a failure."""
        self.wanting_key_frames: list[int] = []
        self._store = store
        self._writer = writer
        self._finish = finish
        self._clock = clock
        self._wait = wait
        self._inbox = Inbox()
        self._missed_packets = 0
        self._cause = ""
        self._stopped_at = 0.0
        self._subject: str | None = None
        self._given_up_at: float | None = None
        self.suspended: SuspendedCopy | None = None
        """Once it has been suspended without a failure."""
        self._thread = threading.Thread(target=self._run, name="sfu-recorder", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the recorder has neither closed its record nor failed yet."""
        return self._thread.is_alive()

    # from the control thread

    def note(self, kind: str, now: float, /, **fields: Any) -> None:
        """Write a line into the ledger."""
        self._order(lambda: self._writer.note(kind, _us(now), **fields))

    def begin_track(self, key: int, info: TrackInfo, now: float) -> None:
        """See `RecordWriter.begin_track`."""
        self._order(lambda: self._writer.begin_track(key, info, _us(now)))

    def end_track(self, key: int, now: float, cause: str = "disconnect") -> None:
        """See `RecordWriter.end_track`."""
        self._order(lambda: self._writer.end_track(key, _us(now), cause))

    def set_muted(self, key: int, muted: bool, now: float) -> None:
        """See `RecordWriter.set_muted`."""
        self._order(lambda: self._writer.set_muted(key, muted, _us(now)))

    def note_report(self, key: int, now: float, **fields: Any) -> None:
        """See `RecordWriter.note_report`."""
        self._order(lambda: self._writer.note_report(key, _us(now), **fields))

    def pause(self, now: float, **fields: Any) -> None:
        """See `RecordWriter.pause`."""
        self._order(lambda: self._writer.pause(_us(now), **fields))

    def resume(self, now: float, **fields: Any) -> None:
        """See `RecordWriter.resume`."""
        self._order(lambda: self._writer.resume(_us(now), **fields))

    def stop(self, cause: str, now: float, subject: str | None = None) -> None:
        """Close the record, as soon as everything that was said before is done; it ends at `now`. `subject`: who has
        it stopped.
        """

        def close() -> None:
            self._cause, self._stopped_at, self._subject = cause, now, subject

        self._order(close)

    def suspend(self, now: float, until: float) -> None:
        """End at `now` without closing the record, so that another process can continue it. Until `until` it is tried
        to bring it to disk and to sign it.
        """

        def suspend() -> None:
            self._cause, self._stopped_at, self._given_up_at = "suspended", now, until

        self._order(suspend)

    def describe_suspended(self) -> SuspendedCopy:
        """Return what another process needs to continue the record, or why none can."""
        if self.suspended is not None and not self.running:
            return self.suspended
        why = self.progress.failure or "its disk or its signer did not answer in time"
        return SuspendedCopy(path=str(self.path.absolute()), failure=why)

    def _order(self, order: Callable[[], None]) -> None:
        if self.running:  # else nobody would ever take it
            self._inbox.put(order)

    # from the feed's thread

    def deliver(self, key: int, packets: TappedPackets) -> None:
        """Take packets of a Track."""
        if self.progress.failure is not None:
            return
        if not self._inbox.put_packets(packets, lambda taken: self._writer.handle_packets(key, taken)):
            self._missed_packets += len(packets)
            self.miss(key)

    def miss(self, key: int) -> None:
        """Note that packets of a Track were lost on the way here."""
        now = self._clock()
        self._order(lambda: self._writer.miss(key, _us(now)))

    # the thread

    def _run(self) -> None:
        try:
            while not self._cause:
                for order in self._inbox.take(_POLL_S):
                    order()
                self._store.check_place()
                self._writer.poll(_us(self._clock()))
                self.wanting_key_frames = self._writer.wanting_key_frames
                self._report()
            if self._given_up_at is None:
                self._close()
            else:
                self._suspend(self._given_up_at)
            self._report()
        except NotClosedError as error:
            _log.error("a record could not be closed", extra={"path": str(self.path), "reason": str(error)})
            self._report(str(error), unclosed=str(error))
        except RecordError as error:
            _log.error("a recorder has failed", extra={"path": str(self.path), "reason": str(error)})
            self._report(str(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours must be told, and another recorder goes on
            _log.exception("a recorder has failed", extra={"path": str(self.path)})
            self._report(f"internal error: {error}")
        finally:
            self._store.close()

    def _close(self) -> None:
        def close() -> None:
            self._writer.seal(_us(self._clock()))
            self._finish()

        self._writer.close(_us(self._stopped_at), self._cause, self._subject)
        self._try(close, self._clock() + _CLOSING_S)
        self.closed = ClosedRecord(self.path, self._writer.head)

    def _suspend(self, until: float) -> None:
        found: list[WriterState] = []

        def suspend() -> None:
            found.append(self._writer.seal_suspended(_us(self._clock())))

        self._writer.suspend(_us(self._stopped_at), os.getpid())
        self._try(suspend, until)
        state, ledger = found[-1], self._writer.ledger
        self.suspended = SuspendedCopy(
            path=str(self.path.absolute()),
            lines=ledger.n,
            head=ledger.prev,
            t_us=ledger.t_us,
            counts=dict(ledger.counts),
            files=tuple(self._store.facts()),
            sources=state.sources,
            ended=state.ended,
            timestamps=state.stamps,
            written_bytes=state.written_bytes,
        )

    def _try(self, end: Callable[[], None], until: float) -> None:
        """Write and sign everything. If a signer does not answer or the disk is full, that is tried again for a
        while.
        """
        while True:
            try:
                end()
                return
            except RecordError as error:
                if self._clock() >= until:
                    raise NotClosedError(error) from error
                _log.warning("a record waits to be closed", extra={"path": str(self.path), "reason": str(error)})
                self._report(unclosed=f"the record is not closed yet, and that is tried again: {error}")
                self._wait(min(_CLOSE_AGAIN_S, until - self._clock()))

    def _report(self, failure: str | None = None, unclosed: str | None = None) -> None:
        try:
            free = self._store.free_bytes()
        except RecordError:
            free = None
        faults = () if failure is not None else self._writer.faults
        self.progress = Progress(
            self._writer.written_bytes, free, self._missed_packets, failure, faults, self._writer.unsigned, unclosed
        )


class NotClosedError(RecordError):
    """All attempts to close a record have failed."""

    def __init__(self, cause: RecordError) -> None:
        super().__init__(cause.path, f"{cause.reason}. THE RECORD IS NOT CLOSED; `sfu recover` on its folder closes it")


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
