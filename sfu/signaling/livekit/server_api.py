"""The side of the protocol that servers speak: Twirp, webhooks, agents, egress and ingress around a node's rooms."""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit.protocol.agent import Job
from livekit.protocol.egress import EgressInfo
from livekit.protocol.ingress import IngressInfo
from livekit.protocol.models import DisconnectReason, ParticipantInfo, Room
from livekit.protocol.webhook import WebhookEvent
from starlette.routing import BaseRoute, Mount, WebSocketRoute

from sfu import Track
from sfu.errors import RemoteError
from sfu.signaling.http.options import SignalingOptions
from sfu.signaling.livekit import sids
from sfu.signaling.livekit.agents.dispatches import Dispatches
from sfu.signaling.livekit.agents.socket import AgentSocket
from sfu.signaling.livekit.agents.workers import Workers
from sfu.signaling.livekit.egress.egresses import Egresses, FileMaker
from sfu.signaling.livekit.egress.orders import UnsupportedError, complete_room_egress
from sfu.signaling.livekit.ingress.ingresses import Ingresses
from sfu.signaling.livekit.ingress.store import IngressStore
from sfu.signaling.livekit.participant import Participant, State
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.rooms import Rooms
from sfu.signaling.livekit.session import SERVER
from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.livekit.twirp.agent_dispatch import AgentDispatchService
from sfu.signaling.livekit.twirp.egress import EgressService
from sfu.signaling.livekit.twirp.forwarding import Forwarding
from sfu.signaling.livekit.twirp.ingress import IngressService
from sfu.signaling.livekit.twirp.room_service import RoomService
from sfu.signaling.livekit.twirp.router import Handler, TwirpRouter
from sfu.signaling.livekit.webhooks.webhooks import Webhooks
from sfu.signaling.records.store import RecordStore

_log = logging.getLogger("sfu.signaling.livekit")


@dataclass(frozen=True, slots=True)
class EgressPlace:
    """Where egress stands, and who makes its files."""

    store: RecordStore
    folder: Path
    maker: FileMaker


