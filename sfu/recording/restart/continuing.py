"""Goes on with the records of a suspended recording, in the process that takes over."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple

from sfu.clock import Clock, read_boot_id, utc_now
from sfu.recording.entries import parse_utc
from sfu.recording.errors import InUseError, RecordError
from sfu.recording.journal import Journal
from sfu.recording.ledger import Ledger
from sfu.recording.opening import build_writer, start_recorder
from sfu.recording.recorder import Recorder
from sfu.recording.restart.absence import WriterState
from sfu.recording.restart.lost import LostRecorder
from sfu.recording.restart.suspension import SuspendedCopy, SuspendedRecording
from sfu.recording.signing import Signer
from sfu.recording.store import Store
from sfu.recording.writer import RecordWriter
from sfu.version import read_version

_log = logging.getLogger("sfu.recording")

_AGAIN_S = 0.05


class NotContinuedError(RecordError):
    """No record of a suspended recording could be continued; they are left for `sfu recover`."""


class Taking(NamedTuple):
    """When a recording is taken up: microseconds of this process's monotonic clock."""

    start_us: int
    """When its time was 0."""
    suspended_us: int
    now_us: int
    clock: str
    """How long it was suspended is known from this clock: `monotonic`, or `utc` if the machine has started anew."""


def find_times(suspended: SuspendedRecording, now_us: int, utc: datetime.datetime, boot: str) -> Taking:
    """Say how the time of a suspended recording goes on. `now_us`, `utc` and `boot` are those of this process.

    CLOCK_MONOTONIC counts for all processes of one start of the machine. After another start, the calendar tells how
    long it was suspended; if that has gone back, no time at all.
    """
    if suspended.boot and suspended.boot == boot and now_us >= suspended.suspended_us:
        return Taking(suspended.start_us, suspended.suspended_us, now_us, "monotonic")
    passed = max(utc - parse_utc(suspended.suspended_utc), datetime.timedelta())
    suspended_us = now_us - passed // datetime.timedelta(microseconds=1)
    return Taking(suspended_us - (suspended.suspended_us - suspended.start_us), suspended_us, now_us, "utc")


async def continue_recorders(
    suspended: SuspendedRecording, key: Signer, *, clock: Clock, journal: Journal | None, within: float
) -> tuple[list[Recorder], float]:
    """Continue what can be continued, `within` so many seconds, and return the recorders and when the record began.

    Raises NotContinuedError if nothing can be.
    """
    taking = find_times(suspended, round(clock() * 1e6), utc_now(), read_boot_id())
    attempts = [_Attempt(suspended, copy, key, taking, within) for copy in suspended.copies]
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(attempt.wait(within)) for attempt in attempts]
    recorders: list[Recorder] = []
    errors: list[RecordError] = []
    for number, task in enumerate(waiting):
        found = task.result()
        if isinstance(found, _Opened):
            recorders.append(start_recorder(*found, key, number, clock=clock, journal=journal))
        else:
            _log.error("a record is not continued", extra={"path": str(found.path), "reason": found.reason})
            errors.append(found)
            lost = f"it was not continued after a restart: {found}"
            recorders.append(LostRecorder(Path(suspended.copies[number].path), lost))
    if len(errors) == len(recorders):
        raise NotContinuedError(errors[0].path, errors[0].reason)
    return recorders, taking.start_us / 1e6


class _Opened(NamedTuple):
    store: Store
    writer: RecordWriter


class _Attempt:
    """Opens one record and says in it that it goes on: in a thread, since its disk may hang."""

    def __init__(
        self, suspended: SuspendedRecording, copy: SuspendedCopy, key: Signer, taking: Taking, within: float
    ) -> None:
        self._suspended = suspended
        self._copy = copy
        self._key = key
        self._taking = taking
        self._until = time.monotonic() + 0.8 * within  # before it is given up
        self._lock = threading.Lock()
        self._given_up = False
        self._result: _Opened | RecordError | None = None
        self._done = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="sfu-continue", daemon=True).start()

    async def wait(self, within: float) -> _Opened | RecordError:
        """Return what was opened, or why that was not possible."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._done.wait()
        with self._lock:
            self._given_up = True
            return self._result or RecordError(self._copy.path, "its disk did not answer in time")

    def _run(self) -> None:
        try:
            result: _Opened | RecordError = self._open()
        except RecordError as error:
            result = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must be told, and another record goes on
            _log.exception("a record is not continued", extra={"path": self._copy.path})
            result = RecordError(self._copy.path, f"internal error: {error}")
        with self._lock:
            if not self._given_up:
                self._result = result
            elif isinstance(result, _Opened):
                result.store.close()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._done.set)

    def _open(self) -> _Opened:
        copy, taking = self._copy, self._taking
        path = Path(copy.path)
        if copy.failure:
            raise RecordError(path, f"it was not suspended: {copy.failure}")
        if self._suspended.key != self._key.key_id:
            raise RecordError(path, "this record was begun with another key; recover it with that one")
        ledger = Ledger(self._suspended.id, self._key, n=copy.lines, prev=copy.head, t_us=copy.t_us, counts=copy.counts)
        store = self._reopen(path)
        try:
            state = WriterState(
                copy.sources, copy.ended, copy.timestamps, copy.written_bytes, self._suspended.pause is not None
            )
            writer = build_writer(
                store, ledger, start=taking.start_us / 1e6, options=self._suspended.options, state=state
            )
            writer.continue_record(
                taking.suspended_us,
                taking.now_us,
                key=self._key.key_id,
                clock=taking.clock,
                process=os.getpid(),
                software=f"sfu {read_version()}",
            )
        except BaseException:
            store.close()
            raise
        return _Opened(store, writer)

    def _reopen(self, path: Path) -> Store:
        """Open the folder; somebody may be verifying it."""
        while True:
            try:
                return Store.reopen(path, self._copy.files)
            except InUseError:
                if time.monotonic() + _AGAIN_S >= self._until:
                    raise
            time.sleep(_AGAIN_S)
