"""WHIP and WHEP without the page: each codec that a browser sends arrives in one that answers the node's offer."""

from __future__ import annotations

import json

import pytest

from tests.interop.browsers import BROWSERS, Page
from tests.interop.conftest import OpenPage
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import hears_tone, sees_movement
from tests.interop.whip_page import WATCHED, open_client

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(360),
    pytest.mark.parametrize("node", [1], indirect=True, ids=["1-shard"]),
]


async def watch(page: Page, node: NodeProcess, room: str, token: str | None = None) -> None:
    token = token or node.token(room, publish=False)
    await page.evaluate(f"whip.watch('/rooms/{room}/whep?publisher=alice', {json.dumps(token)})")


async def publish(page: Page, node: NodeProcess, room: str, codec: str, token: str | None = None) -> bool:
    token = token or node.token(room, subscribe=False)
    return bool(await page.evaluate(f"whip.publish('/rooms/{room}/whip?peer=alice', '{token}', '{codec}')"))


@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264", "AV1"])
@pytest.mark.parametrize("browser", ["chromium", "firefox"])
async def test_a_codec_passes(open_page: OpenPage, node: NodeProcess, browser: str, codec: str) -> None:
    room = new_room()
    publisher, viewer = await open_client(open_page, browser, node), await open_client(open_page, browser, node)
    if not await publish(publisher, node, room, codec):
        pytest.skip(f"this {browser} cannot send {codec}")
    await watch(viewer, node, room)
    await sees_movement(viewer, WATCHED)
    await hears_tone(viewer, f"{WATCHED}.srcObject", BROWSERS[browser].tone_hertz)
    assert await viewer.evaluate("whip.codec()") == f"video/{codec}"


async def test_who_deletes_the_session_is_gone(open_page: OpenPage, node: NodeProcess) -> None:
    room, token = (name := new_room()), node.token(name)
    his, hers = node.token(room, subscribe=False), node.token(room, publish=False)
    publisher = await open_client(open_page, "chromium", node)
    viewer = await open_client(open_page, "chromium", node)
    await publish(publisher, node, room, "VP8", his)
    await watch(viewer, node, room, hers)
    await sees_movement(viewer, WATCHED)
    assert await peers(viewer, room, token) == 2
    assert await publisher.evaluate(f"whip.leave('{his}')") == 200
    assert await peers(viewer, room, token) == 1
    await stands_still(viewer)
    assert await viewer.evaluate(f"whip.leave('{hers}')") == 200
    assert await peers(viewer, room, token) == 0


async def stands_still(viewer: Page) -> None:
    """What is shown moves no more, once all that was under way is shown."""
    for _ in range(5):
        try:
            await sees_movement(viewer, WATCHED, deadline=2.0)
        except AssertionError:
            return
    raise AssertionError("the picture still moves")


async def peers(page: Page, room: str, token: str) -> int:
    """How many the node says are in the room."""
    answer = f"(await fetch('/rooms/{room}', {{ headers: {{ Authorization: 'Bearer {token}' }} }})).json()"
    return len((await page.evaluate(f"(async () => {answer})()"))["peers"])
