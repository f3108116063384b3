"""Fixtures of the browser tests: browsers and nodes are shared; each test has its own windows and room."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from tests.interop.browsers import Page
from tests.interop.node_process import NodeProcess
from tests.interop.windows import FAILED, GetBrowser, add_headed, browsers, prepare, pytest_runtest_makereport

__all__ = ["browsers", "prepare", "pytest_runtest_makereport"]

OpenPage = Callable[[str], Awaitable[Page]]
ARTIFACTS = Path(__file__).parent / "artifacts"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_headed(parser)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browsers: GetBrowser, request: pytest.FixtureRequest) -> AsyncIterator[OpenPage]:
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
