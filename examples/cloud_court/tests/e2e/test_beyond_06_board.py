"""Beyond the source: the officer's board."""

from __future__ import annotations

import contextlib
import datetime
import shutil

import pytest
from playwright.async_api import Error

from court_process import CourtProcess
from person import PATIENCE_S, Meet, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
BLOCK_DEVICES = """
navigator.mediaDevices.getUserMedia = async () => {
  throw new DOMException("Permission denied", "NotAllowedError");
};
"""
CURVES = "[...document.querySelectorAll('tr polyline')].map((each) => each.getAttribute('points').split(' ').length)"


async def sees_row(officer: Person, name: str, *texts: str, patience: float = PATIENCE_S) -> None:
    """Her board's row of somebody has these texts."""
    row = f"[...document.querySelectorAll('tr')].find((each) => each.innerText.includes('{name}'))?.innerText ?? ''"

    async def look() -> bool:
        found = await officer.page.evaluate(row)
        return all(text in found for text in texts)

    await until(f"{texts} beside {name}", look, officer.page, deadline=patience)


async def test_beyond_06_all_hearings_of_the_day_where_people_are_and_their_networks_as_curves(meet: Meet) -> None:
    officer, judge, defendant = await meet("technician"), await meet("judge"), await meet("defendant")
    clerk = defendant  # her window, before it is his
    await clerk.goes("/demo/clerk")
    await clerk.sees("我的庭审")
    later = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)).isoformat()
    asked = {"case_id": (await clerk.hearing())["case_id"], "title": "第二次开庭", "start": later}
    assert (await clerk.api("POST", "api/hearings", asked))[0] == 201
    await judge.attends()
    await officer.comes()
    await officer.goes("/board")
    await officer.sees("第一次开庭")
    await officer.sees("第二次开庭")
    await sees_row(officer, "王法官", "在庭")
    await sees_row(officer, "李四", "未到")
    await defendant.comes()
    await defendant.goes_to_hearing()
    await sees_row(officer, "李四", "在线")
    await defendant.gets_ready()
    await sees_row(officer, "李四", "等候中")
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await defendant.enters()
    await sees_row(officer, "李四", "在庭")
    await sees_row(officer, "李四", "往返", "下行")

    async def has_curve() -> bool:
        return any(count >= 2 for count in await officer.page.evaluate(CURVES))

    await until("a curve of two points", has_curve, officer.page)
    with contextlib.suppress(Error):
        await defendant.page.goto("chrome://crash")  # his browser dies without a word
    await officer.sees("连接中断", 60)
    await sees_row(officer, "李四", "未到")


async def test_beyond_06_alerts_are_ticked_off_by_name(meet: Meet, court: CourtProcess) -> None:
    officer, judge, plaintiff = await meet("technician"), await meet("judge"), await meet("plaintiff")
    await officer.comes()
    await officer.goes("/board")
    await plaintiff.page.driven.add_init_script(BLOCK_DEVICES)
    await plaintiff.comes()
    await plaintiff.goes_to_hearing()
    await plaintiff.presses("打开摄像头")
    await plaintiff.sees("将摄像头和麦克风改为「允许」")
    for _ in range(3):
        await plaintiff.presses("无法完成，继续")
    await plaintiff.presses("测量")
    await plaintiff.sees("设备可能影响庭审")
    await officer.sees("设备被禁用")
    await officer.sees("自测未通过")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await officer.sees("录制中")
    shutil.rmtree(next((court.folder / "records").iterdir()))
    await officer.sees("录制中断")
    await officer.presses("已处理", "设备被禁用")
    for each in (officer, judge):
        await each.goes("/board")
        await each.presses("已处理的告警")
        await each.sees("处理人 赵技术员")
    await judge.sees("录制中断")
