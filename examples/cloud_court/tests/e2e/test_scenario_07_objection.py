"""Scenario 7: an objection jumps to the playback; a correction voids signatures; one signs, one refuses; both show."""

from __future__ import annotations

import pytest

from person import Meet, Person

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

WRONG, RIGHT = "我收到了全部货款。", "我没有收到货款。"
PLAYED = """(() => {
  const from = %s;
  const late = (each) => !each.error && each.played.length && each.played.end(each.played.length - 1) > from + 0.5;
  const all = (kind) => [...document.querySelectorAll(`[role=dialog] ${kind}`)].filter(late);
  const moving = all("video").filter((each) => each.videoWidth && each.getVideoPlaybackQuality().totalVideoFrames > 3);
  const early = [...document.querySelectorAll("[role=dialog] :is(video, audio)")].some((each) => each.played.length
    && each.played.start(0) < from - 1);
  return [moving.length, all("audio").length, early];
})()"""


async def hears(person: Person, at: float) -> None:
    """The record plays, picture and sound of both who were in the room, from this second on and from none before."""
    played = PLAYED % max(0.0, at - 5)
    await person.asserts("the record is seen and heard", f"{played}.slice(0, 2).every((count) => count >= 2)")
    assert (await person.page.evaluate(played))[2] is False
    await person.page.evaluate("document.querySelector('[role=dialog] .el-dialog__header button').click()")


async def signs(person: Person) -> None:
    await person.presses("确认并签署笔录")
    await person.sees("本设备已核对")
    await person.presses("用姓名代替手写")
    await person.checks("我已阅看笔录")
    await person.presses("签名", within="SHA-256")
    await person.sees("您已签名或已表示拒绝")


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_scenario_07_an_objection_is_heard_again_and_a_correction_voids_what_was_signed(
    meet: Meet, browser: str
) -> None:
    judge, defendant = await meet("judge"), await meet("defendant")
    clerk, plaintiff = await meet("clerk"), await meet("plaintiff")
    await judge.attends()
    await defendant.stands_ready()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await defendant.enters()
    await judge.watches("李四")
    for person in (clerk, plaintiff):
        await person.comes()
        await person.goes_to_record(part="笔录")
    for person in (judge, defendant):
        await person.presses("笔录")

    # what the clerk types is wrong: the defendant objects, and everybody can hear what was said
    _, people = await clerk.api("GET", f"api/hearings/{(await clerk.hearing())['id']}/people")
    speaker = next(each["id"] for each in people if each["role"] == "defendant")
    await clerk.fills("发言人", speaker)
    await clerk.fills("笔录内容", WRONG)
    await clerk.presses("记入笔录")
    await defendant.sees(WRONG)
    await defendant.presses("异议", within=WRONG)
    await defendant.answers("我说的是没有收到")
    await judge.sees("我说的是没有收到")
    _, told = await judge.api("GET", f"api/hearings/{(await judge.hearing())['id']}/transcript")
    moment = told["objections"][0]["record_at"]
    assert moment == told["segments"][0]["record_at"] > 0
    await judge.presses("回放", within="我说的是没有收到")
    await hears(judge, moment)

    # signed, then corrected: the signature counts no more
    await judge.presses("主持")
    await judge.presses("发起笔录签名")
    await signs(plaintiff)
    await clerk.presses("采纳")
    await clerk.answers()
    await clerk.presses("更正", within=WRONG)
    await clerk.fills("笔录内容", RIGHT)
    await clerk.presses("保存")
    await plaintiff.sees("1 份先前的签名已失效")
    await defendant.sees(RIGHT)

    # after the close: one signs, one refuses
    await judge.presses("宣布闭庭")
    await judge.answers()
    for person in (judge, defendant):
        await person.goes_to_record(part="笔录")
        await person.sees(RIGHT)
    await plaintiff.presses("回放", within="我说的是没有收到")
    await hears(plaintiff, moment)
    await judge.presses("主持")
    await judge.presses("发起笔录签名")
    await signs(plaintiff)
    await defendant.presses("拒绝签名")
    await defendant.answers("记录仍不完整")
    await judge.presses("笔录")
    await judge.sees("记录仍不完整")
    shown = await judge.page.evaluate("document.querySelector('[aria-labelledby=signatures]').innerText")
    signed, refused, void = (
        next(line for line in shown.split("\n") if line == word) for word in ("已签", "拒绝", "失效")
    )
    assert (signed, refused, void) == ("已签", "拒绝", "失效")
    _, told = await judge.api("GET", f"api/hearings/{(await judge.hearing())['id']}/transcript")
    assert sorted((each["refused"], each["voided"] is not None) for each in told["signatures"]) == [
        (False, False),
        (False, True),
        (True, False),
    ]
