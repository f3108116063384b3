"""Data that the server API sends to participants, on the way that theirs to each other go."""

from __future__ import annotations

import asyncio
import collections
import weakref

from livekit.protocol.models import DataPacket, UserPacket
from livekit.protocol.room import SendDataRequest

from sfu.signaling.livekit.data.packets import MOST_DESTINATIONS, align_destinations
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.twirp.errors import TwirpError

MAX_DATA_BYTES = 64_000
"""Of one packet, as SDKs bound it."""
_NONCE_BYTES = 16
_MOST_NONCES = 100
_PATIENCE_S = 10.0


class DataSender:
    """Sends packets of no participant; remembers the last nonces of each room, so that a repeated call sends once."""

    def __init__(self) -> None:
        self._nonces: weakref.WeakKeyDictionary[LiveKitRoom, collections.OrderedDict[bytes, None]] = (
            weakref.WeakKeyDictionary()
        )

    async def send(self, room: LiveKitRoom, request: SendDataRequest) -> None:
        """Send to those whom the request names, or to all. Reliable data wait for who is slow, lossy ones for nobody.

        Raises:
            TwirpError: it is too large, or somebody has not taken what came before in time.
        """
        if len(request.data) > MAX_DATA_BYTES:
            raise TwirpError("invalid_argument", f"Data have at most {MAX_DATA_BYTES} bytes.")
        if max(len(request.destination_identities), len(request.destination_sids)) > MOST_DESTINATIONS:
            raise TwirpError("invalid_argument", f"Data go to at most {MOST_DESTINATIONS} participants, or to all.")
        if len(request.nonce) not in (0, _NONCE_BYTES):
            raise TwirpError("invalid_argument", f"A nonce has {_NONCE_BYTES} bytes, or is left out.")
        if self._is_repeated(room, request.nonce):
            return
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await room.data.send(_build_packet(request), reliable=request.kind != DataPacket.Kind.LOSSY)
        except TimeoutError as error:
            self._nonces.setdefault(room, collections.OrderedDict()).pop(request.nonce, None)
            raise TwirpError(
                "unavailable", f"Some participants have taken no data for {_PATIENCE_S:.0f} s; it was sent to nobody."
            ) from error

    def _is_repeated(self, room: LiveKitRoom, nonce: bytes) -> bool:
        if not nonce:
            return False
        known = self._nonces.setdefault(room, collections.OrderedDict())
        if nonce in known:
            return True
        known[nonce] = None
        if len(known) > _MOST_NONCES:
            known.popitem(last=False)
        return False


def _build_packet(request: SendDataRequest) -> DataPacket:
    user = UserPacket(
        payload=request.data,
        topic=request.topic if request.HasField("topic") else None,
        destination_sids=request.destination_sids,
        destination_identities=request.destination_identities,
        nonce=request.nonce,
    )
    packet = DataPacket(kind=request.kind, user=user)
    align_destinations(packet)
    return packet
