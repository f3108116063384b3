"""The ingresses that were created, on disk: their stream keys are in encoders, so they outlive the process."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from google.protobuf.message import DecodeError
from livekit.protocol.ingress import IngressInfo

from sfu.errors import LocalError

_BUSY_S = 1.0
_TABLE = "CREATE TABLE IF NOT EXISTS ingresses (id TEXT PRIMARY KEY, info BLOB NOT NULL)"
_TENANTS = "CREATE TABLE IF NOT EXISTS tenants (id TEXT PRIMARY KEY, tenant TEXT NOT NULL)"
"""Beside the other one, which files of earlier versions have, too."""
_LOAD = "SELECT info, tenant FROM ingresses LEFT JOIN tenants USING (id) ORDER BY ingresses.rowid"


class IngressStoreError(LocalError):
    """The file cannot be used; the message says what to do."""


class IngressStore:
    """A file of them. Its calls wait for the disk; one thread at a time."""

    def __init__(self, path: Path | None) -> None:
        """None: they are kept in memory, and are gone with the process. Raises IngressStoreError, also where another
        process has the file: it would not hear of what is changed here.
        """
        try:
            self._db = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(_TABLE)
            self._db.execute(_TENANTS)
        except sqlite3.Error as error:
            raise IngressStoreError(
                f"{path} cannot be used as the file of ingresses ({error}); name a file of this node's own"
            ) from error

    def load(self) -> list[tuple[IngressInfo, str]]:
        """All of them, the oldest first, each with its tenant; raises IngressStoreError."""
        try:
            rows = self._db.execute(_LOAD).fetchall()
            return [(IngressInfo.FromString(info), tenant or "") for info, tenant in rows]
        except (DecodeError, sqlite3.Error) as error:
            raise IngressStoreError("the file of ingresses is damaged; move it out of the way") from error

    def put(self, info: IngressInfo, tenant: str) -> None:
        """Keep it, in place of the one of its id. Raises sqlite3.Error."""
        row = (info.ingress_id, info.SerializeToString())
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("INSERT OR REPLACE INTO tenants VALUES (?, ?)", (info.ingress_id, tenant))
            self._db.execute(
                "INSERT INTO ingresses VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET info = excluded.info", row
            )

    def delete(self, id: str) -> None:
        """Forget it. Raises sqlite3.Error."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM ingresses WHERE id = ?", (id,))
            self._db.execute("DELETE FROM tenants WHERE id = ?", (id,))

    def close(self) -> None:
        """Let the file go."""
        self._db.close()
