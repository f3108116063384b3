"""A viewer that came by an offer of its own goes on when its publisher comes again, or learns that it has to offer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.interop.browsers import BROWSERS, Page
from tests.interop.conftest import OpenPage
from tests.interop.node_process import NodeProcess, new_room
from tests.interop.seeing import hears_tone, sees_movement, until
from tests.interop.whip_page import WATCHED, open_client

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(360),
]

SIMULCAST = [{"rid": "q", "scaleResolutionDownBy": 2}, {"rid": "f"}]


async def publish(page: Page, node: NodeProcess, room: str, codec: str, encodings: list[Any] | None = None) -> None:
    token = node.token(
        room, subscribe=False, peer="alice"
    )  # hers, so that a later one can take the place of the former
    about = [f"/rooms/{room}/whip", token, codec, encodings or []]
    assert await page.evaluate(f"whip.publish(...{json.dumps(about)})")


async def view(page: Page, node: NodeProcess, room: str) -> str:
    token = node.token(room, publish=False)
    await page.evaluate(f"whip.view({json.dumps(f'/rooms/{room}/whep?publisher=alice')}, {json.dumps(token)})")
    return token


async def sees_and_hears(viewer: Page, browser: str) -> None:
    await sees_movement(viewer, WATCHED)
    await hears_tone(viewer, f"{WATCHED}.srcObject", BROWSERS[browser].tone_hertz)


@pytest.mark.parametrize(
    ("node", "browser"),
    [
        pytest.param(1, "chromium", id="1-shard-chromium"),
        pytest.param(2, "firefox", id="2-shards-firefox"),
        pytest.param(2, "chromium", id="2-shards-chromium", marks=pytest.mark.slow),
        pytest.param(1, "firefox", id="1-shard-firefox", marks=pytest.mark.slow),
    ],
    indirect=["node"],
)
async def test_the_viewer_goes_on_with_who_comes_again(open_page: OpenPage, node: NodeProcess, browser: str) -> None:
    room = new_room()
    viewer = await open_client(open_page, browser, node)
    for encodings, leaves in (([], True), (SIMULCAST, False), ([], False), (SIMULCAST, True)):
        publisher = await open_client(open_page, "chromium", node)
        await publish(publisher, node, room, "VP8", encodings)
        if await viewer.evaluate("!whip.pc"):
            token = await view(viewer, node, room)
        await sees_and_hears(viewer, "chromium")
        if leaves:
            assert await publisher.evaluate(f"whip.leave('{node.token(room, peer='alice')}')") == 200
    assert await viewer.evaluate("whip.pc.connectionState") == "connected"
    assert await viewer.evaluate(f"whip.session('{token}')") == 204


@pytest.mark.parametrize(
    "node", [2, pytest.param(1, marks=pytest.mark.slow)], indirect=True, ids=["2-shards", "1-shard"]
)
async def test_a_codec_that_was_not_answered_ends_the_session(open_page: OpenPage, node: NodeProcess) -> None:
    room = new_room()
    viewer = await open_client(open_page, "chromium", node)
    first, second = await open_client(open_page, "chromium", node), await open_client(open_page, "chromium", node)
    await publish(first, node, room, "VP8")
    token = await view(viewer, node, room)
    await sees_and_hears(viewer, "chromium")
    await publish(second, node, room, "VP9")

    async def ended() -> bool:
        status = await viewer.evaluate(f"whip.session('{token}')")
        return bool(status == 404 and await viewer.evaluate("whip.pc.connectionState") != "connected")

    await until("the end of the session", ended, viewer)
    await viewer.evaluate(f"{WATCHED}.remove()")
    await view(viewer, node, room)
    await sees_and_hears(viewer, "chromium")
    assert await viewer.evaluate("whip.codec()") == "video/VP9"
