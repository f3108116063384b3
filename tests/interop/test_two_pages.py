"""People meet on the node's page, in real browsers: they see each other move and hear each other."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.conftest import OpenPage
from tests.interop.meeting import OTHERS, enter, meets, shown
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]

QUICK = [(1, "chromium", "chromium"), (1, "firefox", "firefox"), (2, "chromium", "firefox")]
ALL = [(shards, *pair) for shards in (1, 2) for pair in (("chromium",) * 2, ("firefox",) * 2, ("chromium", "firefox"))]


@pytest.mark.parametrize(
    ("node", "first", "second"),
    [pytest.param(*one, marks=() if one in QUICK else pytest.mark.slow) for one in ALL],
    indirect=["node"],
)
async def test_two_pages_see_and_hear_each_other(
    open_page: OpenPage, node: NodeProcess, first: str, second: str
) -> None:
    room = new_room()
    alice, bob = await open_page(first), await open_page(second)
    await enter(alice, node, room, "Alice")
    await enter(bob, node, room, "Bob")
    await asyncio.gather(meets(alice, "Bob", second), meets(bob, "Alice", first))

    ports = {*await alice.evaluate("window.ports"), *await bob.evaluate("window.ports")}
    assert len(ports) == node.shards

    await bob.evaluate("document.getElementById('leave').click()")

    async def alone() -> bool:
        return await shown(alice) == [] and await alice.evaluate(f"{OTHERS}.length") == 0

    await until("Bob's tile to go", alone, alice)
