"""The Python SDK, whose engine is that of Rust, Node and others: two participants on a node."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from livekit import rtc

from tests.interop.livekit.attendee import Attendee
from tests.interop.livekit.conftest import LiveKitNode

pytestmark = [pytest.mark.stable, pytest.mark.asyncio(loop_scope="session")]

Enter = Callable[..., "asyncio.Future[Attendee]"]


@pytest.fixture(params=[True, False], ids=["one-connection", "two-connections"])
def single(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def enter(livekit_node: LiveKitNode, single: bool) -> AsyncIterator[Enter]:
    name = f"room-{uuid.uuid4().hex[:12]}"
    entered: list[Attendee] = []

    async def join(identity: str, *, auto_subscribe: bool = True) -> Attendee:
        attendee = Attendee()
        entered.append(attendee)
        options = rtc.RoomOptions(auto_subscribe=auto_subscribe, single_peer_connection=single)
        await attendee.room.connect(livekit_node.ws_url, livekit_node.join_token(name, identity), options)
        return attendee

    yield join  # type: ignore[misc]
    for attendee in entered:
        await attendee.close()


async def test_sound_and_pictures_come_early_and_late(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    published = await alice.publish()
    await bob.until(lambda: bob.frames["video"] > 20 and bob.frames["audio"] > 20)
    await alice.until(lambda: "local_track_subscribed" in alice.seen)
    assert bob.publication("alice", "video").sid == published["video"].sid
    carol = await enter("carol")
    await carol.until(lambda: carol.frames["video"] > 20 and carol.frames["audio"] > 20)
    assert {*carol.room.remote_participants} == {"alice", "bob"}
    await alice.close()
    await bob.until(lambda: "participant_disconnected" in bob.seen)
    assert not any("failed" in each or "reconnect" in each for each in bob.seen + carol.seen)


async def test_mutes_and_unpublished_tracks_are_told(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    published = await alice.publish()
    await bob.until(lambda: bob.frames["video"] > 5 and bob.frames["audio"] > 5)
    published["audio"].track.mute()  # type: ignore[union-attr]
    await bob.until(lambda: "track_muted" in bob.seen and bob.publication("alice", "audio").muted)
    published["audio"].track.unmute()  # type: ignore[union-attr]
    await bob.until(lambda: "track_unmuted" in bob.seen)
    await bob.more("audio")
    await alice.room.local_participant.unpublish_track(published["video"].sid)
    await bob.until(lambda: "track_unpublished" in bob.seen and "track_unsubscribed" in bob.seen)
    await alice.publish()
    await bob.more("video")


async def test_what_one_says_of_oneself_is_passed_on(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.room.local_participant.set_metadata("first row")
    await alice.room.local_participant.set_attributes({"hand": "up"})
    await alice.room.local_participant.set_name("Alice A.")
    await bob.until(lambda: bob.other("alice").name == "Alice A.")
    assert bob.other("alice").metadata == "first row"
    assert bob.other("alice").attributes == {"hand": "up"}


async def test_a_subscriber_chooses_track_by_track(enter: Enter) -> None:
    alice = await enter("alice")
    await alice.publish()
    bob = await enter("bob", auto_subscribe=False)
    await bob.until(lambda: "alice" in bob.room.remote_participants and len(bob.other("alice").track_publications) == 2)
    bob.publication("alice", "video").set_subscribed(True)
    await bob.more("video")
    assert not bob.frames["audio"]
    bob.publication("alice", "video").set_subscribed(False)
    await bob.until(lambda: "track_unsubscribed" in bob.seen)
    bob.publication("alice", "video").set_subscribed(True)
    await bob.more("video")


@pytest.mark.parametrize("anew", [False, True], ids=["resumed", "anew"])
async def test_media_go_on_when_a_session_is_resumed_or_begins_anew(enter: Enter, anew: bool) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.publish()
    await bob.publish()
    for each in (alice, bob):
        await each.until(lambda each=each: each.frames["video"] > 20 and each.frames["audio"] > 20)
    sid, told = alice.room.local_participant.sid, {*alice.room.local_participant.track_publications}
    kind = rtc.SimulateScenarioKind
    await alice.room.simulate_scenario(kind.SIMULATE_FULL_RECONNECT if anew else kind.SIMULATE_SIGNAL_RECONNECT)
    if anew:
        await alice.until(lambda: "reconnected" in alice.seen)
        await bob.until(lambda: bob.other("alice").sid != sid)
    for each in (alice, bob):
        for media in ("video", "audio"):
            await each.more(media)
    mine = alice.room.local_participant
    assert len(mine.track_publications) == 2
    assert ("track_unsubscribed" in bob.seen) is anew
    if not anew:
        assert (mine.sid, {*mine.track_publications}) == (sid, told)


async def test_who_speaks_and_how_good_the_way_is(enter: Enter) -> None:
    alice, bob = await enter("alice"), await enter("bob")
    await alice.publish()
    await bob.until(lambda: "active_speakers_changed" in bob.seen and "connection_quality_changed" in bob.seen)
    assert bob.other("alice").connection_quality == rtc.ConnectionQuality.QUALITY_EXCELLENT


async def test_the_same_identity_twice(enter: Enter) -> None:
    first = await enter("alice")
    second = await enter("alice")
    await first.until(lambda: "disconnected" in first.seen)
    assert second.room.isconnected()
