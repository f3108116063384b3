"""One signalling session: a socket, the participant it is of, and what is done for each request."""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable

from livekit.protocol.models import DisconnectReason, ServerInfo
from livekit.protocol.rtc import (
    ICEServer,
    JoinResponse,
    LeaveRequest,
    ParticipantUpdate,
    Pong,
    ReconnectResponse,
    RequestResponse,
    RoomUpdate,
    SignalRequest,
    SignalResponse,
)

from sfu.signaling.http.ice_servers import issue_ice_servers
from sfu.signaling.livekit import sids
from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.errors import RequestError
from sfu.signaling.livekit.frames import Frame, FrameError, parse_request
from sfu.signaling.livekit.join import Join
from sfu.signaling.livekit.participant import State
from sfu.signaling.livekit.requests import HANDLERS
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.rooms import Rooms
from sfu.signaling.livekit.socket import Socket

_log = logging.getLogger("sfu.signaling.livekit")

PROTOCOL = 17
"""The version of the protocol that we announce. From 18 on clients negotiate data channels by their ids."""
VERSION = "1.13.0"
"""The version of the protocol's server that clients are told: by it they judge what a server can do."""
_MAX_BAD_FRAMES = 10

SERVER = ServerInfo(
    edition=ServerInfo.Edition.Standard, version=VERSION, protocol=PROTOCOL, node_id=sids.new_sid(sids.NODE)
)


