"""Fixtures of the browser tests: browsers and nodes are shared; each test has its own windows and room."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.browsers import BROWSERS, Browser, Page
from tests.interop.node_process import NodeProcess

OpenPage = Callable[[str], Awaitable[Page]]
ARTIFACTS = Path(__file__).parent / "artifacts"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--headed", action="store_true", help="show the browsers' windows (needs a display)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":  # type: ignore[attr-defined]
        item.stash[FAILED] = report.failed  # type: ignore[attr-defined]
    return report


FAILED = pytest.StashKey[bool]()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browsers(request: pytest.FixtureRequest) -> AsyncIterator[Callable[[str], Awaitable[Browser]]]:
    """Start the browser of this name, or return the one that runs; skip the test where it is not installed."""
    running: dict[str, Browser] = {}
    async with AsyncExitStack() as stack:

        async def get(name: str) -> Browser:
            if not BROWSERS[name].installed():
                pytest.skip(f"{name} is not installed: as root, `make test` installs it from Debian")
            if name not in running:
                browser = BROWSERS[name](headed=request.config.getoption("--headed"))
                running[name] = await stack.enter_async_context(browser)
            return running[name]

        yield get


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    browsers: Callable[[str], Awaitable[Browser]], request: pytest.FixtureRequest
) -> AsyncIterator[OpenPage]:
    """Open a window in the browser of this name. They are closed at the end; a failed test leaves pictures of them."""
    pages: list[Page] = []

    async def open_in(name: str) -> Page:
        page = await (await browsers(name)).open()
        pages.append(page)
        return page

    yield open_in
    if request.node.stash.get(FAILED, False):
        ARTIFACTS.mkdir(exist_ok=True)
        test = re.sub(r"\W+", "-", request.node.name).strip("-")
        for number, page in enumerate(pages, 1):
            await page.screenshot(ARTIFACTS / f"{test}-{number}.png")
    for page in pages:
        await page.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=[1, 2], ids=["1-shard", "2-shards"])
async def node(request: pytest.FixtureRequest) -> AsyncIterator[NodeProcess]:
    """A running node, with one shard and again with two."""
    async with NodeProcess(shards=request.param) as process:
        yield process


@pytest.fixture
def timed(request: pytest.FixtureRequest) -> bool:
    """Whether times are asserted too: only in slow tests, which have the machine to themselves."""
    return request.node.get_closest_marker("slow") is not None
