"""Beyond the source: confidence monitoring, the clerk listens to what is being recorded."""

from __future__ import annotations

import pytest
import pytest_asyncio

from court_process import CourtProcess
from person import Meet, OpenCourt
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]
LEVEL = "document.querySelector('meter[aria-label=已录声音的音量]')?.value ?? 0"


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt) -> CourtProcess:
    return await open_court(countdown=1)


async def test_beyond_08_the_clerk_hears_the_record_as_it_grows_and_that_nothing_is_recorded(
    meet: Meet,
) -> None:
    judge, clerk, plaintiff = await meet("judge"), await meet("clerk"), await meet("plaintiff")
    await judge.attends()
    await clerk.attends()
    await judge.presses("主持")
    await judge.presses("宣布开庭")
    await clerk.presses("录制")
    await clerk.presses("监听录制")

    async def heard() -> bool:
        return bool(await clerk.page.evaluate(LEVEL) > 0.05)

    async def silent() -> bool:
        return bool(await clerk.page.evaluate(LEVEL) < 0.01)

    await until("what is being recorded is heard", heard, clerk.page)
    path = f"api/hearings/{(await clerk.hearing())['id']}/recording/sound"
    await judge.presses("静音")
    await clerk.presses("静音")
    await until("nobody speaks, and that is what is recorded", silent, clerk.page)
    await judge.presses("取消静音")
    await until("it is heard again", heard, clerk.page)
    await plaintiff.comes()
    assert (await plaintiff.api("GET", path))[0] == 403, "the court alone listens"
