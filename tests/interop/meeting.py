"""People who meet on the node's page."""

from __future__ import annotations

from typing import Any

from tests.interop.browsers import BROWSERS, Page
from tests.interop.node_process import NodeProcess
from tests.interop.seeing import hears_tone, sees_movement, until

OTHERS = "[...document.querySelectorAll('[data-tile]:not([data-self])')]"
OTHER = f"{OTHERS}[0]"
# Remembers the node's ports of all connections that the page makes.
REMEMBER_PORTS = """(() => {
  const { prototype } = RTCPeerConnection;
  const set = prototype.setRemoteDescription;
  window.ports = [];
  prototype.setRemoteDescription = function (description) {
    for (const [, port] of description.sdp.matchAll(/^a=candidate:\\S+ 1 udp \\d+ \\S+ (\\d+)/gim)) ports.push(port);
    return set.apply(this, arguments);
  };
})()"""


async def enter(page: Page, node: NodeProcess, room: str, name: str, *, loaded: bool = False) -> None:
    """Follow an invitation, unless the page is `loaded`, and press Join in the lobby once the camera is there."""
    if not loaded:
        await page.goto(node.invitation(room, name))
    preview = "document.getElementById('preview-video').videoWidth > 0"
    await until("a camera in the lobby", lambda: page.evaluate(preview), page)
    await page.evaluate(REMEMBER_PORTS)
    await page.evaluate("document.getElementById('join').click()")
    await until("the room", lambda: page.evaluate("!document.getElementById('view-room').hidden"), page)


async def shown(page: Page) -> list[Any]:
    """The names of the other people whose tiles are connected, in order."""
    tiles = f"{OTHERS}.filter(tile => tile.dataset.state === 'connected')"
    names = await page.evaluate(f"{tiles}.map(tile => tile.querySelector('.name').textContent)")
    return sorted(names)


async def meets(page: Page, name: str, browser: str) -> None:
    """One other tile is there, with this name, a moving picture, and the tone of the browser it comes from."""

    async def there() -> bool:
        return await shown(page) == [name]

    await until(f"a connected tile of {name}", there, page)
    await sees_movement(page, f"{OTHER}.querySelector('video')")
    await hears_tone(page, f"{OTHER}.querySelector('video').srcObject", BROWSERS[browser].tone_hertz)
