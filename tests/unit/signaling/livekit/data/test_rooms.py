"""Data in rooms whose clients signal: who resumes, who is cut off, who was told what."""

from __future__ import annotations

import asyncio
import base64

import pytest
from livekit.protocol.models import DataPacket, UserPacket
from livekit.protocol.room import PerformRpcRequest
from livekit.protocol.rtc import (
    DataChannelInfo,
    DataChannelReceiveState,
    JoinRequest,
    LeaveRequest,
    SignalRequest,
    SyncState,
    WrappedJoinRequest,
)

from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.data.channels import LABELS, RELIABLE
from sfu.signaling.livekit.data.port import Port
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.twirp.calling import perform_rpc
from sfu.signaling.livekit.twirp.errors import TwirpError
from tests.unit.signaling.livekit.conftest import Caller, Doors, make_token
from tests.unit.signaling.livekit.data.hall import PlayedChannel, PlayedConnection


def lobby(doors: Doors) -> LiveKitRoom:
    return doors.livekit.rooms.by_name["lobby"]


def client_of(doors: Doors, identity: str) -> Client:
    client = lobby(doors).participants[identity]
    assert isinstance(client, Client)
    return client


def port_of(doors: Doors, identity: str) -> Port:
    port = lobby(doors).data.find(identity)
    assert port is not None
    return port


def open_channel(doors: Doors, identity: str) -> PlayedChannel:
    """As if the client were connected."""
    connection = PlayedConnection()
    client_of(doors, identity).transports.channels.follow(connection.as_connection, answers=True)
    return connection.come(PlayedChannel(RELIABLE))


def user(payload: bytes, sequence: int = 0) -> DataPacket:
    return DataPacket(user=UserPacket(payload=payload), sequence=sequence)


async def resume(doors: Doors, identity: str, sid: str, state: SyncState | None = None) -> Caller:
    """Come back as the same participant, by the door that its mode has."""
    if client_of(doors, identity).join.single:
        request = JoinRequest(reconnect=True, participant_sid=sid, sync_state=state)
        wrapped = WrappedJoinRequest(join_request=request.SerializeToString())
        packed = base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()
        return await doors.call("/rtc/v1", access_token=make_token(identity), join_request=packed)
    again = await doors.enter(identity, reconnect="1", sid=sid)
    if state is not None:
        await again.send(SignalRequest(sync_state=state))
    return again


async def enter(doors: Doors, identity: str, single: bool) -> tuple[Caller, str]:
    if single:
        wrapped = WrappedJoinRequest(join_request=JoinRequest().SerializeToString())
        packed = base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()
        caller = await doors.call("/rtc/v1", access_token=make_token(identity), join_request=packed)
    else:
        caller = await doors.enter(identity)
    return caller, (await caller.until("join")).join.participant.sid


@pytest.mark.parametrize("single", [True, False])
async def test_who_resumes_is_told_what_has_come_of_its_packets(doors: Doors, single: bool) -> None:
    alice, sid = await enter(doors, "alice", single)
    await enter(doors, "bob", single)
    channel, bob = open_channel(doors, "alice"), open_channel(doors, "bob")
    for sequence in (1, 2, 3):
        channel.come(user(b"x", sequence))
    await alice.hang_up()
    again = await resume(doors, "alice", sid)
    assert (await again.until("reconnect")).reconnect.last_message_seq == 3
    for sequence in (2, 3, 4):  # the client repeats more than it has to
        channel.come(user(b"x", sequence))
    assert [packet.sequence for packet in bob.packets] == [1, 2, 3, 4]
    assert doors.livekit.rooms.data_losses["repeated"] == 2


@pytest.mark.parametrize("single", [True, False])
async def test_who_resumes_says_what_has_come_of_others_packets(doors: Doors, single: bool) -> None:
    _, alice_sid = await enter(doors, "alice", single)
    bob, sid = await enter(doors, "bob", single)
    channel, lost = open_channel(doors, "alice"), open_channel(doors, "bob")
    for sequence in (1, 2, 3):
        channel.come(user(b"x", sequence))
    await bob.hang_up()
    lost.close()
    state = SyncState(datachannel_receive_states=[DataChannelReceiveState(publisher_sid=alice_sid, last_seq=2)])
    again = await resume(doors, "bob", sid, state)
    await again.until("reconnect")
    await again.send(SignalRequest(ping=1))
    await again.until("pong")
    assert "leave" not in again.kinds()
    assert [packet.sequence for packet in open_channel(doors, "bob").packets] == [3]


