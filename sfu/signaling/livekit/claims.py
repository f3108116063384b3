"""What an access token says: who somebody is, and what he may do. `tokens` verifies and signs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from livekit.protocol.models import ParticipantInfo, TrackSource
from livekit.protocol.room import RoomConfiguration

from sfu.errors import RemoteError

_T = TypeVar("_T")

MAX_IDENTITY_LENGTH = 256
MAX_ROOM_LENGTH = 256


class TokenError(RemoteError):
    """An access token that counts for nothing: expired, wrongly signed, malformed."""

    status = 401
    title = "Token refused"


class GrantError(RemoteError):
    """An access token that is good, but not for this."""

    status = 403
    title = "Not granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoGrants:
    """What the claim `video` allows. Names are those of the protocol; what is unset has the default it has there."""

    room_create: bool = False
    room_list: bool = False
    room_record: bool = False
    room_admin: bool = False
    """Moderate the room `room`."""
    room_join: bool = False
    """Enter the room `room`."""
    room: str = ""
    destination_room: str = ""
    """The room that participants of `room` may be moved to, or forwarded to."""
    can_publish: bool = True
    can_subscribe: bool = True
    can_publish_data: bool = True
    """Unset: as `can_publish`."""
    can_publish_sources: frozenset[str] | None = None
    """The sources that may be published, in the words of tokens (`screen_share`); None: all of them."""
    can_update_own_metadata: bool = False
    can_subscribe_metrics: bool = False
    can_manage_agent_session: bool = False
    ingress_admin: bool = False
    hidden: bool = False
    recorder: bool = False
    agent: bool = False
    """Register as a worker of agents; whoever enters with it is an agent."""

    @classmethod
    def from_json(cls, claim: Mapping[str, Any]) -> VideoGrants:
        """The grants of a token's claim `video`; raises TokenError for a value of another type than its own."""
        can_publish = _read(claim, "canPublish", bool, True)
        sources = _read(claim, "canPublishSources", list, [])
        if not all(isinstance(source, str) for source in sources):
            raise TokenError("The token's claim video.canPublishSources is not a list of words.")
        flags = {name: _read(claim, key, bool, False) for name, key in _FLAGS.items()}
        return cls(
            room=_read_text(claim, "room", MAX_ROOM_LENGTH),
            destination_room=_read_text(claim, "destinationRoom", MAX_ROOM_LENGTH),
            can_publish=can_publish,
            can_subscribe=_read(claim, "canSubscribe", bool, True),
            can_publish_data=_read(claim, "canPublishData", bool, can_publish),
            can_publish_sources=frozenset(source.lower() for source in sources) or None,
            **flags,
        )

    def as_json(self) -> dict[str, Any]:
        """The claim `video` that says the same."""
        claim: dict[str, Any] = {key: True for name, key in _FLAGS.items() if getattr(self, name)}
        claim |= {
            "canPublish": self.can_publish,
            "canSubscribe": self.can_subscribe,
            "canPublishData": self.can_publish_data,
        }
        if self.room:
            claim["room"] = self.room
        if self.destination_room:
            claim["destinationRoom"] = self.destination_room
        if self.can_publish_sources is not None:
            claim["canPublishSources"] = sorted(self.can_publish_sources)
        return claim


_FLAGS = {
    "room_create": "roomCreate",
    "room_list": "roomList",
    "room_record": "roomRecord",
    "room_admin": "roomAdmin",
    "room_join": "roomJoin",
    "can_update_own_metadata": "canUpdateOwnMetadata",
    "can_subscribe_metrics": "canSubscribeMetrics",
    "can_manage_agent_session": "canManageAgentSession",
    "ingress_admin": "ingressAdmin",
    "hidden": "hidden",
    "recorder": "recorder",
    "agent": "agent",
}


