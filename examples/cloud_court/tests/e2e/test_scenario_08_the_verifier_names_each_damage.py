"""Scenario 8: one byte flipped, a fragment deleted, a row of the log edited, two reordered: the verifier names each."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from court_process import CourtProcess
from made import make_png
from person import Meet, OpenCourt
from sfu.recording.reader import read_record
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]

FLIPPED, DELETED = 3, 2
"""Numbers of the fragments that are spoilt, from 1."""


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt, tmp_path: Path) -> AsyncIterator[CourtProcess]:
    """One that makes each record twice."""
    yield await open_court(mirrors=f'["{tmp_path / "mirror"}"]')


async def test_scenario_08_the_verifier_names_the_byte_the_fragment_the_edited_row_and_the_reordered_ones(
    meet: Meet, court: CourtProcess, tmp_path: Path
) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await judge.attends()
    hearing = (await judge.hearing())["id"]
    await plaintiff.comes()
    await plaintiff.goes_to_record(hearing)
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("收据.png", make_png()))
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.presses("提交", "收据")
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await judge.sees("录制中")
    (record,) = (court.folder / "records").iterdir()
    (mirror,) = (tmp_path / "mirror").iterdir()

    async def some_seconds() -> bool:
        sources = [read_record(each).sources for each in (record, mirror)]
        return all(each and len(each[0].fragments) > 4 for each in sources)

    await until("some seconds are recorded", some_seconds, deadline=60)
    await judge.presses("宣布闭庭")
    await judge.answers()
    await judge.sees("庭审已结束")
    await judge.goes_to_record(hearing)
    await judge.presses("录制")
    await judge.presses("校验全部")
    await judge.sees("完好")
    await judge.misses("有问题")
    _, before = await judge.api("GET", f"api/hearings/{hearing}/verify")
    assert {each["part"].partition(":")[0] for each in before} == {"audit", "record", "exhibit"}
    assert len(before) == 4 and all(each["good"] for each in before), before

    flipped, deleted = flip(record), delete(mirror)
    rows = edit_and_reorder(court.folder / "court.sqlite", hearing)
    spoil_exhibits(court.folder / "files")
    _, told = await judge.api("GET", f"api/hearings/{hearing}/verify")
    wrong = [each for each in told if not each["good"]]
    audit = [each["line"] for each in wrong if each["part"] == f"audit:{hearing}"]
    assert audit == rows
    records = [(each["file"], each["fragment"]) for each in wrong if each["part"].startswith("record:")]
    assert records == [(flipped, FLIPPED), (deleted, DELETED)]
    assert [each["part"] for each in wrong if each["part"].startswith("exhibit")] == ["exhibit:1:0"]

    await judge.presses("校验全部")
    for line in rows:
        await judge.sees(f"第 {line} 行")
    for file, fragment in ((flipped, FLIPPED), (deleted, DELETED)):
        await judge.sees(file)
        await judge.sees(f"第 {fragment} 个片段")
    await judge.sees("证据 1-0")


def flip(folder: Path) -> str:
    """One bit of one byte in the midst of a fragment; returns the file's path within the record."""
    source = read_record(folder).sources[0]
    fragment = source.fragments[FLIPPED - 1]
    data = bytearray(source.file.read_bytes())
    data[fragment.offset + fragment.bytes // 2] ^= 1
    source.file.write_bytes(data)
    return str(source.file.relative_to(folder))


def delete(folder: Path) -> str:
    """All bytes of one fragment."""
    source = read_record(folder).sources[0]
    fragment = source.fragments[DELETED - 1]
    data = source.file.read_bytes()
    source.file.write_bytes(data[: fragment.offset] + data[fragment.offset + fragment.bytes :])
    return str(source.file.relative_to(folder))


def edit_and_reorder(path: Path, hearing: str) -> list[int]:
    """Another time in one row's text, the content of two others exchanged; returns the numbers of their lines."""
    database = sqlite3.connect(path, timeout=20)
    with database:
        query = "SELECT n, line FROM audit_events WHERE chain = ? ORDER BY n"
        lines = dict(database.execute(query, (hearing,)).fetchall())
        edited = next(n for n, line in lines.items() if b'"act":"declare"' in line or b'"act":"submit"' in line)
        first, second = len(lines) - 3, len(lines) - 2
        change = "UPDATE audit_events SET line = ? WHERE chain = ? AND n = ?"
        other = lines[edited].replace(b'"act":"', b'"act":"un', 1)
        for n, line in ((edited, other), (first, lines[second]), (second, lines[first])):
            database.execute(change, (line, hearing, n))
    database.close()
    return [edited + 1, first + 1, second + 1]


def spoil_exhibits(folder: Path) -> None:
    (file,) = [each for each in folder.rglob("*") if each.is_file()]
    file.write_bytes(file.read_bytes()[:-1])
