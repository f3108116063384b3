"""livekit-client in Chromium when the server API brings its participant to another room."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest
from livekit import api

from tests.interop.browsers import Page
from tests.interop.livekit.conftest import KEY, SECRET, LiveKitNode, SdkPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("single", [True, False], ids=["one-connection", "two-connections"])
async def test_who_is_moved_is_seen_in_the_other_room(
    open_page: Callable[[str], Awaitable[Page]], livekit_node: LiveKitNode, sdk_site: str, single: bool
) -> None:
    here, there = (f"room-{uuid.uuid4().hex[:12]}" for _ in range(2))

    async def enter(identity: str, room: str) -> SdkPage:
        page = SdkPage(await open_page("chromium"))
        await page.page.goto(sdk_site)
        token = livekit_node.join_token(room, identity)
        options = {"singlePeerConnection": single}
        assert await page.call("join", livekit_node.ws_url, token, options) == "connected"
        return page

    alice, carol = await enter("alice", here), await enter("carol", there)
    await alice.call("publish")
    async with api.LiveKitAPI(livekit_node.url, KEY, SECRET) as lk:
        await lk.room.move_participant(api.MoveParticipantRequest(room=here, identity="alice", destination_room=there))
        await alice.until("saw('moved') && saw('reconnected') && room.remoteParticipants.has('carol')")
        await carol.until("flows('alice', 'camera')")
        listed = await lk.room.list_participants(api.ListParticipantsRequest(room=here))
    assert not listed.participants
    assert await alice.page.evaluate("room.name") == there
