"""Scenario 6: a party walks out: two warnings, and a log that supports the judge's ruling."""

from __future__ import annotations

import pytest

from person import Meet

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

FIRST, SECOND = "未经许可离开画面", "退出法庭，限五分钟内返回"
LABELS = ("缺席", "撤诉", "未到", "退庭", "逃避")
"""What only the judge rules."""


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_scenario_06_who_walks_out_is_warned_twice_and_the_log_says_what_happened_and_no_more(
    meet: Meet, browser: str
) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await judge.attends()
    await plaintiff.stands_ready()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await plaintiff.enters()
    await judge.watches("张三")
    await judge.presses("人员")
    await judge.presses("警告", within="张三")
    await judge.answers(FIRST)
    await plaintiff.sees(FIRST)

    await plaintiff.presses("离开")
    await plaintiff.sees("法庭警告 1")
    await judge.sees("不在庭")
    await judge.presses("警告", within="张三")
    await judge.answers(SECOND)
    await plaintiff.sees(SECOND)
    await plaintiff.sees("法庭警告 2")

    # what the ruling rests on: what was said and when, why the connection ended; nobody is judged by software
    await judge.presses("录制")
    for told in (FIRST, SECOND, "其设备结束了连接", "由审判长裁决"):
        await judge.sees(told)
    log = await judge.page.evaluate("document.querySelector('.card ol.list').innerText")
    assert not [label for label in LABELS if label in log], log
    hearing = await judge.hearing()
    assert hearing["state"] == "open"
    _, people = await judge.api("GET", f"api/hearings/{hearing['id']}/people")
    him = next(each for each in people if each["role"] == "plaintiff")
    assert (him["present"], him["dismissed"]) == (False, False)
    _, attendance = await judge.api("GET", f"api/hearings/{hearing['id']}/attendance")
    own = [each for each in attendance if each["person_id"] == him["id"] and each["kind"] != "self_test"]
    assert [each["kind"] for each in own] == ["check", "join", "warning", "leave", "warning"]
    assert own[3]["detail"] == {"cause": "left"}
    assert [each["at"] for each in own] == sorted(each["at"] for each in own)
    assert (await plaintiff.api("GET", f"api/hearings/{hearing['id']}/attendance"))[0] == 403

    # he may return: the seat is his until the judge rules
    await plaintiff.enters()
    await judge.watches("张三")