class ServerApi:
    """Follows the rooms from its making on; `start` begins to deliver webhooks."""

    def __init__(
        self,
        rooms: Rooms,
        keys: ApiKeys,
        options: SignalingOptions,
        *,
        base_url: str = "",
        ingresses: IngressStore | None = None,
        egress: EgressPlace | None = None,
        webhooks: Webhooks | None = None,
    ) -> None:
        """`base_url`: where WHIP clients reach this server. `ingresses`: by default kept in memory. `egress`: None,
        there is none. `webhooks`: None, nobody is told.
        """
        self._rooms = rooms
        self._webhooks = webhooks
        self._handed_over = self._closed = False
        self._joined: set[str] = set()  # sids of who is there and was told of
        clock = rooms.clock
        self.workers = Workers(random.random)
        self.dispatches = Dispatches(self.workers, clock=clock, name=sids.new_sid, on_job=self._tell_job)
        self.agent_socket = AgentSocket(keys, self.workers, self.dispatches, SERVER, clock=clock, name=sids.new_sid)
        self.ingresses = Ingresses(
            ingresses or IngressStore(None), base_url, clock=clock, name=sids.new_sid, on_change=self._tell_ingress
        )
        self.egresses = None
        handlers: dict[str, Handler] = {
            **RoomService(rooms, mint=keys.mint, records=egress is not None).handlers(),
            **AgentDispatchService(self.dispatches, rooms.options).handlers(),
            **IngressService(self.ingresses, self._put_out).handlers(),
        }
        if egress is not None:
            self.egresses = Egresses(
                rooms.server,
                egress.store,
                egress.folder,
                egress.maker,
                self,
                clock=clock,
                name=sids.new_sid,
                random=secrets.token_bytes,
                on_change=self._tell_egress,
            )
            handlers |= EgressService(self.egresses).handlers()
        self._forwarding = None if rooms.homes.us is None else Forwarding(rooms)
        self._router = TwirpRouter(keys, options, handlers, self._forwarding)
        rooms.watch(self._handle)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """What an app has to serve."""
        return [Mount("/twirp", self._router), WebSocketRoute("/agent", self.agent_socket.serve)]

    @property
    def calls(self) -> Mapping[tuple[str, str], int]:
        """Answered calls, by method and code."""
        return self._router.calls

    @property
    def data_losses(self) -> Mapping[str, int]:
        """Data packets of participants that were not passed on, by reason."""
        return self._rooms.data_losses

    @property
    def webhooks(self) -> Webhooks | None:
        """Who is told; None: nobody."""
        return self._webhooks

    def start(self) -> None:
        """Deliver webhooks, those that an earlier process has left first."""
        if self._webhooks is not None:
            self._webhooks.start()

    async def close(self) -> None:
        """End egress, offer no more jobs, and bring what is to be told to disk. The rooms were closed before.
        Idempotent.
        """
        if self._closed:
            return
        self._closed = True
        await self.dispatches.close()
        if self.egresses is not None:
            await self.egresses.close()
        if self._webhooks is not None:
            await self._webhooks.close()
        self.ingresses.close()
        if self._forwarding is not None:
            await self._forwarding.close()

    # from one process to the next

    def hand_over(self) -> dict[str, Any]:
        """Another process goes on: let go of agents and egress without ending any, and return them, as JSON. What
        happens from now on is told to webhooks alone.
        """
        self._handed_over = True
        egresses = [] if self.egresses is None else self.egresses.hand_over()
        return {"dispatches": self.dispatches.hand_over(), "egresses": egresses}

    def take_over_agents(self, handed: Mapping[str, Any]) -> None:
        """Go on with what `hand_over` has returned of agents; the rooms are there."""
        rooms = {name: room.info() for name, room in self._rooms.by_name.items()}
        self.dispatches.take_over(handed.get("dispatches", ()), rooms)

    # what egress asks of rooms

    def find_info(self, room: str) -> Room | None:
        """See `egress.rooms.Rooms`."""
        found = self._rooms.find(room)
        return None if found is None else found.info()

    def admit_recording(self, room: str, tenant: str) -> None:
        """See `egress.rooms.Rooms`."""
        self._rooms.admit("recording", room, tenant)

    def has_participant(self, room: str, identity: str) -> bool:
        """See `egress.rooms.Rooms`."""
        found = self._rooms.find(room)
        return found is not None and identity in found.participants

    def find_track(self, room: str, sid: str) -> Track | None:
        """See `egress.rooms.Rooms`."""
        found = self._rooms.find(room)
        for participant in () if found is None else found.participants.values():
            published = participant.find_track(sid)
            if published is not None:
                return published.track
        return None

    # what happens in rooms

    def _handle(
        self, name: str, room: LiveKitRoom, participant: Participant | None, published: PublishedTrack | None
    ) -> None:
        """See `room.Watcher`."""
        if participant is not None and name == "participant_joined":
            self._name_ingress(room, participant)
        self._tell_room(name, room, participant, published)
        if self._handed_over:
            return
        match name:
            case "room_started":
                self.dispatches.open_room(room.info(), room.agents)
                self._begin_egress(room)
            case "room_finished":
                self.dispatches.close_room(room.name)
                if self.egresses is not None:
                    self.egresses.close_room(room.name)
        if participant is not None:
            self._handle_participant(name, room, participant, published)

    def _handle_participant(
        self, name: str, room: LiveKitRoom, participant: Participant, published: PublishedTrack | None
    ) -> None:
        identity = participant.identity
        match name:
            case "participant_joined":
                self.dispatches.add_participant(room.name, participant.info())
                if participant.kind == ParticipantInfo.Kind.INGRESS:
                    self.ingresses.note_started(room.name, room.sid, identity)
            case "participant_left":
                self.dispatches.remove_participant(room.name, identity)
                self.ingresses.note_ended(room.name, identity)
                if self.egresses is not None:
                    self.egresses.remove_participant(room.name, identity)
            case "track_published":
                self.dispatches.add_publisher(room.name, participant.info())
            case "track_unpublished" if published is not None and self.egresses is not None:
                self.egresses.remove_track(room.name, published.sid)

    def _begin_egress(self, room: LiveKitRoom) -> None:
        """Record a room that is to be recorded from its beginning on, as a token or `CreateRoom` has said."""
        wanted = room.egress
        if wanted is None:
            return
        try:
            if self.egresses is None or wanted.HasField("participant") or wanted.HasField("tracks"):
                raise UnsupportedError("There is no such egress here.")
            tenant = self._rooms.server.attendance.find_opener(room.name) or ""
            self.egresses.start(complete_room_egress(wanted, room.name), tenant=tenant)
        except RemoteError as error:
            _log.error("egress not begun with its room", extra={"room": room.name, "reason": str(error)})

    def _name_ingress(self, room: LiveKitRoom, participant: Participant) -> None:
        """Who comes by a stream key is called as its ingress says."""
        if participant.kind != ParticipantInfo.Kind.INGRESS:
            return
        info = self.ingresses.of_participant(room.name, participant.identity)
        if info is not None:
            participant.set_name(info.participant_name or participant.name)
            participant.set_metadata(info.participant_metadata)

    def _put_out(self, room: str, identity: str) -> None:
        found = self._rooms.find(room)
        participant = None if found is None else found.participants.get(identity)
        if found is not None and participant is not None and participant.kind == ParticipantInfo.Kind.INGRESS:
            found.remove(participant, DisconnectReason.PARTICIPANT_REMOVED)

    # whom it is told

    def _tell_room(
        self, name: str, room: LiveKitRoom, participant: Participant | None, published: PublishedTrack | None
    ) -> None:
        """Tell webhooks what has happened in a room, in their words."""
        if participant is None:
            pass
        elif name == "participant_left":
            name = self._forget_joined(participant)
        elif name.startswith("track_") or participant.state == State.ACTIVE:
            # Who is there is told once he is connected, and before whatever he does.
            if participant.sid not in self._joined:
                self._joined.add(participant.sid)
                self._tell(_describe("participant_joined", room, participant, None), room.name)
            if not name.startswith("track_"):
                return
        else:
            return  # he is not connected yet
        self._tell(_describe(name, room, participant, published), room.name)

    def _forget_joined(self, participant: Participant) -> str:
        """What is told of who leaves: whether he was ever connected."""
        if participant.sid not in self._joined:
            return "participant_connection_aborted"
        self._joined.discard(participant.sid)
        return "participant_left"

    def _tell_egress(self, event: str, info: EgressInfo) -> None:
        self._tell(WebhookEvent(event=event, egress_info=info), info.room_name)

    def _tell_ingress(self, event: str, info: IngressInfo) -> None:
        self._tell(WebhookEvent(event=event, ingress_info=info), info.room_name)

    def _tell_job(self, event: str, room: str, job: Job) -> None:
        self._tell(WebhookEvent(event=event, room=job.room, job=job), room)

    def _tell(self, event: WebhookEvent, room: str) -> None:
        if self._webhooks is not None:
            self._webhooks.tell(event, room)


def _describe(
    name: str, room: LiveKitRoom, participant: Participant | None, published: PublishedTrack | None
) -> WebhookEvent:
    return WebhookEvent(
        event=name,
        room=room.info(),
        participant=None if participant is None else participant.info(),
        track=None if published is None else published.info,
    )
