"""All methods of the server API, as the protocol's own descriptors list them, and what each needs a token for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from livekit.protocol import agent_dispatch, agent_simulation, cloud_agent, connector, egress, ingress, room, sip

from sfu.signaling.livekit.claims import Claims, GrantError

PACKAGE = "livekit"

Check = Callable[[Claims, Message], None]
"""Raises GrantError where the token does not allow the request."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method, and the messages that it takes and gives."""

    name: str
    """Such as `RoomService/CreateRoom`."""
    request: type[Message]
    response: type[Message]
    check: Check


def _anybody(claims: Claims, request: Message) -> None:
    """Any token that is valid: these calls do nothing here."""


def _need(right: str, claims: Claims, request: Message) -> None:
    claims.require(right)


def _need_admin(claims: Claims, request: Message) -> None:
    claims.require("room_admin", _room_of(request))


def _need_both_rooms(claims: Claims, request: Message) -> None:
    destination: str = request.destination_room  # type: ignore[attr-defined]
    claims.require("room_admin", _room_of(request), destination)


def _need_sip(right: str, claims: Claims, request: Message) -> None:
    if not getattr(claims.sip, right):
        raise GrantError(f"The token does not give the grant sip.{right}.")


def _need_transfer(claims: Claims, request: Message) -> None:
    _need_sip("call", claims, request)
    _need_admin(claims, request)


def _room_of(request: Message) -> str:
    field = "room" if "room" in request.DESCRIPTOR.fields_by_name else "room_name"
    room: str = getattr(request, field)
    return room


_BY_SERVICE: dict[str, Check] = {
    "RoomService": _need_admin,
    "Egress": partial(_need, "room_record"),
    "Ingress": partial(_need, "ingress_admin"),
    "SIP": partial(_need_sip, "admin"),
    "AgentDispatchService": _need_admin,
    "Connector": partial(_need, "room_create"),
    "AgentSimulation": _anybody,
    "CloudAgent": _anybody,
}
_BY_METHOD: dict[str, Check] = {
    "RoomService/CreateRoom": partial(_need, "room_create"),
    "RoomService/DeleteRoom": partial(_need, "room_create"),
    "RoomService/ListRooms": partial(_need, "room_list"),
    "RoomService/ForwardParticipant": _need_both_rooms,
    "RoomService/MoveParticipant": _need_both_rooms,
    "SIP/CreateSIPParticipant": partial(_need_sip, "call"),
    "SIP/TransferSIPParticipant": _need_transfer,
}


def read_room(method: Method, request: Message) -> str:
    """Return the name of the room that a request is about; empty: it names none."""
    fields = request.DESCRIPTOR.fields_by_name
    if method.name == "RoomService/CreateRoom":
        return str(getattr(request, "name"))  # noqa: B009 - of which type it is, its method says
    return _room_of(request) if "room" in fields or "room_name" in fields else ""


def _list_descriptors() -> Iterator[MethodDescriptor]:
    for module in (room, egress, ingress, sip, agent_dispatch, connector, agent_simulation, cloud_agent):
        for service in module.DESCRIPTOR.services_by_name.values():
            yield from service.methods


def list_methods() -> dict[str, Method]:
    """All methods of the protocol's version that is installed, by name; those of cloud services, too."""
    methods = {}
    for described in _list_descriptors():
        service = described.containing_service.name
        name = f"{service}/{described.name}"
        check = _BY_METHOD.get(name) or _BY_SERVICE[service]
        methods[name] = Method(
            name, GetMessageClass(described.input_type), GetMessageClass(described.output_type), check
        )
    return methods


_ABSENT = {
    "SIP": "it has no telephony; a SIP gateway can enter rooms as any other participant.",
    "Connector": "it does not connect to WhatsApp or Twilio.",
    "AgentSimulation": "simulations of agents are a cloud service.",
    "CloudAgent": "hosting agents is a cloud service; run workers, which register on /agent.",
}


def explain_absence(name: str) -> str:
    """Why there is no such method here, and what is there instead."""
    return f"This server does not have {name}: {_ABSENT.get(name.partition('/')[0], 'it is not set up here.')}"
