"""The server API of a running node, called by the Python server SDK, about clients of the Python SDK in its rooms."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from livekit import api, rtc
from livekit.protocol.models import ParticipantInfo

from tests.interop.livekit.server_api.node import (
    KEY,
    PATIENCE_S,
    SECRET,
    Node,
    call,
    count_subscriptions,
    entered,
    speaking,
    until,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_rooms_are_made_listed_changed_and_deleted(lk: api.LiveKitAPI) -> None:
    request = api.CreateRoomRequest(name="one", empty_timeout=60, departure_timeout=7, max_participants=3, metadata="m")
    made = await lk.room.create_room(request)
    assert made.sid.startswith("RM_") and made.creation_time > 0
    assert (made.name, made.empty_timeout, made.departure_timeout) == ("one", 60, 7)
    assert (made.max_participants, made.metadata, made.num_participants) == (3, "m", 0)
    again = await lk.room.create_room(api.CreateRoomRequest(name="one", metadata="n"))
    assert (again.sid, again.metadata, again.empty_timeout) == (made.sid, "n", 60)
    await lk.room.create_room(api.CreateRoomRequest(name="two"))
    listed = await lk.room.list_rooms(api.ListRoomsRequest())
    assert {"one", "two"} <= {room.name for room in listed.rooms}
    some = await lk.room.list_rooms(api.ListRoomsRequest(names=["two", "none"]))
    assert [room.name for room in some.rooms] == ["two"]
    changed = await lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room="one", metadata="new"))
    assert changed.metadata == "new"
    for name in ("one", "two"):
        await lk.room.delete_room(api.DeleteRoomRequest(room=name))
    assert not (await lk.room.list_rooms(api.ListRoomsRequest(names=["one", "two"]))).rooms
    for each in (
        lk.room.delete_room(api.DeleteRoomRequest(room="one")),
        lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room="one", metadata="x")),
        lk.room.get_participant(api.RoomParticipantIdentity(room="one", identity="x")),
    ):
        with pytest.raises(api.TwirpError) as refused:
            await each
        assert (refused.value.code, refused.value.status) == ("not_found", 404)
    assert not (await lk.room.list_participants(api.ListParticipantsRequest(room="one"))).participants


@pytest.mark.parametrize("name", ["", "x" * 300, "a\nb", "\u202e"])
async def test_a_room_has_a_name_that_can_be_seen(lk: api.LiveKitAPI, name: str) -> None:
    with pytest.raises(api.TwirpError) as refused:
        await lk.room.create_room(api.CreateRoomRequest(name=name))
    assert refused.value.code == "invalid_argument"


async def test_metadata_is_bounded(lk: api.LiveKitAPI) -> None:
    for each in (
        lk.room.create_room(api.CreateRoomRequest(name="large", metadata="m" * 64_001)),
        lk.room.update_room_metadata(api.UpdateRoomMetadataRequest(room="large", metadata="ü" * 32_001)),
    ):
        with pytest.raises(api.TwirpError) as refused:
            await each
        assert refused.value.code == "invalid_argument"


async def test_participants_are_seen_changed_and_put_out(lk: api.LiveKitAPI, node: Node) -> None:
    async with entered(node, "court", "alice") as alice, entered(node, "court", "bob", hidden=True):
        changes: list[str] = []
        for event in ("participant_metadata_changed", "participant_name_changed", "participant_attributes_changed"):
            alice.on(event, lambda *_, event=event: changes.append(event))
        listed = await lk.room.list_participants(api.ListParticipantsRequest(room="court"))
        assert {each.identity for each in listed.participants} == {"alice", "bob"}
        got = await lk.room.get_participant(api.RoomParticipantIdentity(room="court", identity="alice"))
        assert (got.identity, got.name, got.kind) == ("alice", "Alice", ParticipantInfo.Kind.STANDARD)
        assert got.sid == alice.local_participant.sid
        request = api.UpdateParticipantRequest(
            room="court", identity="alice", name="A.", metadata="m", attributes={"role": "judge"}
        )
        updated = await lk.room.update_participant(request)
        assert (updated.name, updated.metadata, dict(updated.attributes)) == ("A.", "m", {"role": "judge"})
        await until(lambda: len(changes) == 3)
        assert alice.local_participant.metadata == "m"
        large = api.UpdateParticipantRequest(room="court", identity="alice", name="B.", attributes={"x": "y" * 65_000})
        with pytest.raises(api.TwirpError):
            await lk.room.update_participant(large)
        assert (await lk.room.get_participant(api.RoomParticipantIdentity(room="court", identity="alice"))).name == "A."
        await lk.room.remove_participant(api.RoomParticipantIdentity(room="court", identity="alice"))
        await until(lambda: alice.connection_state == rtc.ConnectionState.CONN_DISCONNECTED)
        with pytest.raises(api.TwirpError, match="does not exist"):
            await lk.room.remove_participant(api.RoomParticipantIdentity(room="court", identity="alice"))


async def test_tracks_are_muted_and_subscriptions_changed(lk: api.LiveKitAPI, node: Node) -> None:
    async with entered(node, "tracks", "alice") as alice, entered(node, "tracks", "bob") as bob:
        subscribed: list[str] = []
        bob.on("track_subscribed", lambda track, publication, _: subscribed.append(publication.sid))
        bob.on("track_unsubscribed", lambda track, publication, _: subscribed.remove(publication.sid))
        async with speaking(lk, alice) as published:
            await until(lambda: subscribed == [published.sid])
            mute = api.MuteRoomTrackRequest(room="tracks", identity="alice", track_sid=published.sid, muted=True)
            muted = await lk.room.mute_published_track(mute)
            assert (muted.track.sid, muted.track.muted) == (published.sid, True)
            remote = bob.remote_participants["alice"].track_publications[published.sid]
            await until(lambda: remote.muted)
            mute.muted = False
            with pytest.raises(api.TwirpError) as refused:
                await lk.room.mute_published_track(mute)
            assert refused.value.code == "failed_precondition"
            change = api.UpdateSubscriptionsRequest(room="tracks", identity="bob", track_sids=[published.sid])
            for subscribe, count in ((False, 0), (True, 1)):
                change.subscribe = subscribe
                await lk.room.update_subscriptions(change)
                async with asyncio.timeout(PATIENCE_S):
                    while await count_subscriptions(node, "tracks") != count:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
            for wrong in (
                lk.room.mute_published_track(
                    api.MuteRoomTrackRequest(room="tracks", identity="alice", track_sid="TR_none", muted=True)
                ),
                lk.room.update_subscriptions(
                    api.UpdateSubscriptionsRequest(room="tracks", identity="bob", track_sids=["TR_none"])
                ),
            ):
                with pytest.raises(api.TwirpError) as refused:
                    await wrong
                assert refused.value.code == "not_found"


async def test_who_may_not_publish_any_more_is_heard_no_more(lk: api.LiveKitAPI, node: Node) -> None:
    async with entered(node, "rights", "alice") as alice, entered(node, "rights", "bob") as bob:
        subscribed: list[str] = []
        bob.on("track_subscribed", lambda track, publication, _: subscribed.append(publication.sid))
        bob.on("track_unpublished", lambda publication, _: subscribed.remove(publication.sid))
        async with speaking(lk, alice) as published:
            await until(lambda: subscribed == [published.sid])
            request = api.UpdateParticipantRequest(
                room="rights",
                identity="alice",
                permission=api.ParticipantPermission(can_publish=False, can_subscribe=True),
            )
            updated = await lk.room.update_participant(request)
            assert not updated.permission.can_publish and not updated.tracks
            await until(lambda: subscribed == [])
            assert not alice.local_participant.permissions.can_publish


async def test_data_reach_who_they_are_for(lk: api.LiveKitAPI, node: Node) -> None:
    async with entered(node, "data", "alice") as alice, entered(node, "data", "bob") as bob:
        got: dict[str, list[tuple[bytes, str | None]]] = {"alice": [], "bob": []}
        for name, client in (("alice", alice), ("bob", bob)):
            client.on("data_received", lambda packet, name=name: got[name].append((packet.data, packet.topic)))
        reliable = api.DataPacket.Kind.RELIABLE
        await lk.room.send_data(api.SendDataRequest(room="data", data=b"all", kind=reliable, topic="t"))
        await until(lambda: got == {"alice": [(b"all", "t")], "bob": [(b"all", "t")]})
        by_identity = api.SendDataRequest(room="data", data=b"one", kind=reliable, destination_identities=["bob"])
        await lk.room.send_data(by_identity)
        by_sid = api.SendDataRequest(
            room="data", data=b"two", kind=reliable, destination_sids=[alice.local_participant.sid]
        )
        await lk.room.send_data(by_sid)
        once = api.SendDataRequest(room="data", data=b"once", kind=reliable, nonce=b"n" * 16)
        for _ in range(3):  # the SDK gives each call a nonce of its own
            assert (await call(node, "SendData", once)).status_code == 200
        for number in range(10):
            await lk.room.send_data(api.SendDataRequest(room="data", data=bytes([number]) * 60_000, kind=reliable))
        await until(lambda: len(got["alice"]) == len(got["bob"]) == 13)
        assert [data[:4] for data, _ in got["bob"][:3]] == [b"all", b"one", b"once"]
        assert [data[:4] for data, _ in got["alice"][:3]] == [b"all", b"two", b"once"]
        for name in got:
            assert [data[0] for data, _ in got[name][3:]] == list(range(10))
        await lk.room.send_data(api.SendDataRequest(room="data", data=b"lossy", kind=api.DataPacket.Kind.LOSSY))
        await until(lambda: got["alice"][-1][0] == got["bob"][-1][0] == b"lossy")
        for wrong, status in (
            (api.SendDataRequest(room="data", data=b"x" * 64_001), 400),
            (api.SendDataRequest(room="data", data=b"x", nonce=b"short"), 400),
            (api.SendDataRequest(room="data-none", data=b"x"), 404),
        ):
            assert (await call(node, "SendData", wrong)).status_code == status


async def test_the_same_calls_in_json(lk: api.LiveKitAPI, node: Node) -> None:
    grants = api.VideoGrants(room_create=True, room_list=True, room_admin=True, room="json")
    headers = {"Authorization": f"Bearer {api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()}"}
    async with httpx.AsyncClient(base_url=f"{node.url}/twirp/livekit.RoomService/", headers=headers) as client:

        async def call(method: str, **fields: Any) -> tuple[int, dict[str, Any]]:
            response = await client.post(method, json=fields)
            return response.status_code, response.json()

        status, made = await call("CreateRoom", name="json", emptyTimeout=60)
        assert (status, made["empty_timeout"]) == (200, 60)
        async with entered(node, "json", "alice") as alice, speaking(lk, alice) as published:
            status, listed = await call("ListParticipants", room="json")
            assert (status, [each["identity"] for each in listed["participants"]]) == (200, ["alice"])
            status, got = await call("GetParticipant", room="json", identity="alice")
            assert (status, got["tracks"][0]["sid"]) == (200, published.sid)
            status, muted = await call(
                "MutePublishedTrack", room="json", identity="alice", trackSid=published.sid, muted=True
            )
            assert (status, muted["track"]["muted"]) == (200, True)
            status, updated = await call("UpdateParticipant", room="json", identity="alice", metadata="m")
            assert (status, updated["metadata"]) == (200, "m")
            status, changed = await call("UpdateRoomMetadata", room="json", metadata="m")
            assert (status, changed["metadata"]) == (200, "m")
            assert await call("RemoveParticipant", room="json", identity="alice") == (200, {})
        status, refused = await call("MoveParticipant", room="json", identity="alice", destinationRoom="x")
        assert (status, refused["code"]) == (403, "permission_denied")
        status, rooms = await call("ListRooms", names=["json"])
        assert (status, [room["name"] for room in rooms["rooms"]]) == (200, ["json"])
        assert await call("DeleteRoom", room="json") == (200, {})


async def test_who_is_moved_is_heard_in_the_other_room(lk: api.LiveKitAPI, node: Node) -> None:
    async with entered(node, "here", "alice") as alice, entered(node, "there", "carol") as carol:
        heard: list[str] = []
        carol.on("track_subscribed", lambda track, publication, who: heard.append(who.identity))
        names: list[str] = []
        alice.on("moved", lambda: names.append(alice.name))
        async with speaking(lk, alice):
            move = api.MoveParticipantRequest(room="here", identity="alice", destination_room="there")
            await lk.room.move_participant(move)
            await until(lambda: names == ["there"])
            await until(lambda: heard == ["alice"])
            await until(lambda: "carol" in alice.remote_participants)
            me = api.RoomParticipantIdentity(room="here", identity="alice")
            with pytest.raises(api.TwirpError, match="does not exist"):
                await lk.room.get_participant(me)
