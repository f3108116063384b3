"""Where the suite's databases come from: SQLite always, PostgreSQL where Debian's binaries are."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from court.database.engine import Database
from court_stage import Stage, Trial, make_trial

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty database."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"

    async def make() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}")
        await database.migrate()
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture(scope="session")
def cluster() -> Iterator[Path]:
    """A cluster of the suite's own, in a temporary folder, reached by a socket there; its template is migrated."""
    if not BINARIES:
        pytest.skip("PostgreSQL's binaries are not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="court-pg-"))  # pytest's own can be entered by root alone
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    if user:
        shutil.chown(folder, "postgres", "postgres")
    binaries, data = BINARIES[-1], folder / "data"
    setup = [*user, binaries / "initdb", "-D", data, "-U", "court", "-A", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(setup, check=True, capture_output=True, cwd=folder)
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=50"
    control = [*user, binaries / "pg_ctl", "-D", data, "-w"]
    subprocess.run(
        [*control, "-l", folder / "log", "-o", options, "start"], check=True, capture_output=True, cwd=folder
    )

    async def make() -> None:
        await order(folder, "CREATE DATABASE template_court")
        database = Database(name_url(folder, "template_court"))
        await database.migrate()
        await database.close()

    try:
        asyncio.run(make())
        yield folder
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)
        shutil.rmtree(folder, ignore_errors=True)


def name_url(folder: Path, name: str) -> str:
    return f"postgresql+asyncpg://court@/{name}?host={folder}"


async def order(folder: Path, statement: str) -> None:
    connection = await asyncpg.connect(host=str(folder), user="court", database="postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty court's database, of each kind."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "court.sqlite")
        yield ""
        return
    folder: Path = request.getfixturevalue("cluster")
    name = f"court_{tmp_path.name.lower()[-40:]}"
    asyncio.run(order(folder, f'CREATE DATABASE "{name}" TEMPLATE template_court'))
    yield name_url(folder, name)
    asyncio.run(order(folder, f'DROP DATABASE "{name}"'))


@pytest.fixture
async def stage(database_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """A court on each database."""
    made = Stage.open(database_url, tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def trial(stage: Stage) -> Trial:
    """A hearing in an hour, both sides registered and bound."""
    return await make_trial(stage)
