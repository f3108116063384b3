"""Recovers the records that a crash has left open: at the start of a node, in the background, one after the other.

Nothing is touched that somebody writes (its ledger is locked), that one process hands to another, or that recovery
refuses. What cannot be done now, as on a full disk, is tried again later.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sfu.clock import utc_now
from sfu.events import Event, RecordNotRecovered, RecordRecovered
from sfu.recording.entries import MAX_LINE_BYTES, EntryError, parse_utc
from sfu.recording.errors import InUseError, RecordError, RefusedError
from sfu.recording.folder import LEDGER, MANIFEST, Folder, printable
from sfu.recording.recover import recover_record
from sfu.signaling import RecordStore

_log = logging.getLogger("sfu.node")

LEAST_FREE_BYTES = 64 << 20
"""Space that a disk must have for a recovery: what nobody had signed is copied."""
HANDED_OVER_S = 120.0
"""A record that was suspended so recently may still be continued by another process."""
_MOST_BUSY = 3
"""Looks after which a record that somebody holds is left to him."""
_FIRST_WAIT_S, _MOST_WAIT_S = 60.0, 3600.0
_BURST_S, _REST_S = 0.005, 0.015
"""Processor time of the thread between two rests: it takes a quarter of the interpreter at most."""
_STOPPING_S = 2.0
_TAIL_BYTES = 4096
"""More than a `suspend` line and its `head` have."""


class RecordRecovery:
    """Looks through a node's folders of records. Made and ended in the event loop's thread; works in one of its own."""

    def __init__(
        self,
        store: RecordStore,
        tell: Callable[[Event], None],
        *,
        utc: Callable[[], datetime.datetime] = utc_now,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        """`tell` is called in the loop's thread. `free_bytes`: of the disk that a folder is on."""
        self._store = store
        self._tell = tell
        self._utc = utc
        self._free_bytes = free_bytes or _read_free_bytes
        self._told: dict[Path, str] = {}  # what is not recovered, and why
        self._busy: collections.Counter[Path] = collections.Counter()
        self._used_s = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin. What this process was handed over must be continued before."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="sfu-recovery", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End at the next line that is read. Whatever is half done then, the next recovery finishes. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOPPING_S)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # of this thread alone, in Linux
        wait_s = _FIRST_WAIT_S
        try:
            while self.look():
                if self._stopping.wait(wait_s):
                    return
                wait_s = min(2 * wait_s, _MOST_WAIT_S)
        except _StoppedError:
            return
        except Exception:  # noqa: BLE001 - a defect of ours must be told, and the node goes on
            _log.exception("records that were left open are not looked for any more")

    def look(self) -> bool:
        """Go through all folders once; return whether something is left that must be tried again."""
        again = False
        for place in self._store.places:
            for path in _find_open(place, self._breathe):
                self._breathe()
                again |= self._recover(path)
        return again

    def _recover(self, path: Path) -> bool:
        if self._told.get(path) == "refused":
            return False
        try:
            if self._is_handed_over(path):
                return True
            if self._free_bytes(path) < LEAST_FREE_BYTES:
                raise RecordError(path, f"its disk has less than {LEAST_FREE_BYTES >> 20} MiB left")
            found = recover_record(
                path, self._store.key, self._utc(), journal=self._store.journal, breathe=self._breathe
            )
        except InUseError:  # somebody writes it, or a process that is about to end recovers it
            self._busy[path] += 1
            return self._busy[path] <= _MOST_BUSY
        except RefusedError as error:
            self._note_left(path, "refused", error)
            return False
        except (RecordError, OSError) as error:
            self._note_left(path, "failed", error)
            return True
        self._told.pop(path, None)
        self._post(RecordRecovered(found.room, found.record, str(path), found.signed_lines, len(found.unattested)))
        return False

    def _note_left(self, path: Path, why: str, error: Exception) -> None:
        if self._told.get(path) != why:
            self._told[path] = why
            room, record = _read_names(path)
            reason = error.reason if isinstance(error, RecordError) else str(error)
            self._post(RecordNotRecovered(room, record, str(path), why, reason))

    def _post(self, event: Event) -> None:
        if self._loop is None:
            self._tell(event)
            return
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            self._loop.call_soon_threadsafe(self._tell, event)

    def _is_handed_over(self, path: Path) -> bool:
        """Whether the ledger ends with a suspension of late."""
        last = [_parse(line) for line in _read_tail(path).splitlines()[-2:]]
        if [each.get("type") for each in last] != ["suspend", "head"]:
            return False
        try:
            suspended = parse_utc(str(last[0].get("utc")))
        except EntryError:
            return False
        return abs((self._utc() - suspended).total_seconds()) < HANDED_OVER_S

    def _breathe(self) -> None:
        """Leave the interpreter to others often enough."""
        if self._stopping.is_set():
            raise _StoppedError
        used_s = time.thread_time()
        if used_s - self._used_s >= _BURST_S:
            self._stopping.wait(_REST_S)
            self._used_s = time.thread_time()


class _StoppedError(Exception):
    """The node stops."""


def _find_open(place: Path, breathe: Callable[[], None]) -> Iterator[Path]:
    """Yield the records in a folder that have no manifest, by name."""
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        _log.error("a folder of records cannot be read", extra={"path": str(place), "reason": error.strerror})
        return
    for name in names:
        breathe()
        path = place / name
        with contextlib.suppress(OSError):
            if not path.is_symlink() and (path / LEDGER).stat().st_size and not os.path.lexists(path / MANIFEST):
                yield path


def _read_free_bytes(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


def _read_names(path: Path) -> tuple[str, str]:
    """Return the room and the id that a record claims, for people; empty where it claims nothing of the kind."""
    try:
        with Folder(path) as folder:
            start = _parse(folder.read(LEDGER, MAX_LINE_BYTES).partition(b"\n")[0])
    except RecordError:
        return "", ""
    return printable(str(start.get("room", ""))), printable(str(start.get("record", "")))


def _read_tail(path: Path) -> bytes:
    with Folder(path) as folder, folder.open(LEDGER) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return file.read(_TAIL_BYTES)


def _parse(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
