"""`Ingress`: stream keys for WHIP clients, made, listed, changed and taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from livekit.protocol.ingress import (
    CreateIngressRequest,
    DeleteIngressRequest,
    IngressInfo,
    ListIngressRequest,
    ListIngressResponse,
    UpdateIngressRequest,
)

from sfu.signaling.livekit.claims import Claims
from sfu.signaling.livekit.ingress.ingresses import Ingresses
from sfu.signaling.livekit.twirp.router import Handler


class IngressService:
    """Its methods, over the ingresses of a node."""

    def __init__(self, ingresses: Ingresses, put_out: Callable[[str, str], None]) -> None:
        """`put_out(room, identity)` ends what somebody publishes."""
        self._ingresses = ingresses
        self._put_out = put_out

    def handlers(self) -> Mapping[str, Handler]:
        """By the method's name."""
        return {
            "Ingress/CreateIngress": self.create,
            "Ingress/UpdateIngress": self.update,
            "Ingress/ListIngress": self.list,
            "Ingress/DeleteIngress": self.delete,
        }

    async def create(self, claims: Claims, request: CreateIngressRequest) -> IngressInfo:
        """The answer tells the URL and the stream key, which encoders send as the bearer token."""
        return await self._ingresses.create(request, claims.api_key)

    async def update(self, claims: Claims, request: UpdateIngressRequest) -> IngressInfo:
        """Change one, as far as something is said."""
        return await self._ingresses.update(request)

    async def list(self, claims: Claims, request: ListIngressRequest) -> ListIngressResponse:
        """Those of a room, or the one of an id; else all."""
        return ListIngressResponse(items=self._ingresses.find(request.room_name, request.ingress_id))

    async def delete(self, claims: Claims, request: DeleteIngressRequest) -> IngressInfo:
        """Take the stream key back, and put out who publishes by it."""
        info = await self._ingresses.delete(request.ingress_id)
        self._put_out(info.room_name, info.participant_identity)
        return info
