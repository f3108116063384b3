"""Participants whose data channel for data tracks is a list."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

from livekit.protocol.models import ParticipantInfo
from livekit.protocol.rtc import (
    DataTrackSubscriberHandles,
    PublishDataTrackRequest,
    SignalRequest,
    UpdateDataSubscription,
)

from sfu import Connection, DataChannel, DataChannelState
from sfu.errors import ArgumentError
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.data.channels import DATA_TRACK, LOSSY
from tests.unit.signaling.livekit.conftest import Caller, Doors

Update = UpdateDataSubscription.Update


class Line:
    """Stands for a data channel of a client: what it is sent, and what comes of it."""

    def __init__(self, label: str = DATA_TRACK) -> None:
        self.label = label
        self.on_message: Callable[[bytes], None] = lambda message: None
        self.on_close: Callable[[], None] = lambda: None
        self.state = DataChannelState.OPEN
        self.sent: list[bytes] = []
        self.room = 1000
        self.most = 1 << 20
        self.buffered = 0

    def send(self, message: bytes) -> bool:
        if len(message) > self.most:
            raise ArgumentError("too large")
        if len(self.sent) >= self.room:
            return False
        self.sent.append(message)
        return True


class Attendee:
    """A participant: its socket, and what we keep of it."""

    def __init__(self, caller: Caller, client: Client) -> None:
        self.caller = caller
        self.client = client
        self.line = Line()
        self.lossy = Line(LOSSY)
        self._connection = cast(Connection, SimpleNamespace(data=SimpleNamespace()))
        self.open(self.line)
        self.open(self.lossy)

    def open(self, line: Line) -> None:
        """Its client opens a data channel."""
        self.client.transports.channels.follow(self._connection, answers=True)
        assert self._connection.data.on_channel is not None
        self._connection.data.on_channel(cast(DataChannel, line))

    async def publish(self, handle: int = 3, name: str = "pose", **more: object) -> str:
        """Publish a data track; its id."""
        request = PublishDataTrackRequest(pub_handle=handle, name=name, **more)  # type: ignore[arg-type]
        await self.caller.send(SignalRequest(publish_data_track_request=request))
        return (await self.caller.until("publish_data_track_response")).publish_data_track_response.info.sid

    async def subscribe(self, *sids: str, wanted: bool = True) -> DataTrackSubscriberHandles:
        """Ask for data tracks, or not any more; the handles that it is told."""
        updates = [Update(track_sid=sid, subscribe=wanted) for sid in sids]
        await self.caller.send(SignalRequest(update_data_subscription=UpdateDataSubscription(updates=updates)))
        return await self.handles()

    async def handles(self) -> DataTrackSubscriberHandles:
        return (await self.caller.until("data_track_subscriber_handles")).data_track_subscriber_handles

    async def sees(self, identity: str) -> ParticipantInfo:
        """What it is told next of somebody."""
        while True:
            for info in (await self.caller.until("update")).update.participants:
                if info.identity == identity:
                    return info

    def push(self, packet: bytes) -> None:
        """Its client sends this by the data channel."""
        self.line.on_message(packet)


async def attend(doors: Doors, identity: str, grants: dict[str, object] | None = None, **query: str) -> Attendee:
    caller = await doors.enter(identity, grants=grants, **query)
    await caller.until("join")
    client = doors.livekit.rooms.by_name["lobby"].participants[identity]
    assert isinstance(client, Client)
    return Attendee(caller, client)
