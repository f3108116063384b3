"""Feature 29 and scenario 4: after a practice, database and disk are as before."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sqlalchemy import func, select, text

from court.database.base import Base
from court_stage import Stage, Trial
from uploading import PDF, announce, send


async def count_rows(stage: Stage) -> dict[str, int]:
    async with stage.court.database.read() as db:
        counts = {}
        for table in Base.metadata.sorted_tables:
            counts[table.name] = await db.scalar(select(func.count()).select_from(table)) or 0
        assert await db.scalar(text("SELECT 1"))
    return counts


def list_files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file() and "sqlite" not in path.name)
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


async def test_after_a_practice_database_disk_and_recordings_are_as_before(trial: Trial) -> None:
    stage = trial.stage
    rows, files, calls = await count_rows(stage), list_files(stage.court.config.folder), list(stage.media.calls)
    made = await stage.user().post("/practice", None, 201)
    base = made["base"]
    user = stage.user()
    user.http.base_url = f"http://court.test{base}"
    login = next(each for each in await user.get("/demo") if each["role"] == "plaintiff")
    user.take(await user.post("/login", {"phone": login["phone"], "password": login["password"]}))
    assert (await user.get("/court"))["practice"] is True
    assert (await user.http.get("/")).text == "the pages"
    (hearing,) = (await user.get("/hearings"))["items"]
    path = f"/hearings/{hearing['id']}"
    await user.post(f"{path}/identity", {"name": login["name"], "identity_number": login["identity_number"]})
    exhibit = await user.post(f"{path}/exhibits", {"title": "练习"}, 201)
    place = await announce(user, len(PDF), filename="a.pdf", purpose="exhibit", target=exhibit["id"])
    assert place.startswith(base)
    assert (await stage.user().http.patch(place.replace(base, ""), content=PDF)).status_code == 401
    assert (await send(user, f"http://court.test{place}", PDF)).status_code == 204
    assert await trial.plaintiff.refused(path, method="GET") == "not_found"
    assert await count_rows(stage) == rows
    await stage.user().ask("DELETE", f"/practice/{made['id']}", 204)
    gone = await user.http.get("/api/court")
    assert gone.status_code == 404
    assert await count_rows(stage) == rows
    assert list_files(stage.court.config.folder) == files
    assert stage.media.calls == calls
