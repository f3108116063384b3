"""`AgentDispatchService`: send agents into rooms, see who was sent, call them back."""

from __future__ import annotations

from collections.abc import Mapping

from livekit.protocol.agent_dispatch import (
    AgentDispatch,
    CreateAgentDispatchRequest,
    DeleteAgentDispatchRequest,
    ListAgentDispatchRequest,
    ListAgentDispatchResponse,
    RoomAgentDispatch,
)

from sfu.signaling.livekit.agents.dispatches import Dispatches
from sfu.signaling.livekit.claims import MAX_IDENTITY_LENGTH, Claims
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.router import Handler


class AgentDispatchService:
    """Its methods, over the dispatches of a node's rooms."""

    def __init__(self, dispatches: Dispatches, options: LiveKitOptions) -> None:
        self._dispatches = dispatches
        self._options = options

    def handlers(self) -> Mapping[str, Handler]:
        """By the method's name."""
        return {
            "AgentDispatchService/CreateDispatch": self.create,
            "AgentDispatchService/DeleteDispatch": self.delete,
            "AgentDispatchService/ListDispatch": self.list,
        }

    async def create(self, claims: Claims, request: CreateAgentDispatchRequest) -> AgentDispatch:
        """Send an agent into a room that is open; where no worker runs it, it comes once one registers."""
        self._check_size(request)
        agent = RoomAgentDispatch(
            agent_name=request.agent_name,
            metadata=request.metadata,
            restart_policy=request.restart_policy,
            deployment=request.deployment,
            attributes=request.attributes,
        )
        try:
            return self._dispatches.create(request.room, agent)
        except KeyError:
            raise _room_not_found(request.room) from None

    def _check_size(self, request: CreateAgentDispatchRequest) -> None:
        """What is bounded of a participant is bounded here, since it is told to workers and stands in their tokens."""
        options = self._options
        if len(request.metadata.encode()) > options.max_metadata_bytes:
            raise TwirpError("invalid_argument", f"Metadata has at most {options.max_metadata_bytes} bytes.")
        if (
            sum(len(each.encode()) for item in request.attributes.items() for each in item)
            > options.max_attributes_bytes
        ):
            raise TwirpError("invalid_argument", f"Attributes have at most {options.max_attributes_bytes} bytes.")
        for text in (request.agent_name, request.deployment):
            if len(text) > MAX_IDENTITY_LENGTH:
                raise TwirpError(
                    "invalid_argument", f"An agent's name and deployment have at most {MAX_IDENTITY_LENGTH} characters."
                )

    async def list(self, claims: Claims, request: ListAgentDispatchRequest) -> ListAgentDispatchResponse:
        """All of a room, or the one that is asked for."""
        try:
            found = self._dispatches.list(request.room)
        except KeyError:
            raise _room_not_found(request.room) from None
        if request.dispatch_id:
            if request.dispatch_id not in found:
                raise TwirpError("not_found", f"Room {request.room!r} has no dispatch {request.dispatch_id!r}.")
            return ListAgentDispatchResponse(agent_dispatches=[found[request.dispatch_id]])
        return ListAgentDispatchResponse(agent_dispatches=found.values())

    async def delete(self, claims: Claims, request: DeleteAgentDispatchRequest) -> AgentDispatch:
        """End the jobs of a dispatch; its workers are told."""
        try:
            return self._dispatches.delete(request.room, request.dispatch_id)
        except KeyError:
            raise TwirpError("not_found", f"Room {request.room!r} has no dispatch {request.dispatch_id!r}.") from None


def _room_not_found(room: str) -> TwirpError:
    return TwirpError("not_found", f"Room {room!r} does not exist.")