class Session:
    """Begins with `start` or `resume`; then `handle_frame` takes what comes."""

    def __init__(
        self,
        rooms: Rooms,
        room: LiveKitRoom,
        client: Client,
        socket: Socket,
        *,
        mint: Callable[[Claims], str],
        counts: collections.Counter[str],
        host: str = "",
    ) -> None:
        """`mint`: makes a token that says the same, to come back with. `counts`: of requests, by kind. `host`: the name
        by which the client has found us.
        """
        self.rooms = rooms
        self.room = room
        self.client = client
        self.socket = socket
        self._mint = mint
        self._counts = counts
        self._host = host
        self._bad_frames = 0
        self._refresh_at = 0.0

    def start(self, join: Join) -> None:
        """Tell a client that came in what is there, and answer what it has offered already."""
        client = self.client
        self._attach()
        options = self.rooms.options
        client.transports.subscriber_primary = not join.single and client.permission.can_subscribe
        response = JoinResponse(
            room=self.room.info(),
            participant=client.info(),
            other_participants=self.room.list_others(client.identity),
            server_version=VERSION,
            server_info=SERVER,
            ice_servers=self._list_ice_servers(),
            subscriber_primary=client.transports.subscriber_primary,
            fast_publish=client.permission.can_publish,
            ping_interval=options.ping_interval,
            ping_timeout=options.ping_timeout,
        )
        client.send(SignalResponse(join=response))
        self.refresh_token()
        for track in join.tracks:
            self._handle(SignalRequest(add_track=track))
        self.room.admit(client)
        if join.offer is not None:
            client.handle_offer(join.offer)
        elif not join.single:
            client.transports.negotiate()

    def resume(self, join: Join) -> None:
        """Tell a client that came back what it may have missed."""
        client = self.client
        self._attach()
        if client.cuts_resume:
            client.cuts_resume = False
            self.cut()
            return
        port = self.room.data.find(client.identity)
        if port is None or port.outbox.ended:
            client.send(SignalResponse(leave=LeaveRequest(action=LeaveRequest.Action.RECONNECT)))
            return
        reconnect = ReconnectResponse(
            ice_servers=self._list_ice_servers(), server_info=SERVER, last_message_seq=port.last_sequence
        )
        client.send(SignalResponse(reconnect=reconnect))
        others = [client.info(), *self.room.list_others(client.identity)]
        client.send(SignalResponse(update=ParticipantUpdate(participants=others)))
        client.send(SignalResponse(room_update=RoomUpdate(room=self.room.info())))
        client.data_subscribing.resume()
        self.refresh_token()
        if join.offer is not None:
            client.handle_offer(join.offer)
        elif not join.single:
            client.transports.negotiate(restart_ice=True)
        if join.sync_state is not None:
            self._handle(SignalRequest(sync_state=join.sync_state))

    def end(self) -> None:
        """The socket is gone. Its participant stays for a while, unless it has left or has another one."""
        self.client.detach(self._send)
        if not self.client.attached:
            self.client.left_at = self.rooms.clock()

    def leave(self) -> None:
        """The client has said that it leaves."""
        self.room.remove(self.client, DisconnectReason.CLIENT_INITIATED, told=False)
        self.socket.close()

    def handle_frame(self, frame: bytes | str) -> None:
        """Take what came. What cannot be read is counted; who sends nothing else is cut off."""
        try:
            request = parse_request(frame)
        except FrameError:
            self._counts["malformed"] += 1
            self._bad_frames += 1
            if self._bad_frames >= _MAX_BAD_FRAMES:
                self.socket.close()
            return
        self._handle(request)

    def refresh_token(self) -> None:
        """Give the client a token to come back with, as what it is by now."""
        self.client.send(SignalResponse(refresh_token=self.client.mint_token(self._mint)))
        self._refresh_at = self.rooms.clock() + self.rooms.options.refresh_interval

    def handle_tick(self, now: float) -> None:
        """Do what is due; `now` in seconds since the Unix epoch."""
        if now >= self._refresh_at:
            self.refresh_token()

    def cut(self) -> None:
        """End the socket without a word."""
        self.client.detach(self._send)
        self.socket.close()

    def pong(self, pong: Pong) -> None:
        """The client asked whether we are there."""
        self.socket.note_ping()
        self.client.send(SignalResponse(pong_resp=pong))

    def respond(self, request: SignalRequest, reason: str, message: str = "") -> None:
        """Tell what became of a request, if the client's version of the protocol has a word for it."""
        if not self.client.join.hears_of(reason):
            return
        kind = request.WhichOneof("message") or ""
        response = RequestResponse(reason=reason, message=message)
        if kind in _ECHOED:
            getattr(response, kind.removesuffix("_request")).CopyFrom(getattr(request, kind))
        if kind in _NUMBERED:
            response.request_id = getattr(request, kind).request_id
        self.client.send(SignalResponse(request_response=response))

    def _handle(self, request: SignalRequest) -> None:
        kind = request.WhichOneof("message")
        handler = HANDLERS.get(kind or "")
        self._counts[kind or "unknown"] += 1
        if handler is None or self.client.state == State.DISCONNECTED:
            return
        try:
            handler(self, request)
        except RequestError as error:
            self.respond(request, error.reason, str(error))

    def _attach(self) -> None:
        self.client.attach(self._send, self.socket.close)
        self.client.left_at = None

    def _send(self, frame: Frame) -> None:
        self.socket.send(frame)
        if frame.response.WhichOneof("message") == "leave" and _ends(frame.response.leave):
            self.socket.close()

    def _list_ice_servers(self) -> list[ICEServer]:
        issued = issue_ice_servers(self.rooms.options, self.client.sid, self.rooms.clock(), self._host)
        return [ICEServer(urls=[each.url], username=each.username, credential=each.credential) for each in issued]


_NUMBERED = frozenset({"update_metadata", "store_data_blob_request", "get_data_blob_request"})
_ECHOED = frozenset(
    {
        "trickle",
        "add_track",
        "mute",
        "update_metadata",
        "update_audio_track",
        "update_video_track",
        "publish_data_track_request",
        "unpublish_data_track_request",
    }
)


def _ends(leave: LeaveRequest) -> bool:
    """Whether the client is to close its socket by that; one that shall resume closes it itself."""
    return leave.action == LeaveRequest.Action.DISCONNECT
