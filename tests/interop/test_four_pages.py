"""Who meets with several others on the node's page watches all of them over one connection."""

from __future__ import annotations

import pytest

from tests.interop.browsers import Page
from tests.interop.conftest import OpenPage
from tests.interop.meeting import OTHERS, enter, shown
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import sees_movement, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(360)]

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
