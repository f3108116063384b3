"""Who receives data tracks, and by which handles."""

from __future__ import annotations

import pytest
from livekit.protocol.models import ParticipantPermission, SubscriptionError
from livekit.protocol.rtc import (
    RequestResponse,
    SignalRequest,
    SubscriptionPermission,
    SyncState,
    TrackPermission,
    UpdateDataSubscription,
)

from sfu.signaling.livekit.data_tracks.packet import MAX_HANDLE
from sfu.signaling.livekit.errors import MAX_NAMED_TRACKS
from sfu.signaling.livekit.options import LiveKitOptions
from tests.unit.signaling.livekit.conftest import Doors
from tests.unit.signaling.livekit.data_tracks.lines import Attendee, Update, attend
from tests.unit.signaling.livekit.data_tracks.packets import make_packet


@pytest.fixture
def options() -> LiveKitOptions:
    return LiveKitOptions(max_data_subscriptions=3, request_burst=100, request_rate=1000.0)


async def meet(doors: Doors, **query: str) -> tuple[Attendee, Attendee, str]:
    """Alice, who publishes a data track of handle 3, Bob, and its id."""
    alice, bob = await attend(doors, "alice"), await attend(doors, "bob", **query)
    sid = await alice.publish(3)
    await bob.sees("alice")
    return alice, bob, sid


async def test_who_asks_is_told_the_handle_and_gets_packets_under_it(doors: Doors) -> None:
    alice, bob, sid = await meet(doors)
    alice.push(make_packet(3))
    assert not bob.line.sent, "it was not asked for"
    ((handle, told),) = (await bob.subscribe(sid)).sub_handles.items()
    assert (told.publisher_identity, told.publisher_sid, told.track_sid) == ("alice", alice.client.sid, sid)
    alice.push(make_packet(3, b"one"))
    assert bob.line.sent == [make_packet(handle, b"one")]
    assert not alice.line.sent
    assert not (await bob.subscribe(sid, wanted=False)).sub_handles
    alice.push(make_packet(3, b"two"))
    assert len(bob.line.sent) == 1
    assert handle not in (await bob.subscribe(sid)).sub_handles, "late packets are not of the new subscription"


async def test_handles_are_the_subscriber_s_own(doors: Doors) -> None:
    alice, bob, sid = await meet(doors)
    carol = await attend(doors, "carol")
    other = await carol.publish(3)
    await bob.sees("carol")
    handles = (await bob.subscribe(sid, other)).sub_handles
    by_sid = {told.track_sid: handle for handle, told in handles.items()}
    assert {*by_sid} == {sid, other} and len({*by_sid.values()}) == 2
    carol.push(make_packet(3, b"carol"))
    alice.push(make_packet(3, b"alice"))
    assert bob.line.sent == [make_packet(by_sid[other], b"carol"), make_packet(by_sid[sid], b"alice")]


async def test_who_has_it_already_is_told_the_handle_again(doors: Doors) -> None:
    _, bob, sid = await meet(doors)
    first = await bob.subscribe(sid)
    assert await bob.subscribe(sid) == first


async def test_handles_begin_anew_behind_the_last_and_spare_those_in_use(doors: Doors) -> None:
    alice, bob, sid = await meet(doors)
    other = await alice.publish(4, "speed")
    await bob.sees("alice")
    assert [*(await bob.subscribe(sid)).sub_handles] == [1]
    bob.client.data_subscribing._last_handle = MAX_HANDLE
    assert {*(await bob.subscribe(other)).sub_handles} == {1, 2}


async def test_all_is_sent_to_who_came_with_that_wish(doors: Doors) -> None:
    alice, bob, sid = await meet(doors, auto_subscribe_data_track="1")
    (told,) = (await bob.handles()).sub_handles.values()
    assert told.track_sid == sid
    carol = await attend(doors, "carol", auto_subscribe_data_track="1")
    (told,) = (await carol.handles()).sub_handles.values()
    assert told.track_sid == sid
    alice.push(make_packet(3))
    assert len(bob.line.sent) == len(carol.line.sent) == 1
    await carol.publish(3)
    assert len((await bob.handles()).sub_handles) == 2
    assert not carol.line.sent[1:]


