"""Data that the server API sends to participants, by their data channels."""

from __future__ import annotations

import asyncio
import collections
import weakref

from livekit.protocol.models import DataPacket, UserPacket
from livekit.protocol.room import SendDataRequest

from sfu import DataChannel
from sfu.errors import RemoteError
from sfu.signaling.livekit.client import Client
from sfu.signaling.livekit.room import LiveKitRoom
from sfu.signaling.livekit.transports import LOSSY, RELIABLE
from sfu.signaling.livekit.twirp.errors import TwirpError

MAX_DATA_BYTES = 64_000
"""Of one packet, as SDKs bound it."""
_NONCE_BYTES = 16
_MOST_NONCES = 100
_PATIENCE_S = 10.0
_LOOK_S = 0.02


class DataSender:
    """Sends packets of no participant; remembers the last nonces of each room, so that a repeated call sends once."""

    def __init__(self) -> None:
        self._nonces: weakref.WeakKeyDictionary[LiveKitRoom, collections.OrderedDict[bytes, None]] = (
            weakref.WeakKeyDictionary()
        )

    async def send(self, room: LiveKitRoom, request: SendDataRequest) -> None:
        """Send to those whom the request names, or to all. Reliable data wait for who is slow, lossy ones for nobody.

        Raises:
            TwirpError: it is too large, or somebody has not taken reliable data in time.
        """
        if len(request.data) > MAX_DATA_BYTES:
            raise TwirpError("invalid_argument", f"Data have at most {MAX_DATA_BYTES} bytes.")
        if len(request.nonce) not in (0, _NONCE_BYTES):
            raise TwirpError("invalid_argument", f"A nonce has {_NONCE_BYTES} bytes, or is left out.")
        if self._is_repeated(room, request.nonce):
            return
        message = _build_packet(request).SerializeToString()
        clients = [client for client in room.clients if _is_meant(client, request)]
        if request.kind == DataPacket.Kind.LOSSY:
            for client in clients:
                _send_lossy(client, message)
            return
        taken = await asyncio.gather(*(_send_reliable(client, message) for client in clients))
        if not all(taken):
            raise TwirpError(
                "unavailable",
                f"{taken.count(False)} of {len(taken)} participants have not taken it within {_PATIENCE_S:.0f} s.",
            )

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
    return DataPacket(kind=request.kind, destination_identities=request.destination_identities, user=user)


def _is_meant(client: Client, request: SendDataRequest) -> bool:
    if not request.destination_sids and not request.destination_identities:
        return True
    return client.identity in request.destination_identities or client.sid in request.destination_sids


def _send_lossy(client: Client, message: bytes) -> None:
    channel = client.transports.channels.get(LOSSY)
    if channel is not None:
        _try(channel, message)


async def _send_reliable(client: Client, message: bytes) -> bool:
    """Whether it was taken in time; who leaves meanwhile needs nothing any more."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while not client.peer.left:
                channel = client.transports.channels.get(RELIABLE)
                if channel is not None and _try(channel, message):
                    return True
                if channel is None:
                    await asyncio.sleep(_LOOK_S)  # who is only joining has none yet
                else:
                    await channel.drained()
    except TimeoutError:
        return client.peer.left
    except RemoteError:
        return True  # it has closed
    return True


def _try(channel: DataChannel, message: bytes) -> bool:
    try:
        return channel.send(message)
    except RemoteError:
        return True  # it has closed
