"""People who open the page at two nodes of a cluster meet in the one room, wherever that is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.meeting import enter, meets
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.two_nodes import two_nodes

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]


@pytest.mark.parametrize(("first", "second"), [("chromium", "firefox"), ("firefox", "chromium")])
async def test_two_pages_of_two_nodes_see_and_hear_each_other(
    open_page: OpenPage, tmp_path: Path, first: str, second: str
) -> None:
    async with two_nodes(NodeProcess, tmp_path) as (a, b):
        room = new_room()
        alice, bob = await open_page(first), await open_page(second)
        await enter(alice, a, room, "Alice")
        await enter(bob, b, room, "Bob")
        await asyncio.gather(meets(alice, "Bob", second), meets(bob, "Alice", first))
        for page in (alice, bob):  # before their node goes
            await page.evaluate("document.getElementById('leave').click()")