@pytest.mark.parametrize("label", LABELS)
async def test_who_counts_on_a_channel_that_has_closed_begins_anew(doors: Doors, label: str) -> None:
    bob, sid = await enter(doors, "bob", False)
    connection = PlayedConnection()
    client_of(doors, "bob").transports.channels.follow(connection.as_connection, answers=True)
    channel = connection.come(PlayedChannel(label))
    await bob.hang_up()
    state = SyncState(data_channels=[DataChannelInfo(label=label, id=1), DataChannelInfo(label="other", id=2)])
    again = await resume(doors, "bob", sid, state)
    await again.send(SignalRequest(ping=1))
    await again.until("pong")
    assert "leave" not in again.kinds()
    channel.close()
    await again.send(SignalRequest(sync_state=state))
    assert (await again.until("leave")).leave.action == LeaveRequest.Action.RECONNECT
    connection.come(PlayedChannel(label))
    await again.send(SignalRequest(sync_state=state))
    await again.send(SignalRequest(ping=1))
    await again.until("pong")
    assert again.kinds().count("leave") == 1


async def test_who_takes_nothing_for_long_has_to_begin_anew(doors: Doors) -> None:
    await enter(doors, "alice", False)
    bob, sid = await enter(doors, "bob", False)
    channel, stuck = open_channel(doors, "alice"), open_channel(doors, "bob")
    stuck.acknowledges = False
    for sequence in range(1, 31):
        channel.come(user(b"x" * 60_000, sequence))
    for _ in range(12):
        doors.now[0] += 1.0
        doors.livekit.handle_tick(doors.now[0])
    assert (await bob.until("leave")).leave.action == LeaveRequest.Action.RECONNECT
    assert not channel.unread
    await bob.hang_up()
    again = await resume(doors, "bob", sid)
    assert (await again.until("leave")).leave.action == LeaveRequest.Action.RECONNECT
    assert "reconnect" not in again.kinds()


async def test_who_may_not_receive_is_sent_data_on_the_connection_that_it_offers(doors: Doors) -> None:
    for identity, can_subscribe in (("alice", True), ("bob", False)):
        caller = await doors.enter(identity, grants={"can_subscribe": can_subscribe})
        assert (await caller.until("join")).join.subscriber_primary is can_subscribe
        subscriber = client_of(doors, identity).transports.subscriber
        assert subscriber is not None
        opened = [channel.label for channel in subscriber.data.channels]
        assert opened == ([*LABELS] if can_subscribe else [])


async def test_a_whip_publisher_hears_nothing_and_has_no_methods(doors: Doors) -> None:
    await enter(doors, "alice", True)
    room = lobby(doors)
    room.room.join("camera")
    room.look_again()
    channel = open_channel(doors, "alice")
    packet = user(b"x")
    packet.destination_identities.append("camera")
    channel.come(packet)
    channel.come(user(b"x"))
    assert room.data.find("camera") is None
    request = PerformRpcRequest(room="lobby", destination_identity="camera", method="greet")
    with pytest.raises(TwirpError, match="came by WHIP or WHEP") as refused:
        await perform_rpc(room, room.participants["camera"], request)
    assert refused.value.code == "failed_precondition"
    assert not doors.livekit.rooms.data_losses


async def test_calls_of_who_leaves_fail(doors: Doors) -> None:
    bob, _ = await enter(doors, "bob", True)
    channel = open_channel(doors, "bob")
    room = lobby(doors)
    request = PerformRpcRequest(room="lobby", destination_identity="bob", method="greet", payload="x")
    call = asyncio.ensure_future(perform_rpc(room, room.participants["bob"], request))
    await asyncio.sleep(0)
    assert channel.packets[-1].rpc_request.method == "greet"
    await bob.send(SignalRequest(leave=LeaveRequest()))
    with pytest.raises(TwirpError, match="RpcError 1503: Recipient disconnected") as failed:
        await call
    assert failed.value.code == "unavailable"
    assert failed.value.meta == {"rpc_code": "1503", "rpc_message": "Recipient disconnected", "rpc_data": ""}


async def test_idle_rooms_have_nothing_to_do(doors: Doors) -> None:
    await enter(doors, "alice", True)
    before = len(asyncio.all_tasks())
    open_channel(doors, "alice").come(user(b"x", 1))
    assert len(asyncio.all_tasks()) == before
