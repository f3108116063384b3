"""`Egress`: rooms, participants and tracks as files, begun and ended."""

from __future__ import annotations

from collections.abc import Mapping

from livekit.protocol.egress import (
    EgressInfo,
    ListEgressRequest,
    ListEgressResponse,
    StopEgressRequest,
    UpdateLayoutRequest,
    UpdateStreamRequest,
)

from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.egress.egresses import Egresses
from sfu.signaling.livekit.egress.orders import Request, UnsupportedError
from sfu.signaling.livekit.twirp.router import Handler

_STARTS = (
    "StartEgress",
    "StartRoomCompositeEgress",
    "StartWebEgress",
    "StartParticipantEgress",
    "StartTrackCompositeEgress",
    "StartTrackEgress",
)


class EgressService:
    """Its methods, over the egresses of a node."""

    def __init__(self, egresses: Egresses) -> None:
        self._egresses = egresses

    def handlers(self) -> Mapping[str, Handler]:
        """By the method's name."""
        others: dict[str, Handler] = {
            "Egress/StopEgress": self.stop,
            "Egress/ListEgress": self.list,
            "Egress/UpdateLayout": self.update_layout,
            "Egress/UpdateStream": self.update_stream,
        }
        return others | {f"Egress/{start}": self.start for start in _STARTS}

    async def start(self, claims: Claims, request: Request) -> EgressInfo:
        """Record from now on; which of the methods it was, the request says itself."""
        return self._egresses.start(request, claims.identity or claims.api_key, claims.api_key)

    async def stop(self, claims: Claims, request: StopEgressRequest) -> EgressInfo:
        """End one. Its file is made after that: `egress_ended` tells when, and so does ListEgress."""
        return self._egresses.stop(request.egress_id)

    async def list(self, claims: Claims, request: ListEgressRequest) -> ListEgressResponse:
        """Those that run, and the last that have ended."""
        found = self._egresses.find(request.room_name, request.egress_id, active=request.active)
        return ListEgressResponse(items=found)

    async def update_layout(self, claims: Claims, request: UpdateLayoutRequest) -> EgressInfo:
        """There is one layout."""
        raise UnsupportedError("Films show a grid: there is no other layout to change to.")

    async def update_stream(self, claims: Claims, request: UpdateStreamRequest) -> EgressInfo:
        """There are no streams."""
        raise UnsupportedError("Egress makes files here: there are no streams to change.")
