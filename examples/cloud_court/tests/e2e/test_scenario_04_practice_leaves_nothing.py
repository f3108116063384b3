"""Scenario 4: everything is practised; afterwards database, disk and recordings are as before."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from court_process import CourtProcess
from made import make_png
from person import Meet, OpenCourt

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CourtProcess]:
    """With a folder for temporary files of its own, to look into."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    yield await open_court()


def picture(folder: Path) -> dict[str, str]:
    """Each row of the database and each other file of the court, by hash. SQLite's own files change when one reads."""
    database = sqlite3.connect(f"file:{folder / 'court.sqlite'}?mode=ro", uri=True)
    rows = "\n".join(database.iterdump())
    database.close()
    found = {"database": hashlib.sha256(rows.encode()).hexdigest()}
    for path in folder.rglob("*"):
        if not path.name.startswith("court.sqlite"):
            content = path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return found


async def test_scenario_04_after_a_practice_database_disk_and_recordings_are_as_before(
    meet: Meet, court: CourtProcess, tmp_path: Path
) -> None:
    before = await asyncio.to_thread(picture, court.folder)
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await plaintiff.goes("/")
    await plaintiff.moves_on("开始练习", "/practice/")
    await plaintiff.sees("练习模式")
    judge.base = plaintiff.base = await plaintiff.reads_address(r"(/practice/\w+)/")
    await judge.comes()
    hearing = (await judge.hearing())["id"]
    assert len(list((tmp_path / "temporary").glob("court-practice-*"))) == 1

    await plaintiff.comes()
    await plaintiff.goes_to_record(hearing)
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("收据.png", make_png()))
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.presses("提交", "收据")
    await plaintiff.sees("已提交")
    await judge.goes(f"/hearings/{hearing}")
    await judge.enters()
    await plaintiff.goes_to_hearing()
    await plaintiff.gets_ready()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await judge.sees("录制中")
    await plaintiff.enters()
    await asyncio.gather(judge.watches("张三"), plaintiff.watches("王法官"))
    await judge.presses("举证质证")
    await judge.presses("宣布闭庭")
    await judge.answers()
    await judge.sees("庭审已结束")
    await judge.goes_to_record(hearing)
    await judge.presses("主持")
    await judge.presses("发起笔录签名")
    await plaintiff.goes_to_record(hearing)
    await plaintiff.presses("确认并签署笔录")
    await plaintiff.sees("收到的笔录与此哈希值一致")
    await plaintiff.presses("用姓名代替手写")
    await plaintiff.checks("我已阅看笔录")
    await plaintiff.presses("签名", "SHA-256")
    await plaintiff.sees("您已签名")
    await plaintiff.moves_on("结束练习", r"^(?!.*/practice/)")
    await plaintiff.sees("公开查询")
    assert "/practice/" not in await plaintiff.page.evaluate("location.href")

    assert list((tmp_path / "temporary").glob("court-practice-*")) == []
    assert await asyncio.to_thread(picture, court.folder) == before
