"""livekit-client in Chromium on a path that carries nothing for five seconds, while its socket lives."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable

import pytest

from tests.interop.browsers import Page
from tests.interop.livekit.conftest import LiveKitNode, SdkPage
from tests.interop.paths import delayed

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BLOCKED_S = 5.0
STATE = (
    "[room.localParticipant.sid, ...[...room.localParticipant.trackPublications.values()].map((each) => each.trackSid),"
    " ...[...room.remoteParticipants.values()].map((each) => each.sid)]"
)


async def test_media_go_on_after_five_seconds_without_a_path(
    open_page: Callable[[str], Awaitable[Page]], livekit_node: LiveKitNode, sdk_site: str
) -> None:
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def enter(identity: str, *detour: object) -> SdkPage:
        page = SdkPage(await open_page("chromium"))
        await page.page.goto(sdk_site)
        if detour:
            await page.call("detour", *detour)
        assert await page.call("join", livekit_node.ws_url, livekit_node.join_token(room, identity), {}) == "connected"
        await page.call("publish")
        return page

    bob = await enter("bob")
    with delayed(0.0) as path:
        path.rewrite(await bob.page.evaluate("room.engine.pcManager.publisher.pc.remoteDescription.sdp"))
        alice = await enter("alice", *path.address)
        both = ((alice, "bob"), (bob, "alice"))

        async def all_flow() -> None:
            received = [(page, other, source) for page, other in both for source in ("camera", "microphone")]
            await asyncio.gather(*(page.until(f"flows('{other}', '{source}')") for page, other, source in received))

        await all_flow()
        state = await alice.page.evaluate(STATE)
        passed = path.counts().up.sent
        assert passed, "its media take that path"
        path.change(up={"loss": 1.0}, down={"loss": 1.0})
        loop = asyncio.get_running_loop()
        until = loop.time() + BLOCKED_S
        for page, other in both:
            await page.until(f"flows('{other}', 'microphone').then((comes) => !comes)")
        await asyncio.sleep(until - loop.time())
        path.change(up={"loss": 0.0}, down={"loss": 0.0})
        await all_flow()
        assert await alice.page.evaluate(STATE) == state, "it is who it was, and so is what it publishes"
        assert not await bob.page.evaluate("saw('participantDisconnected') || saw('trackUnsubscribed')")
