"""`RoomService`: rooms made, listed and ended; participants seen, moderated and put out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from livekit.protocol.models import DisconnectReason, ParticipantInfo, Room
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    DeleteRoomResponse,
    ForwardParticipantRequest,
    ListParticipantsRequest,
    ListParticipantsResponse,
    ListRoomsRequest,
    ListRoomsResponse,
    MoveParticipantRequest,
    MoveParticipantResponse,
    MuteRoomTrackRequest,
    MuteRoomTrackResponse,
    PerformRpcRequest,
    PerformRpcResponse,
    RemoveParticipantResponse,
    RoomConfiguration,
    RoomEgress,
    RoomParticipantIdentity,
    SendDataRequest,
    SendDataResponse,
    UpdateParticipantRequest,
    UpdateRoomMetadataRequest,
    UpdateSubscriptionsRequest,
    UpdateSubscriptionsResponse,
)

from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.egress.orders import complete_room_egress, read_order
from sfu.signaling.livekit.participant import Participant
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.rooms import Rooms
from sfu.signaling.livekit.twirp.calling import perform_rpc
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.router import Handler
from sfu.signaling.livekit.twirp.sending import DataSender

MAX_NAME_LENGTH = 256
"""Of a participant's name."""


class RoomService:
    """Its methods, over the rooms of a node."""

    def __init__(self, rooms: Rooms, *, mint: Callable[[Claims], str], records: bool = False) -> None:
        """`mint`: makes a token for who is moved. `records`: whether egress can be begun with a room."""
        self._rooms = rooms
        self._mint = mint
        self._records = records
        self._sender = DataSender()

    def handlers(self) -> Mapping[str, Handler]:
        """By the method's name."""
        return {
            "RoomService/CreateRoom": self.create_room,
            "RoomService/ListRooms": self.list_rooms,
            "RoomService/DeleteRoom": self.delete_room,
            "RoomService/UpdateRoomMetadata": self.update_room_metadata,
            "RoomService/ListParticipants": self.list_participants,
            "RoomService/GetParticipant": self.get_participant,
            "RoomService/RemoveParticipant": self.remove_participant,
            "RoomService/MutePublishedTrack": self.mute_published_track,
            "RoomService/UpdateParticipant": self.update_participant,
            "RoomService/UpdateSubscriptions": self.update_subscriptions,
            "RoomService/SendData": self.send_data,
            "RoomService/PerformRpc": self.perform_rpc,
            "RoomService/ForwardParticipant": self.forward_participant,
            "RoomService/MoveParticipant": self.move_participant,
        }

    # rooms

    async def create_room(self, claims: Claims, request: CreateRoomRequest) -> Room:
        """Make a room, or change the one of that name as far as something is said."""
        if request.HasField("egress"):
            self._check_egress(request.egress)
        self._check_metadata(request.metadata)
        for agent in request.agents:
            self._check_metadata(agent.metadata)
            self._check_attributes(agent.attributes)
        known = self._rooms.find(request.name)
        if known is None:
            config = RoomConfiguration(
                empty_timeout=request.empty_timeout,
                departure_timeout=request.departure_timeout,
                max_participants=request.max_participants,
                metadata=request.metadata,
                agents=request.agents,
                egress=request.egress if request.HasField("egress") else None,
            )
            self._rooms.admit("room", request.name, claims.api_key)
            return self._rooms.create(request.name, config, tenant=claims.api_key).info()
        known.empty_timeout = request.empty_timeout or known.empty_timeout
        known.departure_timeout = request.departure_timeout or known.departure_timeout
        known.max_participants = request.max_participants or known.max_participants
        if request.metadata and request.metadata != known.metadata:
            known.set_metadata(request.metadata)
        return known.info()

    async def list_rooms(self, claims: Claims, request: ListRoomsRequest) -> ListRoomsResponse:
        """All that are open, or those of some names."""
        names = frozenset(request.names)
        found = (room for room in self._rooms.by_name.values() if not names or room.name in names)
        return ListRoomsResponse(rooms=[room.info() for room in found])

    async def delete_room(self, claims: Claims, request: DeleteRoomRequest) -> DeleteRoomResponse:
        """End a room: everybody is put out."""
        self._rooms.end(self._find_room(request.room), DisconnectReason.ROOM_DELETED)
        return DeleteRoomResponse()

    async def update_room_metadata(self, claims: Claims, request: UpdateRoomMetadataRequest) -> Room:
        """Replace it; everybody is told."""
        self._check_metadata(request.metadata)
        room = self._find_room(request.room)
        room.set_metadata(request.metadata)
        return room.info()

    # participants

    async def list_participants(self, claims: Claims, request: ListParticipantsRequest) -> ListParticipantsResponse:
        """All of a room, hidden ones too; none of a room that is not open."""
        room = self._rooms.find(request.room)
        participants: Iterable[Participant] = () if room is None else room.participants.values()
        return ListParticipantsResponse(participants=[each.info() for each in participants])

    async def get_participant(self, claims: Claims, request: RoomParticipantIdentity) -> ParticipantInfo:
        """One of a room."""
        _, participant = self._find(request.room, request.identity)
        return participant.info()

    async def remove_participant(self, claims: Claims, request: RoomParticipantIdentity) -> RemoveParticipantResponse:
        """Put one out. It may come again as long as its token is good: give out short ones."""
        if request.revoke_token_ts:
            raise TwirpError("unimplemented", "Tokens cannot be revoked here: give out short ones.")
        room, participant = self._find(request.room, request.identity)
        room.remove(participant, DisconnectReason.PARTICIPANT_REMOVED)
        return RemoveParticipantResponse()

    async def mute_published_track(self, claims: Claims, request: MuteRoomTrackRequest) -> MuteRoomTrackResponse:
        """Mute a track, or unmute it where the server allows that; who came by WHIP cannot unmute himself."""
        room, participant = self._find(request.room, request.identity)
        may_unmute = self._rooms.options.remote_unmute or not isinstance(participant, Client)
        if not (request.muted or may_unmute):
            raise TwirpError("failed_precondition", "Remote unmute is not enabled: a participant unmutes himself.")
        published = room.mute(participant, request.track_sid, request.muted, told=True)
        if published is None:
            raise _unknown_track(request.track_sid)
        return MuteRoomTrackResponse(track=published.info)

    async def update_participant(self, claims: Claims, request: UpdateParticipantRequest) -> ParticipantInfo:
        """Change name, metadata, attributes and permission, as far as each is given; all of it, or nothing."""
        room, participant = self._find(request.room, request.identity)
        self._check_metadata(request.metadata)
        client = participant if isinstance(participant, Client) else None
        if request.HasField("permission") and client is None:
            raise TwirpError("failed_precondition", f"What {request.identity!r} may do, its WHIP or WHEP token says.")
        if len(request.name) > MAX_NAME_LENGTH:
            raise TwirpError("invalid_argument", f"A participant's name has at most {MAX_NAME_LENGTH} characters.")
        if request.attributes:
            participant.merge_attributes(dict(request.attributes), self._rooms.options.max_attributes_bytes)
        if request.metadata:
            participant.set_metadata(request.metadata)
        if request.name:
            participant.set_name(request.name)
        if client is not None and request.HasField("permission"):
            client.set_permission(request.permission)
        else:
            room.tell(participant)
        return participant.info()

    async def update_subscriptions(
        self, claims: Claims, request: UpdateSubscriptionsRequest
    ) -> UpdateSubscriptionsResponse:
        """Let a participant receive tracks, or not."""
        room, participant = self._find(request.room, request.identity)
        if not isinstance(participant, Client):
            raise TwirpError("failed_precondition", f"{request.identity!r} chooses what it receives by WHEP itself.")
        sids = [*request.track_sids, *(sid for each in request.participant_tracks for sid in each.track_sids)]
        published = {sid for each in room.participants.values() for sid in each.tracks}
        for sid in sids:
            if sid not in published:
                raise _unknown_track(sid)
        for sid in sids:
            participant.subscribing.choose(sid, request.subscribe)
        return UpdateSubscriptionsResponse()

    async def send_data(self, claims: Claims, request: SendDataRequest) -> SendDataResponse:
        """Send data to some participants, or to all; answered once it is on its way to them."""
        await self._sender.send(self._find_room(request.room), request)
        return SendDataResponse()

    async def perform_rpc(self, claims: Claims, request: PerformRpcRequest) -> PerformRpcResponse:
        """Call a method of a participant's client; answered with what it answers."""
        return await perform_rpc(*self._find(request.room, request.destination_identity), request)

    async def forward_participant(self, claims: Claims, request: ForwardParticipantRequest) -> NoReturn:
        """Refuse: rooms share no participants here."""
        raise TwirpError("unimplemented", "Participants are not forwarded to other rooms here.")

    async def move_participant(self, claims: Claims, request: MoveParticipantRequest) -> MoveParticipantResponse:
        """Have a participant come to another room, which is made if it is not there, as what it is by now."""
        self._find(request.room, request.identity)
        if await self._rooms.homes.enter(self._rooms.server.room(request.destination_room).name) is not None:
            raise TwirpError("failed_precondition", "That room lives on another node, to which nobody is moved.")
        room, participant = self._find(request.room, request.identity)
        if not isinstance(participant, Client):
            raise TwirpError("failed_precondition", f"{request.identity!r} came by WHIP or WHEP and cannot be moved.")
        if not participant.attached:
            raise TwirpError("failed_precondition", f"{request.identity!r} is coming back right now: try again.")
        self._rooms.admit("room", request.destination_room, claims.api_key)
        destination = self._rooms.enter(request.destination_room, tenant=claims.api_key)
        if request.identity in destination.participants:
            raise TwirpError("already_exists", f"Somebody is {request.identity!r} in that room.")
        if destination.max_participants and len(destination.participants) >= destination.max_participants:
            raise TwirpError("resource_exhausted", "That room is full.")
        self._rooms.server.attendance.expect(destination.name, participant.identity)
        room.move(participant, destination, participant.mint_token(self._mint, destination.name))
        return MoveParticipantResponse()

    def _find_room(self, name: str) -> LiveKitRoom:
        room = self._rooms.find(name)
        if room is None:
            raise TwirpError("not_found", "requested room does not exist")
        return room

    def _find(self, name: str, identity: str) -> tuple[LiveKitRoom, Participant]:
        room = self._find_room(name)
        participant = room.participants.get(identity)
        if participant is None:
            raise TwirpError("not_found", "participant does not exist")
        return room, participant

    def _check_egress(self, egress: RoomEgress) -> None:
        """Refuse what would be passed over; whether the rest can be begun shows when the room begins."""
        if not self._records:
            raise TwirpError("unimplemented", "There is no egress here.")
        if egress.HasField("participant") or egress.HasField("tracks"):
            raise TwirpError(
                "unimplemented", "Each participant or track is not recorded by itself here: ask for `room`."
            )
        read_order(complete_room_egress(egress, "room"))

    def _check_metadata(self, metadata: str) -> None:
        most = self._rooms.options.max_metadata_bytes
        if len(metadata.encode()) > most:
            raise TwirpError("invalid_argument", f"Metadata has at most {most} bytes.")

    def _check_attributes(self, attributes: Mapping[str, str]) -> None:
        most = self._rooms.options.max_attributes_bytes
        if sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items()) > most:
            raise TwirpError("invalid_argument", f"Attributes have at most {most} bytes.")


def _unknown_track(sid: str) -> TwirpError:
    return TwirpError("not_found", f"There is no track {sid[:80]!r}.")
