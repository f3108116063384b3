"""People who open the page at two nodes of a cluster meet in the one room, wherever that is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.cluster_nodes import find_free_port
from tests.interop.conftest import OpenPage
from tests.interop.meeting import enter, meets
from tests.interop.node_process import NodeProcess, new_room
from tests.redis_server import run_redis

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]


@contextlib.asynccontextmanager
async def two_nodes(folder: Path) -> AsyncIterator[tuple[NodeProcess, NodeProcess]]:
    async with contextlib.AsyncExitStack() as stack:
        redis = stack.enter_context(run_redis(folder))
        nodes = []
        for name in "ab":
            port = find_free_port()
            variables = {
                "SFU_CLUSTER_URL": redis.url,
                "SFU_CLUSTER_NODE": name,
                "SFU_CLUSTER_PUBLIC_URL": f"http://127.0.0.1:{port}",
            }
            node = NodeProcess("--port", str(port), variables=variables)
            nodes.append(await stack.enter_async_context(node))
        yield nodes[0], nodes[1]


@pytest.mark.parametrize(("first", "second"), [("chromium", "firefox"), ("firefox", "chromium")])
async def test_two_pages_of_two_nodes_see_and_hear_each_other(
    open_page: OpenPage, tmp_path: Path, first: str, second: str
) -> None:
    async with two_nodes(tmp_path) as (a, b):
        room = new_room()
        alice, bob = await open_page(first), await open_page(second)
        await enter(alice, a, room, "Alice")
        await enter(bob, b, room, "Bob")
        await asyncio.gather(meets(alice, "Bob", second), meets(bob, "Alice", first))
        for page in (alice, bob):  # before their node goes
            await page.evaluate("document.getElementById('leave').click()")
