"""Beyond the source: consultation rooms, private to their members."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from court_process import CourtProcess
from person import Meet, OpenCourt, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
TILES = "[...document.querySelectorAll('.tile .name')].map((each) => each.innerText).sort()"


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt, request: pytest.FixtureRequest) -> CourtProcess:
    return await open_court(**getattr(request, "param", {}))


async def waits_in_lobby(*people: Person) -> None:
    for each in people:
        await each.stands_ready()


async def sees_tiles(person: Person, *names: str) -> None:
    async def look() -> bool:
        return bool(await person.page.evaluate(TILES) == sorted(names))

    await until(f"{person.role} sees the tiles of {names}", look, person.page)


def list_files(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.rglob("*"))


async def list_rooms(person: Person) -> tuple[str, list[dict[str, Any]]]:
    path = f"api/hearings/{(await person.hearing())['id']}/consultations"
    return path, (await person.api("GET", path))[1]


async def test_beyond_02_accepted_declined_locked_and_private(meet: Meet, court: CourtProcess) -> None:
    plaintiff, lawyer, defendant = await meet("plaintiff"), await meet("lawyer"), await meet("defendant")
    await waits_in_lobby(plaintiff, lawyer, defendant)
    before = list_files(court.folder / "records")
    await plaintiff.checks("陈律师")
    await plaintiff.presses("发起密谈")
    await lawyer.presses("接受", "私密交谈")
    await plaintiff.watches("陈律师")
    await lawyer.watches("张三")
    await sees_tiles(plaintiff, "张三", "陈律师")
    await sees_tiles(lawyer, "张三", "陈律师")
    await plaintiff.presses("密谈室")
    await plaintiff.checks("李四")
    await plaintiff.presses("邀请所选人员")
    await defendant.presses("拒绝", "私密交谈")
    await plaintiff.sees("已拒绝")
    await plaintiff.checks("李四")
    await plaintiff.presses("邀请所选人员")
    await defendant.sees("等待回应")
    await plaintiff.presses("锁定")
    await plaintiff.sees("解锁")
    await defendant.presses("接受", "私密交谈")
    await defendant.sees("密谈室已锁定")
    await plaintiff.presses("解锁")
    await plaintiff.sees("锁定")
    await defendant.presses("接受", "私密交谈")
    await sees_tiles(defendant, "张三", "李四", "陈律师")
    await defendant.watches("张三")
    await plaintiff.presses("结束", "私密交谈")
    for each in (plaintiff, lawyer, defendant):
        await each.sees("密谈已结束")
    assert list_files(court.folder / "records") == before, "nothing was recorded"


@pytest.mark.parametrize("court", [{"consultation_timeout": 3}], indirect=True)
async def test_beyond_02_who_does_not_answer_in_time_is_not_asked_any_more(meet: Meet) -> None:
    plaintiff, defendant = await meet("plaintiff"), await meet("defendant")
    await waits_in_lobby(plaintiff, defendant)
    await plaintiff.checks("李四")
    await plaintiff.presses("发起密谈")
    await plaintiff.presses("密谈室")
    await plaintiff.sees("未回应")
    await defendant.sees("未回应")
    path, (room,) = await list_rooms(defendant)
    status, refused = await defendant.api("POST", f"{path}/{room['id']}/acts", {"act": "accept"})
    assert (status, refused["code"]) == (409, "act.impossible")


async def test_beyond_02_judges_consult_alone_and_observers_never(meet: Meet) -> None:
    judge, clerk, plaintiff = await meet("judge"), await meet("clerk"), await meet("plaintiff")
    await waits_in_lobby(plaintiff)
    await clerk.comes()
    await clerk.goes_to_hearing()
    await judge.attends()
    await judge.presses("密谈室")
    await judge.checks("李书记员")
    await judge.checks("合议室")
    await judge.presses("发起密谈")
    await clerk.presses("接受", "合议")
    await sees_tiles(clerk, "李书记员", "王法官")
    path, rooms = await list_rooms(plaintiff)
    assert rooms == [], "the judges' room is not for him to see"
    asked = "[...document.querySelectorAll('fieldset .check')].map((each) => each.innerText).join()"
    assert "书记员" in (shown := await plaintiff.page.evaluate(asked)) and "旁听人员" not in shown
    people = (await plaintiff.api("GET", path.replace("consultations", "people")))[1]
    visitor = next(each["id"] for each in people if each["role"] == "gallery")
    assert (await plaintiff.api("POST", path, {"persons": [visitor]}))[0] == 403
    assert (await plaintiff.api("POST", path, {"kind": "judges", "persons": []}))[0] == 403


async def test_beyond_02_who_consults_comes_back_when_the_court_sits(meet: Meet) -> None:
    judge, plaintiff, lawyer = await meet("judge"), await meet("plaintiff"), await meet("lawyer")
    await waits_in_lobby(plaintiff, lawyer)
    await judge.attends()
    await plaintiff.checks("陈律师")
    await plaintiff.presses("发起密谈")
    await lawyer.presses("接受", "私密交谈")
    await lawyer.watches("张三")
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    for each in (plaintiff, lawyer):
        await each.sees("密谈已结束")
        await each.sees("庭审正在进行")


@pytest.mark.parametrize("court", [{"consultation_closed": 1200}], indirect=True)
async def test_beyond_02_not_in_the_last_minutes_before_the_start(meet: Meet) -> None:
    plaintiff, lawyer, judge = await meet("plaintiff"), await meet("lawyer"), await meet("judge")
    await waits_in_lobby(plaintiff, lawyer)
    await plaintiff.checks("陈律师")
    await plaintiff.presses("发起密谈")
    await plaintiff.sees("开庭前几分钟和庭审进行中不能密谈")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("改期")
    await judge.presses("改期", "已发出的入庭码作废")  # to tomorrow, as the form has it
    await plaintiff.presses("发起密谈")
    await lawyer.presses("接受", "私密交谈")
    await lawyer.watches("张三")