NO_GRANTS = VideoGrants(can_publish=False, can_subscribe=False, can_publish_data=False)
"""Of a token without the claim `video`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipGrants:
    """What the claim `sip` allows."""

    admin: bool = False
    call: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """All that an access token says, but its times of issue."""

    api_key: str
    """Whose secret has signed it."""
    identity: str = ""
    name: str = ""
    metadata: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    kind_details: tuple[str, ...] = ()
    sha256: str = ""
    room_preset: str = ""
    room_config: RoomConfiguration | None = None
    video: VideoGrants = NO_GRANTS
    sip: SipGrants = SipGrants()
    expires: float = field(compare=False)
    """Seconds since the Unix epoch."""

    @classmethod
    def from_json(cls, decoded: Mapping[str, Any]) -> Claims:
        """What a decoded token says; raises TokenError for a value of another type than its own."""
        video, sip = _read_object(decoded, "video"), _read_object(decoded, "sip") or {}
        attributes = _read_object(decoded, "attributes") or {}
        if not all(isinstance(text, str) and is_unicode(text) for item in attributes.items() for text in item):
            raise TokenError("The token's claim attributes is not a table of texts.")
        details = _read(decoded, "kindDetails", list, [])
        if not all(isinstance(detail, str) for detail in details):
            raise TokenError("The token's claim kindDetails is not a list of words.")
        expires = decoded.get("exp")
        if isinstance(expires, bool) or not isinstance(expires, int | float) or not abs(expires) < 1e18:
            raise TokenError("The token's time exp is not a number.")
        return cls(
            api_key=_read_text(decoded, "iss"),
            identity=_read_text(decoded, "sub", MAX_IDENTITY_LENGTH) or _read_text(decoded, "jti", MAX_IDENTITY_LENGTH),
            name=_read_text(decoded, "name"),
            metadata=_read_text(decoded, "metadata"),
            attributes=attributes,
            kind=_read_text(decoded, "kind"),
            kind_details=tuple(details),
            sha256=_read_text(decoded, "sha256"),
            room_preset=_read_text(decoded, "roomPreset"),
            room_config=_read_room_config(decoded),
            video=NO_GRANTS if video is None else VideoGrants.from_json(video),
            sip=SipGrants(admin=_read(sip, "admin", bool, False), call=_read(sip, "call", bool, False)),
            expires=float(expires),
        )

    def as_json(self) -> dict[str, Any]:
        """Claims that say the same, without times and issuer."""
        claims: dict[str, Any] = {
            "sub": self.identity,
            "name": self.name,
            "metadata": self.metadata,
            "attributes": dict(self.attributes),
            "kind": self.kind,
            "kindDetails": list(self.kind_details),
            "sha256": self.sha256,
            "roomPreset": self.room_preset,
            "sip": {right: True for right in ("admin", "call") if getattr(self.sip, right)},
        }
        claims = {name: value for name, value in claims.items() if value}
        if self.room_config is not None:
            claims["roomConfig"] = json_format.MessageToDict(self.room_config)
        if self.video != NO_GRANTS:
            claims["video"] = self.video.as_json()
        return claims

    @property
    def participant_kind(self) -> ParticipantInfo.Kind:
        """What whoever enters with the token is; a word of newer issuers is none that others are told."""
        if self.video.agent:
            return ParticipantInfo.Kind.AGENT
        known = dict(ParticipantInfo.Kind.items())
        return cast("ParticipantInfo.Kind", known.get(self.kind.upper(), ParticipantInfo.Kind.STANDARD))

    def require_join(self, room: str = "") -> str:
        """The room that the token enters: its own, which `room` must be where it is asked for. Raises GrantError."""
        if not self.video.room_join:
            raise GrantError("The token does not allow to enter a room (video.roomJoin).")
        if not self.identity:
            raise GrantError("The token has no identity to enter with (claim sub).")
        if not self.video.room:
            raise GrantError("The token does not say which room it enters (video.room).")
        if room not in ("", self.video.room):
            raise GrantError("The token is for another room (video.room).")
        return self.video.room

    def require(self, right: str, room: str | None = None, destination: str | None = None) -> None:
        """Raise GrantError unless the token gives `right`, a field of VideoGrants; where they are given, in `room`, and
        with the destination room `destination`.
        """
        if not getattr(self.video, right):
            raise GrantError(f"The token does not give the grant video.{_FLAGS[right]}.")
        if room is not None and (not room or room != self.video.room):
            raise GrantError("The token is for another room (video.room).")
        if destination is not None and (not destination or destination != self.video.destination_room):
            raise GrantError("The token is for another destination (video.destinationRoom).")


def name_sources(sources: Iterable[int]) -> frozenset[str] | None:
    """The words of tokens for sources; None where there are none, which means all. One that is not known here is called
    by its number, so that it does not turn into all of them.
    """
    words = {number: word.lower() for word, number in TrackSource.items()}
    return frozenset(words.get(source, str(source)) for source in sources) or None


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON can hold halves of surrogate pairs (RFC 8259 section 8.2), and
    protobuf cannot.
    """
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _read(claim: Mapping[str, Any], key: str, kind: type[_T], default: _T) -> _T:
    value = claim.get(key)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise TokenError(f"The token's claim {key} is not of its type, {kind.__name__}.")
    return value


def _read_text(claim: Mapping[str, Any], key: str, longest: int | None = None) -> str:
    text = _read(claim, key, str, "")
    if not is_unicode(text):
        raise TokenError(f"The token's claim {key} holds half of a surrogate pair, which is no text.")
    if longest is not None and len(text) > longest:
        raise TokenError(f"The token's claim {key} is longer than {longest} characters.")
    return text


def _read_object(claim: Mapping[str, Any], key: str) -> dict[str, Any] | None:
    value = claim.get(key)
    if value is not None and not isinstance(value, dict):
        raise TokenError(f"The token's claim {key} is not an object.")
    return value


def _read_room_config(decoded: Mapping[str, Any]) -> RoomConfiguration | None:
    config = _read_object(decoded, "roomConfig")
    if config is None:
        return None
    try:
        return json_format.ParseDict(config, RoomConfiguration(), ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as error:
        raise TokenError("The token's claim roomConfig is not a RoomConfiguration.") from error
