"""Opens a record: folder, key, first line, and the recorder that writes it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfu.clock import Clock, utc_now
from sfu.recording.folder import PUBLIC_KEY
from sfu.recording.ledger import Ledger
from sfu.recording.manifest import build_manifest, write_manifest
from sfu.recording.options import RecordingOptions
from sfu.recording.recorder import Recorder
from sfu.recording.signing import SigningKey
from sfu.recording.stamping import Stamper
from sfu.recording.store import Store
from sfu.recording.writer import RecordWriter


def open_recorder(
    path: Path,
    record: str,
    key: SigningKey,
    room: str,
    metadata: Mapping[str, Any],
    *,
    start: float,
    options: RecordingOptions,
    clock: Clock,
) -> Recorder:
    """Make the folder `path` and begin a record in it, whose time is zero at `start`.

    Raises:
        RecordError: the folder is not empty, or cannot be written.
        EntryError: a ledger cannot hold the metadata. Nothing was made.
    """
    ledger = Ledger(record, key)
    first = ledger.start(room, utc_now(), _software(), metadata)
    store = Store.create(path)
    try:
        store.write_file(PUBLIC_KEY, key.public.pem)
        store.append_ledger(first)
    except BaseException:
        store.close()
        raise
    stamper = None
    if options.timestamp_url:
        stamper = Stamper(options.timestamp_url, round(options.timestamp_interval * 1e6))
    writer = RecordWriter(store, ledger, start_us=round(start * 1e6), options=options, utc=utc_now, stamper=stamper)

    def finish() -> None:
        manifest = build_manifest(record, key.key_id, ledger.n, ledger.prev, ledger.counts, store.facts())
        write_manifest(path, manifest, key)

    return Recorder(store, writer, finish, clock)


def _software() -> str:
    return f"sfu {importlib.metadata.version('sfu')}"
