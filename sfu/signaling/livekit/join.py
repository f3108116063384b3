"""What a client asks for when it comes: the query of `/rtc`, or the join request of `/rtc/v1`."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import AddTrackRequest, JoinRequest, SessionDescription, SyncState, WrappedJoinRequest

from sfu.errors import RemoteError
from sfu.signaling.livekit.claims import Claims, is_unicode
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import merge_attributes

MAX_JOIN_BYTES = 1 << 20
"""Of a join request once it is unpacked."""
_MAX_QUERY_NUMBER = 1 << 16
_LAST_WITHOUT_SUCCESS, _RUST_TAKES_RESPONSES = 14, 10
_GZIP = 16 + zlib.MAX_WBITS


class JoinError(RemoteError):
    """A request to join that cannot be read."""

    title = "Malformed request to join"


@dataclass(frozen=True, kw_only=True)
class Join:
    """The client, and what it wants; nothing of this says who it is."""

    client: ClientInfo = field(default_factory=ClientInfo)
    single: bool = False
    """One peer connection, on which the client makes all offers; else one for each direction."""
    auto_subscribe: bool = True
    adaptive_stream: bool = False
    allow_pause: bool = False
    """Its video may be paused where the path is too narrow; else the lowest Layer goes on."""
    auto_subscribe_data: bool = False
    """Every data track is sent to it; else those that it asks for. SDKs ask, and know of no others."""
    metadata: str = ""
    """In place of the token's, and `attributes` beside the token's, if that allows it."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    tracks: tuple[AddTrackRequest, ...] = ()
    offer: SessionDescription | None = None
    resumes: bool = False
    """It goes on as the participant that it was."""
    participant_sid: str = ""
    sync_state: SyncState | None = None

    @property
    def protocol(self) -> int:
        """Its version of the protocol."""
        return int(self.client.protocol)

    def merge_profile(self, claims: Claims, options: LiveKitOptions) -> tuple[str, dict[str, str]]:
        """The metadata and attributes of who joins: its token's, and what the client sets, if the token allows that.

        Raises:
            GrantError, JoinError
        """
        if not self.metadata and not self.attributes:
            return claims.metadata, dict(claims.attributes)
        claims.require("can_update_own_metadata")
        if len(self.metadata.encode()) > options.max_metadata_bytes:
            raise JoinError(f"Metadata have at most {options.max_metadata_bytes} bytes.")
        added = {key: value for key, value in self.attributes.items() if value}  # none of the token's is taken away
        attributes = merge_attributes(claims.attributes, added, options.max_attributes_bytes)
        return self.metadata or claims.metadata, attributes

    def hears_of(self, reason: str) -> bool:
        """Whether it takes responses to requests, and those of this reason: success is told since version 15."""
        if self.client.sdk == ClientInfo.SDK.RUST and self.protocol < _RUST_TAKES_RESPONSES:
            return False
        return reason != "OK" or self.protocol > _LAST_WITHOUT_SUCCESS


def read_query(query: Mapping[str, str]) -> Join:
    """Read the query of `/rtc`; raises JoinError. What is not known in it is ignored."""
    packed = query.get("join_request")
    if packed is not None:
        return read_join_request(packed)
    sdk = query.get("sdk", "").upper().replace("REACTNATIVE", "REACT_NATIVE")
    client = ClientInfo(
        sdk=sdk if sdk in ClientInfo.SDK.keys() else None,  # noqa: SIM118 - it is no dictionary
        version=query.get("version", ""),
        protocol=_read_number(query, "protocol"),
        client_protocol=_read_number(query, "client_protocol"),
        os=query.get("os", ""),
        os_version=query.get("os_version", ""),
        device_model=query.get("device_model", ""),
        browser=query.get("browser", ""),
        browser_version=query.get("browser_version", ""),
        network=query.get("network", ""),
    )
    return Join(
        client=client,
        auto_subscribe=_read_flag(query, "auto_subscribe", True),
        adaptive_stream=_read_flag(query, "adaptive_stream", False),
        allow_pause=_read_flag(query, "subscriber_allow_pause", False),
        auto_subscribe_data=_read_flag(query, "auto_subscribe_data_track", False),
        attributes=_read_attributes(query.get("attributes", "")),
        resumes=_read_flag(query, "reconnect", False),
        participant_sid=query.get("sid", ""),
    )


def read_join_request(packed: str) -> Join:
    """Read the query parameter `join_request`: base64url of a WrappedJoinRequest; raises JoinError."""
    try:
        wrapped = WrappedJoinRequest.FromString(_decode_base64(packed))
        inner = wrapped.join_request
        if wrapped.compression == WrappedJoinRequest.Compression.GZIP:
            inner = _unpack(inner)
        elif wrapped.compression != WrappedJoinRequest.Compression.NONE:
            raise JoinError("The join request is compressed in a way that is not known here; GZIP is.")
        request = JoinRequest.FromString(inner)
    except DecodeError as error:
        raise JoinError("The join request is no JoinRequest.") from error
    settings = request.connection_settings
    return Join(
        client=request.client_info,
        single=True,
        auto_subscribe=settings.auto_subscribe,
        adaptive_stream=settings.adaptive_stream,
        allow_pause=settings.subscriber_allow_pause if settings.HasField("subscriber_allow_pause") else False,
        auto_subscribe_data=settings.auto_subscribe_data_track,
        metadata=request.metadata,
        attributes=dict(request.participant_attributes),
        tracks=tuple(request.add_track_requests),
        offer=request.publisher_offer if request.publisher_offer.sdp else None,
        resumes=request.reconnect,
        participant_sid=request.participant_sid,
        sync_state=request.sync_state if request.HasField("sync_state") else None,
    )


def _unpack(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(data, MAX_JOIN_BYTES)
    except zlib.error as error:
        raise JoinError("The join request is no gzip.") from error
    if unpacker.unconsumed_tail:
        raise JoinError(f"The join request is larger than {MAX_JOIN_BYTES} bytes.")
    if not unpacker.eof:
        raise JoinError("The join request's gzip ends too early.")
    return unpacked


def _decode_base64(text: str) -> bytes:
    """With or without padding, of either alphabet."""
    if len(text) > 2 * MAX_JOIN_BYTES:
        raise JoinError(f"The join request is larger than {MAX_JOIN_BYTES} bytes.")
    plain = text.replace(" ", "+").replace("+", "-").replace("/", "_").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise JoinError("The query holds no base64url.") from error


def _read_attributes(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        value = json.loads(_decode_base64(text))
    except (ValueError, RecursionError) as error:
        raise JoinError("The attributes are no base64url of JSON.") from error
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise JoinError("The attributes are an object whose values are texts.")
    if not all(is_unicode(text) for item in value.items() for text in item):
        raise JoinError("The attributes hold half of a surrogate pair, which is no text.")
    return value


def _read_number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "0")
    if text.isascii() and text.isdigit() and len(text) <= 6:
        return min(int(text), _MAX_QUERY_NUMBER)
    return 0


def _read_flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    text = query.get(name, "").lower()
    return default if not text else text in ("1", "true", "t")
