"""livekit-client in Chromium and Firefox, on one peer connection and on two."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import pytest

from tests.interop.browsers import Page
from tests.interop.livekit.conftest import LiveKitNode, SdkPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., Awaitable[SdkPage]]


WAYS = [("chromium", True), ("chromium", False), ("firefox", True), ("firefox", False)]
"""The browser, and whether one connection carries all."""
NAMES = [f"{browser}-{'one-connection' if single else 'two-connections'}" for browser, single in WAYS]


@pytest.fixture(params=[*WAYS[:3], pytest.param(WAYS[3], marks=pytest.mark.slow)], ids=NAMES)
def way(request: pytest.FixtureRequest) -> tuple[str, bool]:
    """Where two meet, all four are tried; the rest of what Firefox does on two connections is left to `make soak`."""
    browser, single = request.param
    return browser, single


@pytest.fixture
def enter(
    open_page: Callable[[str], Awaitable[Page]], livekit_node: LiveKitNode, sdk_site: str, way: tuple[str, bool]
) -> Enter:
    """Open a window and join."""
    browser, single = way
    room = f"room-{uuid.uuid4().hex[:12]}"

    async def open_and_join(identity: str, **options: object) -> SdkPage:
        page = SdkPage(await open_page(browser))
        await page.page.goto(sdk_site)
        token = livekit_node.join_token(room, identity)
        settings = {"singlePeerConnection": single, **options}
        assert await page.call("join", livekit_node.ws_url, token, settings) == "connected"
        return page

    return open_and_join


@pytest.mark.parametrize("way", WAYS, indirect=True, ids=NAMES)
async def test_two_publish_and_see_and_hear_each_other(enter: Enter) -> None:
    alice = await enter("alice")
    assert len(await alice.call("publish")) == 2
    bob = await enter("bob")
    assert len(await bob.call("publish")) == 2
    for page, other in ((alice, "bob"), (bob, "alice")):
        for source in ("camera", "microphone"):
            await page.until(f"flows('{other}', '{source}')")
        assert not await page.page.evaluate("saw('reconnecting') || saw('trackSubscriptionFailed')")
    await alice.until("saw('localTrackSubscribed')")
    await bob.call("room.disconnect")
    await alice.until("saw('participantDisconnected bob')")


async def test_what_a_publisher_does_is_seen(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    camera = (await alice.call("publish"))[1]
    await bob.until("flows('alice', 'camera')")
    await alice.call("room.localParticipant.setMicrophoneEnabled", False)
    await bob.until("saw('trackMuted') && remote('alice', 'microphone').isMuted")
    await alice.call("room.localParticipant.setMicrophoneEnabled", True)
    await bob.until("saw('trackUnmuted') && flows('alice', 'microphone')")
    await alice.call("room.localParticipant.setAttributes", {"hand": "up"})
    await bob.until("room.remoteParticipants.get('alice').attributes.hand === 'up'")
    await alice.call("room.localParticipant.setMetadata", "first row")
    await bob.until("room.remoteParticipants.get('alice').metadata === 'first row'")
    await alice.page.evaluate(
        "room.localParticipant.unpublishTrack(room.localParticipant.getTrackPublication('camera').track).then(() => 1)"
    )
    await bob.until("saw('trackUnsubscribed') && !remote('alice', 'camera')")
    await alice.call("publish")
    again = await bob.until("remote('alice', 'camera')?.trackSid")
    assert again != camera
    await bob.until("flows('alice', 'camera')")


async def test_a_subscriber_chooses_what_it_gets(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.call("publish", {"simulcast": True})
    await bob.until("flows('alice', 'camera')")
    await bob.until("received('alice', 'camera').then((got) => got.width > 320)", within=40.0)
    await bob.page.evaluate("remote('alice', 'camera').setVideoQuality(VideoQuality.LOW)")
    await bob.until("received('alice', 'camera').then((got) => got.width <= 320)")
    await bob.page.evaluate("remote('alice', 'camera').setEnabled(false)")
    await bob.until("flows('alice', 'camera').then((comes) => !comes)")
    await bob.page.evaluate("remote('alice', 'camera').setEnabled(true)")
    await bob.until("flows('alice', 'camera')")
    await bob.page.evaluate("remote('alice', 'camera').setSubscribed(false)")
    await bob.until("saw('trackUnsubscribed')")
    await bob.call("forget")
    await bob.page.evaluate("remote('alice', 'camera').setSubscribed(true)")
    await bob.until("saw('trackSubscribed') && flows('alice', 'camera')")


@pytest.mark.parametrize("way", WAYS[:2], indirect=True, ids=NAMES[:2])
async def test_layers_that_nobody_takes_are_not_sent(enter: Enter) -> None:
    # Not in Firefox: the SDK leaves dynacast to the encoder there, since it cannot switch single layers off.
    alice, bob = await enter("alice", dynacast=True), await enter("bob")
    await alice.call("publish", {"simulcast": True})
    await bob.until("flows('alice', 'camera')")
    await alice.until("sending().then((rids) => rids.length > 1)")
    await bob.page.evaluate("remote('alice', 'camera').setVideoQuality(VideoQuality.LOW)")
    await alice.until("sending().then((rids) => rids.length === 1)")
    await bob.page.evaluate("remote('alice', 'camera').setVideoQuality(VideoQuality.HIGH)")
    await alice.until("sending().then((rids) => rids.length > 1)")


async def test_a_session_goes_on_when_its_socket_is_cut(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    sids = await alice.call("publish")
    await bob.until("flows('alice', 'camera')")
    sid = await alice.page.evaluate("room.localParticipant.sid")
    for page in (alice, bob):
        await page.call("forget")
        await page.page.evaluate("room.simulateScenario('signal-reconnect').then(() => 1)")
        await page.until("saw('signalReconnecting') && saw('reconnected')", within=40.0)
    assert await alice.page.evaluate("room.localParticipant.sid") == sid
    assert not await bob.page.evaluate("saw('participantDisconnected') || saw('trackUnsubscribed')")
    await bob.until("flows('alice', 'camera')")
    told = "[...room.localParticipant.trackPublications.values()].map((each) => each.trackSid)"
    assert await alice.page.evaluate(told) == sids


async def test_a_session_that_begins_anew_publishes_again(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.call("publish")
    await bob.until("flows('alice', 'camera')")
    sid = await alice.page.evaluate("room.localParticipant.sid")
    await alice.page.evaluate("room.simulateScenario('leave-full-reconnect').then(() => 1)")
    await alice.until("saw('reconnected')", within=40.0)
    assert await alice.page.evaluate("room.localParticipant.sid") != sid
    await bob.until("flows('alice', 'camera')", within=40.0)


async def test_who_speaks_and_how_good_the_way_is(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.call("publish")
    await bob.until(
        "saw('activeSpeakersChanged alice') || room.activeSpeakers.some((each) => each.identity === 'alice')"
    )
    await alice.until("room.localParticipant.connectionQuality === 'excellent'")
    await bob.until("room.remoteParticipants.get('alice').connectionQuality === 'excellent'")


async def test_the_same_identity_twice(enter: Enter) -> None:
    first = await enter("alice")
    await enter("alice")
    await first.until("saw('disconnected')")
    assert await first.page.evaluate("room.state") == "disconnected"
