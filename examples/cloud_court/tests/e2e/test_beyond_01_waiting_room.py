"""Beyond the source: the waiting room says how things stand, and each change is seen without a reload."""

from __future__ import annotations

import datetime

import pytest
import pytest_asyncio

from court_process import CourtProcess
from person import Meet, OpenCourt

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt) -> CourtProcess:
    return await open_court(about_to_begin=5)


async def test_beyond_01_early_about_to_begin_delayed_paused_suspended_and_closed_are_seen(meet: Meet) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await plaintiff.stands_ready()
    await plaintiff.page.evaluate("void (window.staysLoaded = true)")
    await plaintiff.sees("还未到开庭时间")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("改期")
    soon = datetime.datetime.now().astimezone() + datetime.timedelta(seconds=12)
    await judge.fills("开庭时间", soon.strftime("%Y-%m-%dT%H:%M:%S"))
    await judge.presses("改期", "已发出的入庭码作废")
    await plaintiff.sees("即将开庭", 20)
    await plaintiff.sees("开庭推迟", 20)
    await judge.presses("宣布开庭")
    await plaintiff.sees("庭审正在进行", 5)
    await judge.presses("休庭")
    await judge.answers()
    await plaintiff.sees("法庭正在休庭", 5)
    await judge.presses("中止")
    await judge.answers("设备故障")
    await plaintiff.sees("审判长已中止庭审", 5)
    await judge.presses("宣布闭庭")
    await judge.answers()
    await plaintiff.sees("已闭庭，不能再进入", 5)
    assert await plaintiff.page.evaluate("window.staysLoaded"), "all that without a reload"
    assert (await plaintiff.hearing())["state"] == "closed"
