"""Beyond the source: court discipline is shown, and each confirms the declaration; that it is read out: 05."""

from __future__ import annotations

import pytest

from court.config import DECLARATION, DISCIPLINE
from person import Meet

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


async def test_beyond_10_nobody_enters_without_the_declaration_and_the_court_sees_who_made_it(meet: Meet) -> None:
    judge, plaintiff, gallery = await meet("judge"), await meet("plaintiff"), await meet("gallery")
    await judge.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await judge.presses("人员")
    for each in (plaintiff, gallery):
        await each.comes()
        await each.goes_to_hearing()
        for rule in DISCIPLINE:
            await each.sees(rule)
        await each.sees(DECLARATION)
        await each.presses("核验")
        await each.sees("身份已核验")
        refused = await each.api("POST", f"api/hearings/{(await each.hearing())['id']}/join")
        assert (refused[0], refused[1]["code"]) == (403, "hearing.declaration")
        await each.sees("请先完成身份核验与承诺")
        await each.checks("本人承诺")
        await each.presses("我承诺遵守")
        await each.sees("已作出承诺")
        await each.enters()
    declared = "[...document.querySelectorAll('.person')].filter((each) => each.innerText.includes('已承诺')).length"
    await judge.asserts("both have declared", f"{declared} === 2")
