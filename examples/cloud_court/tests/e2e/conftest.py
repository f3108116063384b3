"""Browsers, and a court of each test's own, with the demonstration's people in windows."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from build_web import DIST
from court_process import CourtProcess
from person import Meet, OpenCourt, Person
from tests.interop.browsers import BROWSERS, Browser, Chromium, Page

ARTIFACTS = Path(__file__).parent / "artifacts"
FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--headed", action="store_true", help="show the browsers' windows (needs a display)")
    parser.addoption("--pictures", help="a folder for pictures of every page")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    """The browser of this name, started once; the test is skipped where it is not installed."""
    running: dict[str, Browser] = {}
    async with AsyncExitStack() as stack:

        async def get(name: str) -> Browser:
            if not BROWSERS[name].installed():
                pytest.skip(f"{name} is not installed: as root, `.ci/packages browsers` installs it from Debian")
            if name not in running:
                browser = BROWSERS[name](headed=request.config.getoption("--headed"))
                if isinstance(browser, Chromium):  # several windows encode on few cores; a phone has two cameras
                    browser.fake_device = "fps=5,device-count=2"
                running[name] = await stack.enter_async_context(browser)
            return running[name]

        yield get


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
async def meet(
    court: CourtProcess, browsers: Callable[[str], Awaitable[Browser]], request: pytest.FixtureRequest
) -> AsyncIterator[Meet]:
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
