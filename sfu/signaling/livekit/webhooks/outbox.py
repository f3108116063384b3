"""What is to be delivered, on disk: it outlives the process, and memory holds only what is on its way.

A *lane* is what goes to one URL of one room: its bodies are delivered one after the other. A body is removed once its
receiver has taken it; so who crashes in between delivers it a second time, with the same id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfu.errors import LocalError

_BUSY_S = 1.0
_FREED_PAGES = 256
"""That are given back to the system at a time."""
_TABLES = """
CREATE TABLE IF NOT EXISTS lanes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    url TEXT NOT NULL,
    room TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    retry_at REAL NOT NULL DEFAULT 0,
    UNIQUE (url, room)
);
CREATE INDEX IF NOT EXISTS lanes_by_time ON lanes (url, retry_at);
CREATE TABLE IF NOT EXISTS bodies (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL REFERENCES lanes (id),
    made REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS bodies_by_lane ON bodies (lane, id);
"""


class OutboxError(LocalError):
    """The outbox's file cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something to be delivered to all URLs."""

    room: str
    body: bytes
    made: float
    """Seconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class Lane:
    """What waits for one URL, of one room."""

    id: int
    room: str
    attempts: int
    """That its first body has failed at."""


@dataclass(frozen=True, slots=True)
class Head:
    """A lane's first body."""

    id: int
    body: bytes


@dataclass(frozen=True, slots=True)
class OutboxState:
    """How much waits."""

    waiting: int = 0
    """Bodies, counted for each URL."""
    oldest: float | None = None
    """When the oldest was made, in seconds since the Unix epoch; None: nothing waits."""
    size_bytes: int = 0
    """Of the file."""


class Outbox:
    """The file. Used by one thread at a time; its calls wait for the disk."""

    def __init__(self, path: Path, urls: Sequence[str]) -> None:
        """Open or make it. Raises OutboxError where that is no outbox, another process has it, or it cannot be written.

        `urls`: where all goes; what waits for others, which are not set any more, is removed (`forgotten`).
        """
        self._urls = tuple(dict.fromkeys(urls))
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
            self.forgotten = self._open()
            """Bodies that were removed because their URL is not set any more."""
        except sqlite3.Error as error:
            raise OutboxError(
                f"{path} cannot be used as the outbox of webhooks ({error}); name a file of this node's own "
                "that it can write, and move one that is damaged out of the way"
            ) from error
        (self._waiting,) = self._db.execute("SELECT count(*) FROM bodies").fetchone()

    def _open(self) -> int:
        db = self._db
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # two that deliver from one file would deliver all twice
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.executescript(_TABLES)
        marks = ", ".join("?" * len(self._urls))
        with self._transaction():
            others = f"SELECT id FROM lanes WHERE url NOT IN ({marks})"
            forgotten = db.execute(f"DELETE FROM bodies WHERE lane IN ({others})", self._urls).rowcount
            db.execute(f"DELETE FROM lanes WHERE url NOT IN ({marks})", self._urls)
            db.execute("UPDATE lanes SET attempts = 0, retry_at = 0")
        return forgotten

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def append(self, entries: Sequence[Entry]) -> None:
        """Take them all, or none. They are on disk when this returns; raises sqlite3.Error where they cannot be."""
        # What was taken must outlive a loss of power. A removal need not: then a body is delivered a second time.
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            self._insert(entries)
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")
        self._waiting += len(entries) * len(self._urls)

    def _insert(self, entries: Sequence[Entry]) -> None:
        with self._transaction():
            for entry in entries:
                for url in self._urls:
                    lane = self._lane(url, entry.room)
                    row = (lane, entry.made, entry.body)
                    self._db.execute("INSERT INTO bodies (lane, made, body) VALUES (?, ?, ?)", row)

    def _lane(self, url: str, room: str) -> int:
        self._db.execute("INSERT OR IGNORE INTO lanes (url, room) VALUES (?, ?)", (url, room))
        lane: int = self._db.execute("SELECT id FROM lanes WHERE url = ? AND room = ?", (url, room)).fetchone()[0]
        return lane

    def due(self, url: str, now: float, busy: Collection[int], most: int) -> list[Lane]:
        """At most so many lanes of `url` whose time has come, but for the `busy` ones; the longest wait first."""
        rows = self._db.execute(
            "SELECT id, room, attempts FROM lanes WHERE url = ? AND retry_at <= ? ORDER BY retry_at, id LIMIT ?",
            (url, now, most + len(busy)),
        )
        return [Lane(*row) for row in rows if row[0] not in busy][:most]

    def next_retry(self, url: str, now: float) -> float | None:
        """When the next lane of `url` that has to wait may be tried; None: none has to."""
        row = self._db.execute("SELECT min(retry_at) FROM lanes WHERE url = ? AND retry_at > ?", (url, now)).fetchone()
        found: float | None = row[0]
        return found

    def head(self, lane: Lane) -> Head | None:
        """What is to be delivered next; None: the lane is empty, and gone."""
        row = self._db.execute("SELECT id, body FROM bodies WHERE lane = ? ORDER BY id LIMIT 1", (lane.id,)).fetchone()
        return None if row is None else Head(*row)

    def remove(self, lane: Lane, head: Head) -> None:
        """It was delivered."""
        with self._transaction():
            self._waiting -= self._db.execute("DELETE FROM bodies WHERE id = ?", (head.id,)).rowcount
            self._db.execute("UPDATE lanes SET attempts = 0, retry_at = 0 WHERE id = ?", (lane.id,))
            self._db.execute(
                "DELETE FROM lanes WHERE id = ? AND NOT EXISTS (SELECT 1 FROM bodies WHERE lane = lanes.id)", (lane.id,)
            )

    def postpone(self, lane: Lane, attempts: int, retry_at: float) -> None:
        """It was not delivered. `retry_at`: by the clock that `due` is asked by."""
        with self._transaction():
            self._db.execute("UPDATE lanes SET attempts = ?, retry_at = ? WHERE id = ?", (attempts, retry_at, lane.id))

    def state(self) -> OutboxState:
        """How much waits; gives what is free of the file back to the system, a bit at a time."""
        self._db.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")  # by `execute` it frees a single page
        row = self._db.execute("SELECT made FROM bodies ORDER BY id LIMIT 1").fetchone()
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (page_bytes,) = self._db.execute("PRAGMA page_size").fetchone()
        return OutboxState(self._waiting, None if row is None else row[0], pages * page_bytes)

    def close(self) -> None:
        """Let the file go."""
        self._db.close()


class _Transaction:
    """All of what is done within, or nothing of it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            try:
                self._db.execute("COMMIT")
            except sqlite3.Error:
                self._roll_back()
                raise
        else:
            self._roll_back()

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
