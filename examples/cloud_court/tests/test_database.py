"""The migrations make what the models say."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from court.database.base import Base
from court.database.tables import TABLES
from court_stage import Stage


async def test_migrated_tables_are_those_of_the_models(stage: Stage) -> None:
    assert TABLES

    def compare(connection: Connection) -> list[object]:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        return found

    async with stage.court.database.engine.connect() as connection:
        assert await connection.run_sync(compare) == []
