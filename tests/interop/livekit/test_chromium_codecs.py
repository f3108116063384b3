"""livekit-client in Chromium, as its users set it up: VP9 and AV1 in layers of one stream, a second codec, screens."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest

from tests.interop.browsers import Page
from tests.interop.livekit.conftest import LiveKitNode, SdkPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[SdkPage]]
WIDTH, HEIGHT = 640, 360
SOUNDS = ("screen_share_audio", "microphone")
# of this size Chromium makes two spatial layers
CAPTURE = {"resolution": {"width": WIDTH, "height": HEIGHT, "frameRate": 15}}


@pytest.fixture
def enter(open_page: Callable[[str], Awaitable[Page]], livekit_node: LiveKitNode, sdk_site: str) -> Enter:
    """Open a window and join; `decodes`: the one codec that it takes."""
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def open_and_join(identity: str, *, decodes: str = "", **options: object) -> SdkPage:
        page = SdkPage(await open_page("chromium"))
        await page.page.goto(sdk_site)
        if decodes:
            await page.page.evaluate(f"decodeOnly('{decodes}')")
        token = livekit_node.join_token(room, identity)
        assert await page.call("join", livekit_node.ws_url, token, options) == "connected"
        return page

    return open_and_join


@pytest.mark.parametrize("codec", ["vp9", "av1"])
async def test_layers_of_one_stream_are_chosen_among_and_not_sent_for_nobody(enter: Enter, codec: str) -> None:
    alice, bob = await enter("alice", dynacast=True), await enter("bob")
    await alice.call("publish", {"videoCodec": codec, "scalabilityMode": "L3T3_KEY", "backupCodec": False}, CAPTURE)
    await bob.until(f"received('alice', 'camera').then((got) => got?.width === {WIDTH})", within=30.0)
    assert (await bob.call("received", "alice", "camera"))["codec"].lower() == f"video/{codec}"
    camera = "remote('alice', 'camera')"
    for change, width in (
        (f"{camera}.setVideoQuality(VideoQuality.LOW)", WIDTH // 2),
        (f"{camera}.setVideoQuality(VideoQuality.HIGH)", WIDTH),
        (f"{camera}.setVideoDimensions({{ width: {WIDTH // 4}, height: {HEIGHT // 4} }})", WIDTH // 2),
    ):
        await bob.page.evaluate(change)
        await bob.until(f"received('alice', 'camera').then((got) => got.width === {width})")
        await bob.until("flows('alice', 'camera')")
    await bob.page.evaluate(f"{camera}.setEnabled(false)")
    await alice.until("sending().then((rids) => rids.length === 0)")
    await bob.page.evaluate(f"{camera}.setEnabled(true)")
    await bob.until("flows('alice', 'camera')")


async def test_who_cannot_decode_the_first_codec_gets_the_second(enter: Enter) -> None:
    alice, bob, carol = await enter("alice"), await enter("bob"), await enter("carol", decodes="VP8")
    await alice.call("publish", {"videoCodec": "vp9", "backupCodec": True}, CAPTURE)
    for page, codec in ((bob, "video/VP9"), (carol, "video/VP8")):
        await page.until("flows('alice', 'camera')", within=30.0)
        assert (await page.call("received", "alice", "camera"))["codec"] == codec
        assert not await page.page.evaluate("saw('trackSubscriptionFailed')")
    assert await bob.page.evaluate("room.remoteParticipants.get('alice').trackPublications.size") == 2


async def test_a_screen_with_its_sound_and_a_microphone_with_redundancy(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.call("shareScreen")
    for source in ("screen_share", *SOUNDS):
        await bob.until(f"flows('alice', '{source}')")
    kinds = [await bob.page.evaluate(f"remote('alice', '{source}').mimeType") for source in SOUNDS]
    assert kinds == ["audio/opus", "audio/red"]
    plain, redundant = [(await bob.call("received", "alice", source))["octets"] for source in SOUNDS]
    assert redundant > 1.5 * plain, "each packet has the one before it, too"
