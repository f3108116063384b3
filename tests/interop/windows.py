"""What the suites that drive browsers share: their option, the browsers that run, and whether a test has failed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.interop.browsers import BROWSERS, Browser

GetBrowser = Callable[[str], Awaitable[Browser]]
"""The fixture `browsers`."""
FAILED = pytest.StashKey[bool]()


def add_headed(parser: pytest.Parser) -> None:
    """The option of each of these suites."""
    with contextlib.suppress(ValueError):  # another suite of the same run has added it
        parser.addoption("--headed", action="store_true", help="show the browsers' windows (needs a display)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":  # type: ignore[attr-defined]
        item.stash[FAILED] = report.failed  # type: ignore[attr-defined]
    return report


@pytest.fixture(scope="session")
def prepare() -> Callable[[Browser], None]:
    """What is done to a browser before it starts; a suite may have its own."""
    return lambda browser: None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers(request: pytest.FixtureRequest, prepare: Callable[[Browser], None]) -> AsyncIterator[GetBrowser]:
    """Start the browser of this name, or return the one that runs; skip the test where it is not installed."""
    running: dict[str, Browser] = {}
    async with AsyncExitStack() as stack:

        async def get(name: str) -> Browser:
            if not BROWSERS[name].installed():
                pytest.skip(f"{name} is not installed: as root, `.ci/packages browsers` installs it from Debian")
            if name not in running:
                browser = BROWSERS[name](headed=request.config.getoption("--headed"))
                prepare(browser)
                running[name] = await stack.enter_async_context(browser)
            return running[name]

        yield get
