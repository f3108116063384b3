"""Write a migration from what the models have and the tables lack: `python -m court.database.revise MESSAGE`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from court.database.engine import MIGRATIONS, Database


async def revise(message: str) -> None:
    """Compare an empty database, migrated as far as there are migrations, with the models."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite+aiosqlite:///{Path(folder) / 'empty.sqlite'}")
        await database.migrate()

        def compare(connection: Connection) -> None:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.revision(config, message, autogenerate=True)

        async with database.engine.begin() as connection:
            await connection.run_sync(compare)
        await database.close()


if __name__ == "__main__":
    asyncio.run(revise(" ".join(sys.argv[1:]) or "change"))
