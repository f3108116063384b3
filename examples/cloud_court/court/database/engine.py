"""The engine: reading sessions, and one writer at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from court.errors import Refusal

MIGRATIONS = Path(__file__).parent / "migrations"
WRITES = "court_writes"
"""The option of a connection whose transaction writes."""


class Database:
    """One court's. Writers come one after the other, also those of two processes while one takes over from the other:
    the audit's chain has one head, and SQLite one writer.
    """

    def __init__(self, url: str, connections: int = 20, patience: float = 10.0) -> None:
        """`patience`: seconds that a request waits for one of the connections before it is told to come again."""
        self.engine = create_async_engine(url, pool_size=connections, max_overflow=0, pool_timeout=patience)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writer = asyncio.Lock()
        self._snapshot: dict[str, str] = {}
        self._is_sqlite = self.engine.dialect.name == "sqlite"
        if self._is_sqlite:
            event.listen(self.engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        else:
            self._snapshot = {"isolation_level": "REPEATABLE READ"}

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session to read with: all that it finds is of one moment, however often it asks."""
        async with self._sessions() as session:
            await _reach(session, self._snapshot)
            yield session

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """A transaction: all of it, or nothing. It begins when no other process writes either."""
        async with self._writer, self._sessions() as session, session.begin():
            await _reach(session, {WRITES: True})
            if not self._is_sqlite:
                await session.execute(select(func.pg_advisory_xact_lock(0)))
            yield session

    async def migrate(self) -> None:
        """Bring the tables to what the code expects."""
        async with self.engine.begin() as connection:
            await connection.run_sync(_upgrade)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


async def _reach(session: AsyncSession, options: dict[str, Any]) -> None:
    """Get a connection; refuse where all are taken for too long or the database is gone."""
    try:
        await session.connection(execution_options=options)
    except (TimeoutError, OperationalError, InterfaceError, OSError) as error:
        raise Refusal("court.busy", retry_after=5) from error


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _set_up_sqlite(connection: object, _: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # its driver would begin with the first write only
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
