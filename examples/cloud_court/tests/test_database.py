"""The migrations make what the models say; a reader sees one moment; a chain whose rows were changed is told so."""

from __future__ import annotations

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select, update

from court.audit.models import AuditEvent
from court.audit.trail import append_line, read_chain
from court.database.base import Base
from court.database.engine import Database
from court.database.tables import TABLES
from court.errors import Refusal
from court.records.verifying import verify_audit
from court_stage import Stage


async def test_migrated_tables_are_those_of_the_models(stage: Stage) -> None:
    assert TABLES

    def compare(connection: Connection) -> list[object]:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        return found

    async with stage.court.database.engine.connect() as connection:
        assert await connection.run_sync(compare) == []


async def append(stage: Stage, lines: int) -> None:
    for _ in range(lines):
        async with stage.court.database.write() as db:
            await append_line(db, "chain", "act", stage.clock(), {"act": "joined"})


async def test_writers_of_two_processes_come_one_after_the_other(stage: Stage) -> None:
    """As while one process takes over from another: each line of the audit follows the one before it."""
    url = stage.court.database.engine.url.render_as_string(hide_password=False)
    beside = Database(url)

    async def append(database: Database) -> None:
        async with database.write() as db:
            await append_line(db, "chain", "act", stage.clock(), {"act": "joined"})

    try:
        await asyncio.gather(*(append(each) for _ in range(20) for each in (stage.court.database, beside)))
    finally:
        await beside.close()
    async with stage.court.database.read() as db:
        (verdict,) = await verify_audit(db, "chain")
        assert verdict.good
        assert (await read_chain(db, "chain")).count(b"\n") == 40


async def test_who_reads_twice_finds_what_he_found_first(stage: Stage) -> None:
    await append(stage, 1)
    count = select(func.count()).select_from(AuditEvent).where(AuditEvent.chain == "chain")
    async with stage.court.database.read() as db:
        assert await db.scalar(count) == 1
        await append(stage, 1)
        assert await db.scalar(count) == 1
    async with stage.court.database.read() as db:
        assert await db.scalar(count) == 2


async def test_who_gets_no_connection_in_time_is_told_to_come_again(stage: Stage) -> None:
    url = stage.court.database.engine.url.render_as_string(hide_password=False)
    database = stage.court.database = Database(url, connections=1, patience=0.05)
    try:
        async with database.read():
            told = await stage.user().http.post("/api/register/code", json={"phone": "13700000001"})
        assert (told.status_code, told.json()["code"], told.headers["Retry-After"]) == (503, "court.busy", "5")
    finally:
        await database.close()


async def test_a_database_that_is_gone_is_said_so() -> None:
    database = Database("postgresql+asyncpg://court@127.0.0.1:9/court")
    with pytest.raises(Refusal) as refused:
        async with database.read():
            pytest.fail("nobody answers there")
    assert refused.value.code == "court.busy"


@pytest.mark.parametrize("change", ["empty", "double", "other"])
async def test_a_row_that_holds_no_line_or_two_or_another_is_named(stage: Stage, change: str) -> None:
    await append(stage, 3)
    async with stage.court.database.write() as db:
        first, second = list(await db.scalars(select(AuditEvent.line).where(AuditEvent.chain == "chain").limit(2)))
        line = {"empty": b"", "double": first + second, "other": second}[change]
        await db.execute(update(AuditEvent).where(AuditEvent.chain == "chain", AuditEvent.n == 0).values(line=line))
    async with stage.court.database.read() as db:
        (verdict,) = await verify_audit(db, "chain")
    assert (verdict.good, verdict.line) == (False, 1)