async def test_what_is_not_there_is_refused(doors: Doors) -> None:
    _, bob, _ = await meet(doors)
    mine = await bob.publish(9)
    for sid in (mine, "DTR_other"):
        assert not (await bob.subscribe(sid)).sub_handles
        responses = [each.subscription_response for each in bob.caller.seen if each.HasField("subscription_response")]
        assert (responses[-1].track_sid, responses[-1].err) == (sid, SubscriptionError.SE_TRACK_NOTFOUND)


async def test_who_names_too_many_is_refused(doors: Doors) -> None:
    _, bob, _ = await meet(doors)
    updates = [Update(track_sid="DTR_x", subscribe=True)] * (MAX_NAMED_TRACKS + 1)
    await bob.caller.send(SignalRequest(update_data_subscription=UpdateDataSubscription(updates=updates)))
    refused = (await bob.caller.until("request_response")).request_response
    assert refused.reason == RequestResponse.Reason.LIMIT_EXCEEDED
    assert "subscription_response" not in bob.caller.kinds()


async def test_subscriptions_are_bounded(doors: Doors) -> None:
    alice, bob, _ = await meet(doors)
    sids = [await alice.publish(number, f"n{number}") for number in range(10, 14)]
    for _ in sids:
        await bob.sees("alice")
    assert len((await bob.subscribe(*sids)).sub_handles) == 3
    responses = [each.subscription_response for each in bob.caller.seen if each.HasField("subscription_response")]
    assert [(each.track_sid, each.err) for each in responses] == [(sids[3], SubscriptionError.SE_UNKNOWN)]


async def test_who_may_not_subscribe_gets_nothing(doors: Doors) -> None:
    alice, bob, sid = await meet(doors)
    await bob.subscribe(sid)
    bob.client.set_permission(ParticipantPermission(can_subscribe=False))
    assert not (await bob.handles()).sub_handles
    alice.push(make_packet(3))
    assert not bob.line.sent
    bob.client.set_permission(ParticipantPermission(can_subscribe=True))
    assert len((await bob.handles()).sub_handles) == 1
    alice.push(make_packet(3))
    assert len(bob.line.sent) == 1


async def test_a_publisher_says_who_may_have_it(doors: Doors) -> None:
    alice, bob, sid = await meet(doors)
    carol = await attend(doors, "carol")
    await bob.subscribe(sid)
    await carol.subscribe(sid)
    permission = TrackPermission(participant_identity="bob", track_sids=[sid])
    permit = SubscriptionPermission(track_permissions=[permission])
    await alice.caller.send(SignalRequest(subscription_permission=permit))
    update = (await carol.caller.until("subscription_permission_update")).subscription_permission_update
    assert (update.participant_sid, update.track_sid, update.allowed) == (alice.client.sid, sid, False)
    assert not (await carol.handles()).sub_handles
    alice.push(make_packet(3))
    assert (len(bob.line.sent), len(carol.line.sent)) == (1, 0)
    await alice.caller.send(SignalRequest(subscription_permission=SubscriptionPermission(all_participants=True)))
    assert (await carol.caller.until("subscription_permission_update")).subscription_permission_update.allowed
    assert len((await carol.handles()).sub_handles) == 1
    alice.push(make_packet(3))
    assert (len(bob.line.sent), len(carol.line.sent)) == (2, 1)


class TestResume:
    async def test_handles_are_told_again(self, doors: Doors) -> None:
        alice, bob, sid = await meet(doors)
        handles = await bob.subscribe(sid)
        await bob.caller.hang_up()
        other = await alice.publish(4, "speed")
        again = await doors.enter("bob", reconnect="1", sid=bob.client.sid)
        bob.caller = again
        assert [each.pub_handle for each in (await bob.sees("alice")).data_tracks] == [3, 4], "first what there is"
        assert await bob.handles() == handles
        subscription = UpdateDataSubscription(updates=[Update(track_sid=other, subscribe=True)])
        await again.send(SignalRequest(sync_state=SyncState(data_subscription=subscription)))
        assert len((await bob.handles()).sub_handles) == 2
