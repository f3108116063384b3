"""Beyond the source: a countdown at the start and at each resume, which a break cancels; discipline at the opening."""

from __future__ import annotations

import pytest
import pytest_asyncio

from court.config import DISCIPLINE
from court_process import CourtProcess
from person import Meet, OpenCourt, Person
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
NOTE_WHAT_IS_READ_OUT = """
window.saidAloud = [];
SpeechSynthesis.prototype.speak = function (said) { window.saidAloud.push({ text: said.text, lang: said.lang }); };
"""
NOTE_COUNTDOWN = """void (window.counted = [], window.shown = "", setInterval(() => {
  const over = document.querySelector(".over");
  if (over) window.shown = over.innerText;
  const count = Number(over?.querySelector(".count").innerText ?? 0);
  if (count !== (window.counted.at(-1) ?? 0)) window.counted.push(count);
}, 50))"""
"""Notes the numbers that the page shows one after the other; 0: none, or no longer."""


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt) -> CourtProcess:
    return await open_court(countdown=15)


async def counts(person: Person, ended: bool) -> list[int]:
    """The numbers that she sees, once there are two of them, or once they have gone."""

    async def look() -> list[int]:
        counted: list[int] = await person.page.evaluate("window.counted")
        return counted if (0 in counted if ended else len(counted) >= 2) else []

    counted: list[int] = await until("a countdown" + " that ends" * ended, look, person.page)
    assert counted == sorted(counted, reverse=True) and counted[0] <= 15
    return counted


async def test_beyond_05_a_countdown_at_start_and_resume_is_cancelled_by_a_break(meet: Meet) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await plaintiff.page.driven.add_init_script(NOTE_WHAT_IS_READ_OUT)
    await plaintiff.stands_ready()
    await judge.attends()
    await judge.presses("人员")
    await judge.presses("准许入庭", "张三")
    await plaintiff.enters()
    await plaintiff.page.evaluate(NOTE_COUNTDOWN)
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    counted = await counts(plaintiff, ended=True)
    assert counted[-2:] == [1, 0], "it comes to its end"
    shown = await plaintiff.page.evaluate("window.shown")
    assert "现在宣布开庭" in shown and all(rule in shown for rule in DISCIPLINE)
    said = await plaintiff.page.evaluate("window.saidAloud")
    assert [each["lang"] for each in said] == ["zh-CN"] and all(rule in said[0]["text"] for rule in DISCIPLINE)
    await judge.presses("休庭")
    await judge.answers()
    await plaintiff.sees("正在休庭，不录制")
    await plaintiff.page.evaluate("void (window.counted = [])")
    await judge.presses("恢复庭审")
    await counts(plaintiff, ended=False)
    assert "庭审即将恢复" in await plaintiff.page.evaluate("window.shown")
    await judge.presses("休庭")
    await judge.answers()
    counted = await counts(plaintiff, ended=True)
    assert counted[-2] > 1, "the break has cancelled it"
    await plaintiff.sees("正在休庭，不录制")
    assert (await plaintiff.hearing())["countdown_until"] is None
    assert len(await plaintiff.page.evaluate("window.saidAloud")) == 1, (
        "the discipline is read out at the opening alone"
    )
