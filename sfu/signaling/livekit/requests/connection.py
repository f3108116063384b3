"""The session itself: that it lives, that it ends, what others see of its participant."""

from __future__ import annotations

from livekit.protocol.models import DisconnectReason
from livekit.protocol.rtc import LeaveRequest, Pong, SignalRequest, SignalResponse

from sfu.errors import RemoteError
from sfu.signaling.livekit.errors import RequestError
from sfu.signaling.livekit.requests.asker import Asker, Handler


def ping_req(asker: Asker, request: SignalRequest) -> None:
    """Say that we are there."""
    now = int(asker.rooms.clock() * 1000)
    asker.pong(Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=now))


def ping(asker: Asker, request: SignalRequest) -> None:
    """The same, of old clients."""
    asker.client.send(SignalResponse(pong=int(asker.rooms.clock() * 1000)))


def leave(asker: Asker, request: SignalRequest) -> None:
    """It leaves."""
    asker.leave()


def update_metadata(asker: Asker, request: SignalRequest) -> None:
    """Set its own name, metadata and attributes, if its token allows that."""
    wanted, client = request.update_metadata, asker.client
    if not client.permission.can_update_metadata:
        raise RequestError("NOT_ALLOWED", "The token does not allow to update one's own metadata.")
    options = asker.rooms.options
    if len(wanted.metadata.encode()) > options.max_metadata_bytes or len(wanted.name) > _MAX_NAME_LENGTH:
        raise RequestError("LIMIT_EXCEEDED", f"Metadata have at most {options.max_metadata_bytes} bytes.")
    try:
        client.merge_attributes(wanted.attributes, options.max_attributes_bytes)
    except RemoteError as error:
        raise RequestError("LIMIT_EXCEEDED", str(error)) from error
    if wanted.metadata:
        client.set_metadata(wanted.metadata)
    if wanted.name:
        client.set_name(wanted.name)
    asker.respond(request, "OK")
    asker.room.tell(client)


def simulate(asker: Asker, request: SignalRequest) -> None:
    """Behave as if something had failed, so that SDKs can test what they do then."""
    wanted, client = request.simulate, asker.client
    scenario = wanted.WhichOneof("scenario")
    if scenario in ("node_failure", "migration"):
        asker.cut()
    elif scenario == "server_leave":
        asker.room.remove(client, DisconnectReason.SERVER_SHUTDOWN)
    elif scenario in ("leave_request_full_reconnect", "switch_candidate_protocol"):
        client.send(SignalResponse(leave=LeaveRequest(action=LeaveRequest.Action.RECONNECT)))
    elif scenario in ("disconnect_signal_on_resume", "disconnect_signal_on_resume_no_messages"):
        client.cuts_resume = True
    elif scenario == "speaker_update":
        asker.room.simulate_speaker(client, min(max(wanted.speaker_update, 0), _MAX_SIMULATED_S))
    elif scenario == "subscriber_bandwidth":
        client.limit_bandwidth(wanted.subscriber_bandwidth)
    else:
        raise RequestError("UNSUPPORTED_TYPE", f"The scenario {scenario} is not simulated here.")


_MAX_NAME_LENGTH = 256
_MAX_SIMULATED_S = 60

HANDLERS: dict[str, Handler] = {
    "ping_req": ping_req,
    "ping": ping,
    "leave": leave,
    "update_metadata": update_metadata,
    "simulate": simulate,
}
