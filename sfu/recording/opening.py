"""Opens a record: folder, key, first line, and the recorder that writes it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sfu.clock import Clock, utc_now
from sfu.recording.errors import RecordError
from sfu.recording.folder import PUBLIC_KEY
from sfu.recording.journal import ClosedEntry, Journal
from sfu.recording.ledger import Ledger
from sfu.recording.manifest import build_manifest, write_signed
from sfu.recording.options import RecordingOptions
from sfu.recording.recorder import Recorder
from sfu.recording.restart.absence import NEW, WriterState
from sfu.recording.signing import Signer
from sfu.recording.stamping import Stamper
from sfu.recording.store import Store
from sfu.recording.writer import RecordWriter
from sfu.version import read_version

_log = logging.getLogger("sfu.recording")


def open_recorder(
    path: Path,
    record: str,
    key: Signer,
    room: str,
    metadata: Mapping[str, Any],
    *,
    start: float,
    options: RecordingOptions,
    clock: Clock,
    copy: int = 0,
    subject: str | None = None,
    follows: str | None = None,
    journal: Journal | None = None,
    wait: Callable[[float], None] = time.sleep,
) -> Recorder:
    """Make the folder `path` and begin a record in it, whose time is zero at `start`.

    `copy`: 0 for the main record, then one number for each mirror. `subject`: who was authenticated as the one who has
    it begun. `follows`: id of the record that it goes on with, which could not be continued. `journal` is told when the
    record is closed. `wait`: for so many seconds, before it is tried again.

    Raises:
        RecordError: the folder is not empty, or cannot be written.
        EntryError: a ledger cannot hold the metadata. Nothing was made.
    """
    ledger = Ledger(record, key)
    first = ledger.start(
        room, utc_now(), f"sfu {read_version()}", metadata, copy=copy, subject=subject, follows=follows
    )
    store = Store.create(path)
    try:
        store.write_file(PUBLIC_KEY, key.public.pem)
        store.append_ledger(first)
    except BaseException:
        store.close()
        raise
    writer = build_writer(store, ledger, start=start, options=options)
    return start_recorder(store, writer, key, copy, clock=clock, journal=journal, wait=wait)


def build_writer(
    store: Store, ledger: Ledger, *, start: float, options: RecordingOptions, state: WriterState = NEW
) -> RecordWriter:
    """Return the writer of a record that is open; `state`: of one that another process has suspended."""
    stamper = None
    if options.timestamp_url:
        stamper = Stamper(options.timestamp_url, round(options.timestamp_interval * 1e6))
    return RecordWriter(
        store, ledger, start_us=round(start * 1e6), options=options, utc=utc_now, stamper=stamper, state=state
    )


def start_recorder(
    store: Store,
    writer: RecordWriter,
    key: Signer,
    copy: int,
    *,
    clock: Clock,
    journal: Journal | None,
    wait: Callable[[float], None] = time.sleep,
) -> Recorder:
    """Let a recorder write a record from now on, and close it in the end."""
    ledger = writer.ledger
    path, record = store.path, ledger.record
    known = False

    def finish() -> None:
        nonlocal known
        manifest = build_manifest(record, key.key_id, ledger.n, ledger.prev, ledger.counts, store.facts())
        signature = key.sign(manifest)  # may fail, and is then asked for again
        if journal is not None and not known:  # first, so that there is no closed record that it does not know
            known = _tell_journal(journal, ClosedEntry(record, copy, ledger.n, ledger.prev, key.key_id, path.name))
        write_signed(path, manifest, signature)

    return Recorder(store, writer, finish, clock, wait)


def _tell_journal(journal: Journal, entry: ClosedEntry) -> bool:
    try:
        journal.add(entry)
        return True
    except RecordError as error:  # the record itself is whole, and is closed all the same
        _log.error("the journal does not know of a closed record", extra={"record": entry.record, "reason": str(error)})
        return False
