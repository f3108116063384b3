"""A hearing is opened, and what one does the others see."""

from __future__ import annotations

import pytest

from person import Meet

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]


@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_the_judge_opens_and_a_party_sees_the_court_and_its_phases(meet: Meet, browser: str) -> None:
    judge, plaintiff = await meet("judge"), await meet("plaintiff")
    await judge.attends()
    await plaintiff.comes()
    await plaintiff.goes_to_hearing()
    await plaintiff.gets_ready()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await plaintiff.enters()
    await plaintiff.watches("王法官")
    await judge.watches("张三")
    await judge.presses("举证质证")
    await plaintiff.sees("举证质证")
