"""Scenario 3: a draft is its owner's alone; what is withdrawn the other side sees no more; its trace stays."""

from __future__ import annotations

import asyncio

import pytest

from made import make_png
from person import Meet, Person

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def statuses(person: Person, exhibit: str) -> tuple[int, int, bool]:
    """What the API answers for an exhibit, for its file, and whether it is on the list."""
    path = f"api/hearings/{(await person.hearing())['id']}/exhibits"
    one, file = await person.api("GET", f"{path}/{exhibit}"), await person.api("GET", f"{path}/{exhibit}/file")
    _, listed = await person.api("GET", path)
    return one[0], file[0], exhibit in [each["id"] for each in listed]


GONE, THERE = (404, 404, False), (200, 200, True)


async def test_scenario_03_a_draft_is_invisible_and_a_withdrawal_leaves_its_trace_until_the_opening(meet: Meet) -> None:
    judge, plaintiff, defendant = await meet("judge"), await meet("plaintiff"), await meet("defendant")
    people = (judge, plaintiff, defendant)
    await asyncio.gather(*(each.comes() for each in people))
    hearing = (await plaintiff.hearing())["id"]
    path = f"api/hearings/{hearing}/exhibits"
    for each in people:
        await each.goes_to_record(hearing)
        await each.presses("证据")
    await plaintiff.presses("添加证据")
    await plaintiff.sees("单个文件不超过 100 MB")
    await plaintiff.attaches(("收据.png", make_png()), ("木马.exe", b"MZ"))
    await plaintiff.sees("木马.exe 不是可用的类型")
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.presses("取消")
    await plaintiff.sees("草稿")
    exhibit = (await plaintiff.api("GET", path))[1][0]["id"]
    assert [await statuses(each, exhibit) for each in (judge, defendant)] == [GONE, GONE]
    await defendant.sees("还没有证据")

    await plaintiff.presses("提交", "收据")
    await asyncio.gather(*(each.sees("收据") for each in (judge, defendant)))
    await defendant.presses("收据")
    await defendant.sees("下载")
    assert [await statuses(each, exhibit) for each in (judge, defendant)] == [THERE, THERE]

    await plaintiff.presses("撤回", "收据")
    await plaintiff.answers()
    await asyncio.gather(plaintiff.sees("已撤回"), judge.sees("已撤回"), defendant.sees("还没有证据"))
    assert await statuses(defendant, exhibit) == GONE
    trace = (await plaintiff.api("GET", f"{path}/{exhibit}"))[1]
    assert trace["number"] == 1 and trace["withdrawn"] and trace["joint_sha256"]

    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("新收据.png", make_png(shade=90)))
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.presses("提交", "新收据")
    await defendant.sees("新收据")
    await judge.goes(f"/hearings/{hearing}")
    await judge.enters()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await plaintiff.sees("出示")
    assert not await plaintiff.page.evaluate("document.body.innerText.includes('撤回新收据')")
    second = next(each for each in (await plaintiff.api("GET", path))[1] if each["number"] == 2)
    status, refusal = await plaintiff.api("POST", f"{path}/{second['id']}/acts", {"act": "withdraw"})
    assert (status, refusal["code"]) == (409, "act.impossible")
    assert await statuses(defendant, second["id"]) == THERE

    await judge.presses("证据")
    await judge.presses("责令撤回", "新收据")
    await judge.answers("与本案无关")
    await asyncio.gather(defendant.sees("还没有证据"), judge.misses("新收据 责令撤回"))
    assert await statuses(defendant, second["id"]) == GONE
    status, verdicts = await judge.api("GET", f"api/hearings/{hearing}/verify")
    assert status == 200 and all(each["good"] for each in verdicts), verdicts


async def test_a_submitted_exhibit_is_corrected_by_a_new_edition_that_keeps_its_number(meet: Meet) -> None:
    judge, plaintiff, defendant = await meet("judge"), await meet("plaintiff"), await meet("defendant")
    people = (judge, plaintiff, defendant)
    await asyncio.gather(*(each.comes() for each in people))
    for each in people:
        await each.goes_to_record(part="证据")
    await plaintiff.presses("添加证据")
    await plaintiff.attaches(("收据.png", make_png()))
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.presses("提交", "收据")
    await defendant.sees("已提交")
    await plaintiff.presses("提交新版本", "收据")
    await plaintiff.sees("这是证据 1《收据》的新版本")
    await plaintiff.attaches(("新收据.png", make_png(shade=90)))
    await plaintiff.presses("上传为草稿（1）")
    await plaintiff.presses("提交", "草稿")
    await asyncio.gather(*(each.sees("第 2 版") for each in people))
    for each in (defendant, judge):
        await each.sees("第 1 版 · 已被新版本替换")
    path = f"api/hearings/{(await plaintiff.hearing())['id']}/exhibits"
    seen = [[one["state"] for one in (await each.api("GET", path))[1]] for each in (defendant, judge)]
    assert seen == [["submitted"], ["submitted", "replaced"]]
