"""Beyond the source: the host's hand, with a staff member as second host."""

from __future__ import annotations

import pytest

from person import Meet, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
LARGE = "document.querySelector('.tile.big .name')?.innerText ?? ''"
MUTED = """[...document.querySelectorAll(".tile")]
  .map((each) => each.innerText)
  .filter((each) => each.includes("已静音"))"""
MAY_UNMUTE = """[...document.querySelectorAll(".controls button")]
  .some((each) => each.innerText === "取消静音" && !each.disabled)"""


async def sees_muted(person: Person, name: str, muted: bool) -> None:
    async def look() -> bool:
        return any(name in each for each in await person.page.evaluate(MUTED)) is muted

    await until(f"{name} is {'' if muted else 'not '}muted for {person.role}", look, person.page)


async def sees_large(person: Person, name: str) -> None:
    async def look() -> bool:
        return bool(await person.page.evaluate(LARGE) == name)

    await until(f"{person.role} sees {name!r} large", look, person.page)


async def test_beyond_07_mute_and_lock_spotlight_admit_dismiss_and_who_is_added_late(meet: Meet) -> None:
    judge, clerk = await meet("judge"), await meet("clerk")
    plaintiff, defendant = await meet("plaintiff"), await meet("defendant")
    await judge.attends()
    await clerk.attends()
    await plaintiff.stands_ready()
    await plaintiff.sees("等候法庭准许")
    await clerk.presses("人员")
    await clerk.presses("准许入庭", "张三")  # the second host lets in, while the judge prepares
    await plaintiff.enters()
    await judge.watches("张三", "李书记员")
    await clerk.presses("禁言", "张三")
    await plaintiff.sees("已被禁言")
    await sees_muted(judge, "张三", True)
    assert not await plaintiff.page.evaluate(MAY_UNMUTE), "who is locked cannot unmute himself"
    await clerk.presses("解除禁言", "张三")
    await plaintiff.presses("取消静音")
    await sees_muted(judge, "张三", False)
    await clerk.presses("突出显示", "张三")
    await sees_large(judge, "张三")
    await sees_large(plaintiff, "张三")
    await clerk.presses("取消突出", "张三")
    await sees_large(judge, "")
    await clerk.presses("请其退庭", "张三")
    await clerk.answers("擅自录屏")
    await plaintiff.sees("法庭已请您退出本次庭审")
    assert (await plaintiff.api("POST", f"api/hearings/{(await plaintiff.hearing())['id']}/join"))[0] == 403
    await clerk.presses("准许返回", "张三")
    await plaintiff.enters()
    await judge.watches("张三")
    # a third party is added after the booking, and comes by the code of the message
    await clerk.presses("邀请")
    await clerk.presses("添加参加人")
    await clerk.fills("角色", "third_party")
    await clerk.fills("姓名", "孙第三人", "添加参加人")
    await clerk.fills("手机号", "13800000099", "添加参加人")
    await clerk.fills("身份证号", "110105198001000117", "添加参加人")
    await clerk.presses("添加参加人", "关联人员")
    await clerk.sees("孙第三人")
    await clerk.presses("发送邀请短信")
    await clerk.sees("短信已发送")
    sms = (await clerk.api("GET", "api/standins/sms?phone=13800000099"))[1][0]["text"]
    link = next(word for word in sms.split() if "/#/join/" in word)
    late = defendant
    await late.page.goto(link.replace("127.0.0.1", "late.localhost"))
    await late.presses("进入")
    await late.sees("孙第三人")
