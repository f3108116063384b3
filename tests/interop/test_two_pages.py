"""People meet on the node's page, in real browsers: they see each other move and hear each other."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.meeting import OTHERS, enter, meets, shown
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import sees_movement, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]

PAIRS = [("chromium", "chromium"), ("firefox", "firefox"), ("chromium", "firefox")]


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
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


COUNT_CONNECTIONS = """(() => {
  const Native = RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Native {
    constructor(...about) {
      super(...about);
      connections.push(this);
    }
  };
})()"""


@pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"])
async def test_all_are_watched_over_one_connection(open_page: OpenPage, node: NodeProcess) -> None:
    room = new_room()
    dave = await open_page("firefox")  # first: it takes long to start beside the others
    alice, bob, carol = [await open_page("chromium") for _ in range(3)]
    await alice.goto(node.invitation(room, "Alice"))
    await alice.evaluate(COUNT_CONNECTIONS)
    await enter(alice, node, room, "Alice", loaded=True)
    await enter(bob, node, room, "Bob")
    await enter(carol, node, room, "Carol")
    await sees(alice, ["Bob", "Carol"])
    await bob.evaluate("document.getElementById('leave').click()")
    await sees(alice, ["Carol"])
    await enter(dave, node, room, "Dave")
    await sees(alice, ["Carol", "Dave"])
    await sees(dave, ["Alice", "Carol"])
    states = await alice.evaluate("connections.map(({ connectionState }) => connectionState)")
    assert states == ["connected"] * 2, "one to publish, one to watch"


async def sees(page: Page, names: list[str]) -> None:
    """These others are there, connected, and their pictures move."""

    async def there() -> bool:
        return bool(await shown(page) == names)

    await until(f"connected tiles of {names}", there, page)
    for at in range(len(names)):
        await sees_movement(page, f"{OTHERS}[{at}].querySelector('video')")
    named = f"{OTHERS}.every(tile => ['on', 'off'].includes(tile.dataset.audio))"
    await until("what each does with the microphone", lambda: page.evaluate(named), page)
