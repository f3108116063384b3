"""The time that the people of each tenant spend in rooms, by calendar month (UTC), also across restarts."""

from __future__ import annotations

import asyncio
import datetime
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import sfu

_log = logging.getLogger("sfu.node")

_BUSY_S = 1.0
_TABLE = "CREATE TABLE IF NOT EXISTS used (month TEXT, tenant TEXT, seconds REAL NOT NULL, PRIMARY KEY (month, tenant))"
_ADD = (
    "INSERT INTO used VALUES (?, ?, ?) ON CONFLICT (month, tenant) DO UPDATE SET seconds = seconds + excluded.seconds"
)

_Key = tuple[str, str]
"""A month and a tenant."""


class MinutesFile:
    """Where they are kept; its calls wait for the disk, one thread at a time. Several processes may add to one file, as
    where one takes over from another.
    """

    def __init__(self, path: str) -> None:
        """Raises sfu.ConfigError."""
        try:
            self._db = sqlite3.connect(Path(path), timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(_TABLE)
        except sqlite3.Error as error:
            raise sfu.ConfigError("quota_file", f"{path} cannot be used as a file ({error}); name another") from error

    def exchange(self, added: Mapping[_Key, float], month: str) -> dict[_Key, float]:
        """Add seconds to what is there, and return what is there of a month then. Raises sqlite3.Error, and has added
        nothing then.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(_ADD, [(*key, seconds) for key, seconds in added.items()])
            rows = self._db.execute("SELECT tenant, seconds FROM used WHERE month = ?", (month,)).fetchall()
        return {(month, tenant): float(seconds) for tenant, seconds in rows}

    def close(self) -> None:
        """Let the file go."""
        self._db.close()


class Minutes:
    """`add` and `read` never wait for the disk."""

    def __init__(self, file: MinutesFile | None, now: float) -> None:
        """`file`: None, they are gone with the process. `now`: seconds since the Unix epoch. Raises sfu.ConfigError."""
        self._file = file
        self._added: dict[_Key, float] = {}  # and not on disk yet
        self._saving = asyncio.Lock()
        try:
            self._saved = {} if file is None else file.exchange({}, _month(now))
        except sqlite3.Error as error:
            raise sfu.ConfigError("quota_file", f"cannot be used ({error}); move it out of the way") from error

    def add(self, seconds: Mapping[str, float], now: float) -> None:
        """Count seconds by tenant. `now`: seconds since the Unix epoch."""
        month = _month(now)
        if self._file is None:
            self._added = {key: count for key, count in self._added.items() if key[0] == month}
        for tenant, count in seconds.items():
            self._added[month, tenant] = self._added.get((month, tenant), 0.0) + count

    def read(self, tenant: str, now: float) -> float:
        """Minutes of a tenant in this month."""
        key = _month(now), tenant
        return (self._saved.get(key, 0.0) + self._added.get(key, 0.0)) / 60.0

    async def save(self, now: float) -> None:
        """Bring to disk what was added, and read what other processes have added. If that fails it is logged, and
        tried again with the next.
        """
        if self._file is None:
            return
        async with self._saving:
            added = dict(self._added)
            try:
                self._saved = await asyncio.to_thread(self._file.exchange, added, _month(now))
            except sqlite3.Error as error:
                _log.error("minutes of tenants could not be saved", extra={"reason": str(error)})
                return
            for key, count in added.items():
                left = self._added.pop(key) - count
                if left > 0.0:
                    self._added[key] = left

    async def close(self, now: float) -> None:
        """Save, and let the file go."""
        await self.save(now)
        if self._file is not None:
            self._file.close()


def _month(now: float) -> str:
    return f"{datetime.datetime.fromtimestamp(now, datetime.UTC):%Y-%m}"
