"""People on the node's page while it restarts in place: they meet again by themselves, in the tiles they had."""

from __future__ import annotations

import pytest

from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.meeting import OTHER, OTHERS, enter, meets
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]

# Marks the other's tile and stream, and keeps what the page tells from now on.
MARK = f"""(() => {{
  const tile = {OTHER};
  window.before = {{ tile, stream: tile.querySelector("video").srcObject }};
  window.told = [];
  const keep = (changes) => changes.forEach((one) => one.addedNodes.forEach((toast) => told.push(toast.textContent)));
  new MutationObserver(keep).observe(document.getElementById("toasts"), {{ childList: true }});
}})()"""


async def meets_again(page: Page, name: str, browser: str) -> None:
    """The other has a new stream in the tile of before, and was at no time said to have left."""
    new = "querySelector('video').srcObject !== window.before.stream"
    there = f"{OTHERS}.some(tile => tile.dataset.state === 'connected' && tile.{new})"
    await until("a new stream", lambda: page.evaluate(there), page)
    await meets(page, name, browser)
    assert await page.evaluate(f"{OTHER} === window.before.tile")
    assert await page.evaluate("told") == []


async def test_two_browsers_meet_again_after_a_restart(open_page: OpenPage) -> None:
    async with NodeProcess() as node:
        room = new_room()
        alice, bob = await open_page("chromium"), await open_page("firefox")
        await enter(alice, node, room, "Alice")
        await enter(bob, node, room, "Bob")
        await meets(alice, "Bob", "firefox")
        await meets(bob, "Alice", "chromium")
        for page in (alice, bob):
            await page.evaluate(MARK)
        before = await node.restart()

        async def restarted() -> bool:
            return await node.serving_process() != before

        await until("the new process", restarted, alice)
        await meets_again(alice, "Bob", "firefox")
        await meets_again(bob, "Alice", "chromium")


async def test_who_does_not_come_back_after_a_restart_has_left(open_page: OpenPage) -> None:
    """A page that ended while the server was away: the others see its tile wait, and then go."""
    async with NodeProcess() as node:
        room = new_room()
        alice, bob = await open_page("chromium"), await open_page("chromium")
        await enter(alice, node, room, "Alice")
        await enter(bob, node, room, "Bob")
        await meets(alice, "Bob", "chromium")
        await alice.evaluate(MARK)
        await bob.driven.context.set_offline(True)  # like a network that is gone: it can tell nothing
        await node.restart()
        left = "told.length === 1 && told[0].includes('Bob left')"
        await until("that Bob has left", lambda: alice.evaluate(left), alice)
        assert await alice.evaluate(f"{OTHERS}.length") == 0
        assert await alice.evaluate("document.getElementById('room-count').textContent") == "1 person"
