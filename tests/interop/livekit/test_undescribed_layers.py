"""Spatial layers of AV1 reach an SDK that offers no dependency descriptor, as its engine decodes them without."""

from __future__ import annotations

import asyncio

import pytest
from livekit import rtc

from tests.interop.conftest import OpenPage
from tests.interop.layered import WIDTH, Stage, scalable
from tests.interop.livekit.conftest import LiveKitNode
from tests.interop.node_process import new_room

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

IN_A_ROW = 20
PATIENCE = 20.0


@pytest.mark.parametrize("mode", ["L3T3", "L3T3_KEY"])
async def test_what_a_browser_publishes_is_seen_at_its_full_size(
    open_page: OpenPage, livekit_node: LiveKitNode, mode: str
) -> None:
    name = new_room()
    room = rtc.Room()
    tracks: asyncio.Queue[rtc.RemoteTrack] = asyncio.Queue()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    await room.connect(livekit_node.ws_url, livekit_node.join_token(name, "bob"))
    try:
        stage = Stage(livekit_node, name)
        publisher = await stage.publish(await open_page("chromium"), "AV1", scalable(mode))
        assert publisher is not None
        widths: list[int] = []
        async with asyncio.timeout(PATIENCE):
            async for event in rtc.VideoStream(await tracks.get()):
                widths.append(event.frame.width)
                if widths[-IN_A_ROW:] == [WIDTH] * IN_A_ROW:
                    break
    finally:
        await room.disconnect()
