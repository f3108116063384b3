"""What one participant may cost the others, and what it may do no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from livekit.protocol.models import ParticipantPermission, SubscriptionError, TrackSource, TrackType, VideoLayer
from livekit.protocol.rtc import (
    AddTrackRequest,
    RequestResponse,
    SignalRequest,
    SignalResponse,
    SyncState,
    UpdateSubscription,
    UpdateTrackSettings,
    UpdateVideoLayers,
)

from sfu.signaling.livekit.claims import VideoGrants, name_sources
from sfu.signaling.livekit.errors import MAX_NAMED_TRACKS, MAX_TRACK_BYTES
from sfu.signaling.livekit.join import Join
from sfu.signaling.livekit.participant import apply_permission, build_permission
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.subscribing import Subscribing
from tests.unit.signaling.livekit.conftest import Doors
from tests.unit.signaling.livekit.negotiating import MICROPHONE, answer_to, enter_single, offer, publish

LONG = "x" * (MAX_TRACK_BYTES + 1)
MANY = ["TR_x"] * (MAX_NAMED_TRACKS + 1)


@pytest.mark.parametrize(
    "request_",
    [
        SignalRequest(add_track=AddTrackRequest(cid="c", type=TrackType.AUDIO, name=LONG)),
        SignalRequest(update_layers=UpdateVideoLayers(track_sid="TR_x", layers=[VideoLayer(rid=LONG)])),
        SignalRequest(subscription=UpdateSubscription(track_sids=MANY, subscribe=True)),
        SignalRequest(track_setting=UpdateTrackSettings(track_sids=MANY)),
        SignalRequest(sync_state=SyncState(subscription=UpdateSubscription(track_sids=MANY))),
        SignalRequest(sync_state=SyncState(track_sids_disabled=MANY)),
    ],
    ids=lambda request_: request_.WhichOneof("message"),
)
async def test_a_request_that_would_cost_others_much_is_refused(doors: Doors, request_: SignalRequest) -> None:
    alice = await doors.enter("alice")
    await alice.until("join")
    await alice.send(request_)
    refused = (await alice.until("request_response")).request_response
    assert refused.reason == RequestResponse.Reason.LIMIT_EXCEEDED


async def test_what_was_announced_and_may_not_be_published_any_more_is_for_nobody(doors: Doors) -> None:
    alice = await enter_single(doors, "alice", tracks=[MICROPHONE])
    await alice.until("track_published")
    client = doors.livekit.rooms.by_name["lobby"].clients[0]
    client.set_permission(ParticipantPermission(can_subscribe=True))
    await alice.send(SignalRequest(offer=offer(("audio", "sendonly"))))
    await alice.until("answer")
    (track,) = doors.server.rooms["lobby"].tracks
    assert track.blocked
    assert not client.tracks


async def test_a_token_for_unknown_sources_only_publishes_nothing(doors: Doors) -> None:
    alice = await doors.enter("alice", grants={"can_publish_sources": ["hologram"]})
    await alice.send(SignalRequest(add_track=MICROPHONE))
    assert (await alice.until("request_response")).request_response.reason == RequestResponse.Reason.NOT_ALLOWED


def test_a_permission_turns_into_the_grants_that_it_came_from() -> None:
    for grants in (
        VideoGrants(room="lobby", room_join=True),
        VideoGrants(room="lobby", room_join=True, can_publish=False, can_subscribe=False, hidden=True),
        VideoGrants(can_publish_sources=frozenset({"camera", "screen_share"}), can_update_own_metadata=True),
    ):
        assert apply_permission(grants, build_permission(grants)) == grants


def test_a_source_that_is_not_known_does_not_stand_for_all() -> None:
    assert name_sources([]) is None
    assert name_sources([TrackSource.CAMERA, 99]) == {"camera", "99"}


class Undecodable:
    """Transports whose client cannot decode a track."""

    def __init__(self, published: PublishedTrack) -> None:
        self._published = published

    def list_refused(self) -> Iterator[PublishedTrack]:
        yield self._published


class Receiver:
    """Counts what it is told."""

    identity = "bob"
    join = Join()
    may_subscribe = True
    sees = staticmethod(lambda publisher, published: True)

    def __init__(self) -> None:
        self.told: list[SubscriptionError] = []

    def send(self, response: SignalResponse) -> None:
        self.told.append(response.subscription_response.err)


def test_tracks_that_never_were_are_not_remembered() -> None:
    receiver = Receiver()
    transports = Undecodable(PublishedTrack.announced(MICROPHONE))
    subscribing = Subscribing(receiver, transports, {})  # type: ignore[arg-type]
    for number in range(5000):
        subscribing.choose(f"TR_{number}", True)
    assert receiver.told == [SubscriptionError.SE_TRACK_NOTFOUND] * 5000
    receiver.told.clear()
    for _ in range(3):
        subscribing.apply()
    assert receiver.told == [SubscriptionError.SE_CODEC_UNSUPPORTED], "it is told once, whatever was asked for before"


async def test_what_is_published_is_still_there_for_who_asks_for_a_lot(doors: Doors) -> None:
    _, sid = await publish(doors)
    bob = await doors.enter("bob", auto_subscribe="0")
    await answer_to(bob, (await bob.until("offer")).offer)
    sids = [sid] * MAX_NAMED_TRACKS
    await bob.send(SignalRequest(subscription=UpdateSubscription(track_sids=sids, subscribe=True)))
    assert [*(await bob.until("offer")).offer.mid_to_track_id.values()] == [sid]
