"""Webhooks, egress, ingress and agents of the server API, by the SDKs."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from livekit import api, rtc
from livekit.protocol.agent import JobStatus, JobType, ServerMessage, WorkerMessage
from livekit.protocol.models import ParticipantInfo, TrackSource
from livekit.protocol.room import RoomConfiguration
from websockets.asyncio.client import connect

import sfu
from sfu.recording.reader import read_record
from sfu.recording.verify import Outcome, verify_record
from tests.interop.livekit.server_api.node import (
    KEY,
    SECRET,
    Node,
    Receiver,
    entered,
    speaking,
    until,
)

pytestmark = [pytest.mark.breadth, pytest.mark.asyncio(loop_scope="session")]


async def test_webhooks_tell_what_happens_in_a_room_in_order(
    lk: api.LiveKitAPI, node: Node, receiver: Receiver
) -> None:
    async with entered(node, "hooks", "alice") as alice, speaking(lk, alice) as published:
        await until(lambda: "track_published" in receiver.names("hooks"))
        await alice.local_participant.unpublish_track(published.sid)
        await until(lambda: "track_unpublished" in receiver.names("hooks"))
    await lk.room.delete_room(api.DeleteRoomRequest(room="hooks"))
    await until(lambda: "room_finished" in receiver.names("hooks"))
    assert receiver.names("hooks") == [
        "room_started", "participant_joined", "track_published", "track_unpublished", "participant_left",
        "room_finished",
    ]  # fmt: skip
    events = receiver.of("hooks")
    assert len({event.room.sid for event in events}) == 1
    assert events[1].participant.identity == "alice"
    assert events[2].track.source == TrackSource.MICROPHONE
    assert receiver.refusals == []


async def test_egress_makes_a_file_of_a_room_with_a_signed_record_under_it(
    lk: api.LiveKitAPI, node: Node, receiver: Receiver
) -> None:
    async with entered(node, "egress", "alice") as alice, speaking(lk, alice) as published:
        track = api.TrackEgressRequest(
            room_name="egress", track_id=published.sid, file=api.DirectFileOutput(filepath="t/{track_id}")
        )
        info = await lk.egress.start_track_egress(track)
        assert info.status == api.EgressStatus.EGRESS_ACTIVE
        beside = await lk.egress.start_track_egress(track)
        active = await lk.egress.list_egress(api.ListEgressRequest(room_name="egress", active=True))
        assert {each.egress_id for each in active.items} == {info.egress_id, beside.egress_id}
        await asyncio.sleep(3)  # of media
        for each in (info, beside):
            await lk.egress.stop_egress(api.StopEgressRequest(egress_id=each.egress_id))
        await until(lambda: receiver.names("egress").count("egress_ended") == 2)
        (ended,) = (await lk.egress.list_egress(api.ListEgressRequest(egress_id=info.egress_id))).items
        assert ended.status == api.EgressStatus.EGRESS_COMPLETE, ended.error
        assert (node.folder / "files" / ended.file_results[0].filename).stat().st_size == ended.file_results[0].size > 0
        record = node.folder / "records" / ended.details.removeprefix("record ").partition(", ")[0]
        assert verify_record(record, node.key.public).outcome is Outcome.INTACT
        assert [(each.peer, each.kind) for each in read_record(record).sources] == [("alice", "audio")]
    for call in (
        lk.egress.start_web_egress(api.WebEgressRequest(url="http://x")),
        lk.egress.update_layout(api.UpdateLayoutRequest(egress_id=info.egress_id, layout="speaker")),
        lk.egress.update_stream(api.UpdateStreamRequest(egress_id=info.egress_id)),
    ):
        with pytest.raises(api.TwirpError) as refused:
            await call
        assert refused.value.code == "unimplemented"


async def test_an_ingress_lets_a_whip_client_publish_by_its_stream_key(
    lk: api.LiveKitAPI, node: Node, receiver: Receiver
) -> None:
    request = api.CreateIngressRequest(
        input_type=api.IngressInput.WHIP_INPUT,
        name="obs",
        room_name="ingress",
        participant_identity="camera",
        participant_name="Camera 1",
    )
    info = await lk.ingress.create_ingress(request)
    assert info.url == f"{node.url}/rooms/ingress/whip"
    pc = RTCPeerConnection()
    pc.addTrack(AudioStreamTrack())
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": f"Bearer {info.stream_key}", "Content-Type": "application/sdp"}
    async with httpx.AsyncClient() as client, entered(node, "ingress", "alice") as alice:
        answer = await client.post(info.url, content=pc.localDescription.sdp, headers=headers)
        assert answer.status_code == 201, answer.text
        await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        await until(lambda: "camera" in alice.remote_participants)
        assert alice.remote_participants["camera"].name == "Camera 1"
        await until(lambda: "ingress_started" in receiver.names("ingress"))
        (listed,) = (await lk.ingress.list_ingress(api.ListIngressRequest(room_name="ingress"))).items
        assert listed.state.status == api.IngressState.Status.ENDPOINT_PUBLISHING
        updated = await lk.ingress.update_ingress(api.UpdateIngressRequest(ingress_id=info.ingress_id, name="new"))
        assert (updated.name, updated.stream_key) == ("new", info.stream_key)
        await lk.ingress.delete_ingress(api.DeleteIngressRequest(ingress_id=info.ingress_id))
        await until(lambda: "camera" not in alice.remote_participants)
        refused = await client.post(info.url, content=pc.localDescription.sdp, headers=headers)
        assert refused.status_code == 401
    await pc.close()
    with pytest.raises(api.TwirpError) as error:
        await lk.ingress.create_ingress(api.CreateIngressRequest(input_type=api.IngressInput.RTMP_INPUT))
    assert error.value.code == "unimplemented"


async def test_an_agent_is_sent_into_a_room_and_enters_with_the_token_of_its_job(
    lk: api.LiveKitAPI, node: Node, receiver: Receiver
) -> None:
    agent_token = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(agent=True)).to_jwt()
    url = node.url.replace("http", "ws") + "/agent"
    async with connect(url, additional_headers={"Authorization": f"Bearer {agent_token}"}) as worker:
        register = WorkerMessage(register={"type": JobType.JT_ROOM, "agent_name": "helper"})
        await worker.send(register.SerializeToString())
        assert ServerMessage.FromString(await worker.recv()).register.worker_id.startswith("AW_")
        await lk.room.create_room(api.CreateRoomRequest(name="agents"))
        dispatch = await lk.agent_dispatch.create_dispatch(
            api.CreateAgentDispatchRequest(agent_name="helper", room="agents", metadata="m")
        )
        offer = ServerMessage.FromString(await worker.recv()).availability
        assert (offer.job.metadata, offer.job.room.name) == ("m", "agents")
        answer = WorkerMessage(
            availability={"job_id": offer.job.id, "available": True, "participant_identity": "robot"}
        )
        await worker.send(answer.SerializeToString())
        assignment = ServerMessage.FromString(await worker.recv()).assignment
        robot = rtc.Room()
        await robot.connect(node.url.replace("http", "ws"), assignment.token)
        got = await lk.room.get_participant(api.RoomParticipantIdentity(room="agents", identity="robot"))
        assert got.kind == ParticipantInfo.Kind.AGENT
        assert got.attributes["lk.agent_name"] == "helper"
        listed = await lk.agent_dispatch.list_dispatch("agents")
        (mine,) = [each for each in listed if each.id == dispatch.id]
        assert [job.state.status for job in mine.state.jobs] == [JobStatus.JS_RUNNING]
        await lk.agent_dispatch.delete_dispatch(dispatch.id, "agents")
        assert ServerMessage.FromString(await worker.recv()).termination.job_id == offer.job.id
        await robot.disconnect()
        await until(lambda: "agent_job_ended" in receiver.names("agents"))


async def test_a_token_may_say_what_room_it_makes(lk: api.LiveKitAPI, node: Node) -> None:
    video = api.VideoGrants(room_join=True, room="configured")
    config = RoomConfiguration(metadata="from the token", max_participants=1)
    made = api.AccessToken(KEY, SECRET).with_identity("alice").with_grants(video).with_room_config(config).to_jwt()
    client = rtc.Room()
    await client.connect(node.url.replace("http", "ws"), made)
    (room,) = (await lk.room.list_rooms(api.ListRoomsRequest(names=["configured"]))).rooms
    assert (room.metadata, room.max_participants, room.num_participants) == ("from the token", 1, 1)
    await client.disconnect()


async def test_an_expired_token_and_a_missing_grant_are_told_apart(node: Node) -> None:
    expired = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(room_list=True))
    expired.ttl = datetime.timedelta(seconds=-120)
    without = api.AccessToken(KEY, SECRET).with_grants(api.VideoGrants(room_create=True))
    async with httpx.AsyncClient() as client:
        for bearer, status in ((expired, 401), (without, 403)):
            response = await client.post(
                f"{node.url}/twirp/livekit.RoomService/ListRooms",
                json={},
                headers={"Authorization": f"Bearer {bearer.to_jwt()}"},
            )
            assert response.status_code == status


async def test_what_happens_at_the_end_of_a_node_is_told_by_the_next(receiver: Receiver, tmp_path: Path) -> None:
    key, _ = sfu.load_or_create_signing_key(tmp_path / "key.pem")
    variables = {
        "SFU_LIVEKIT_KEYS": f"{KEY}:{SECRET}",
        "SFU_LIVEKIT_DIR": str(tmp_path),
        "SFU_LIVEKIT_WEBHOOK_URLS": receiver.url,
    }
    async with Node(tmp_path, key, variables) as first, api.LiveKitAPI(first.url, KEY, SECRET) as lk:
        await lk.room.create_room(api.CreateRoomRequest(name="last"))
    async with Node(tmp_path, key, variables):
        await until(lambda: receiver.names("last") == ["room_started", "room_finished"])
    assert receiver.refusals == []
