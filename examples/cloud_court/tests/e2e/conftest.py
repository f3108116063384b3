"""Browsers, and a court of each test's own, with the demonstration's people in windows."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from build_web import DIST
from court_process import CourtProcess
from person import Meet, OpenCourt, Person
from tests.interop.browsers import Browser, Chromium, Page
from tests.interop.windows import FAILED, GetBrowser, add_headed, browsers, pytest_runtest_makereport

__all__ = ["browsers", "pytest_runtest_makereport"]

ARTIFACTS = Path(__file__).parent / "artifacts"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_headed(parser)
    parser.addoption("--pictures", help="a folder for pictures of every page")


@pytest.fixture(scope="session")
def prepare() -> Callable[[Browser], None]:
    """Several windows encode on few cores, and a phone has two cameras."""

    def give_cameras(browser: Browser) -> None:
        if isinstance(browser, Chromium):
            browser.fake_device = "fps=5,device-count=2"

    return give_cameras


@pytest_asyncio.fixture(loop_scope="session")
async def open_court(tmp_path: Path) -> AsyncIterator[OpenCourt]:
    """Start a court in the test's folder. `settings`: as in `court.config`."""
    assert (DIST / ".digest").exists(), "the pages are not built: python examples/cloud_court/build_web.py"
    async with AsyncExitStack() as stack:

        async def open_one(**settings: Any) -> CourtProcess:
            process = CourtProcess(tmp_path / "court", **{"countdown": 2, **settings})
            return await stack.enter_async_context(process)

        yield open_one


@pytest_asyncio.fixture(loop_scope="session")
async def court(open_court: OpenCourt) -> CourtProcess:
    """A court with the usual settings, but for a short countdown."""
    return await open_court()


@pytest_asyncio.fixture(loop_scope="session")
async def meet(court: CourtProcess, browsers: GetBrowser, request: pytest.FixtureRequest) -> AsyncIterator[Meet]:
    """A window for one of the court's people: `await meet("judge")`. `browser`: hers; `options`: of her window, as
    `phone=True`. A failed test leaves pictures of all windows."""
    people: list[Person] = []
    parameter = getattr(request.node, "callspec", None)
    usual = parameter.params.get("browser", "chromium") if parameter else "chromium"

    async def open_window(role: str, browser: str = usual, **options: Any) -> Person:
        page: Page = await (await browsers(browser)).open(**options)
        people.append(Person(court, role, page))
        return people[-1]

    yield open_window
    if request.node.stash.get(FAILED, False):
        ARTIFACTS.mkdir(exist_ok=True)
        test = re.sub(r"\W+", "-", request.node.name).strip("-")
        for number, person in enumerate(people, 1):
            await person.page.screenshot(ARTIFACTS / f"{test}-{number}-{person.role}.png")
        (ARTIFACTS / f"{test}.log").write_text("".join(court.log))
    for person in people:
        await person.page.close()
