"""Who is in a room, as the protocol shows it. Knows nothing of sockets: what it is told goes to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from livekit.protocol.models import (
    ClientInfo,
    DisconnectReason,
    ParticipantInfo,
    ParticipantPermission,
    TrackSource,
)
from livekit.protocol.rtc import SignalResponse

from sfu import Peer
from sfu.errors import RemoteError
from sfu.signaling.livekit import sids
from sfu.signaling.livekit.claims import Claims, VideoGrants, name_sources
from sfu.signaling.livekit.data_tracks.track import DataTrack
from sfu.signaling.livekit.frames import Frame
from sfu.signaling.livekit.published import PublishedTrack
from sfu.signaling.livekit.tokens import MAX_TOKEN_BYTES

State = ParticipantInfo.State
_DETAILS = {
    "CLOUD_AGENT": ParticipantInfo.CLOUD_AGENT,
    "FORWARDED": ParticipantInfo.FORWARDED,
    "CONNECTOR_WHATSAPP": ParticipantInfo.CONNECTOR_WHATSAPP,
    "CONNECTOR_TWILIO": ParticipantInfo.CONNECTOR_TWILIO,
    "BRIDGE_RTSP": ParticipantInfo.BRIDGE_RTSP,
    "SIMULATION": ParticipantInfo.SIMULATION,
}


class Participant:
    """One identity in a room: a client of ours, or a Peer that came otherwise, as by WHIP."""

    def __init__(self, peer: Peer, *, identity: str, joined_at: float, kind: ParticipantInfo.Kind) -> None:
        """`joined_at`: seconds since the Unix epoch."""
        self.peer = peer
        self.sid = sids.new_sid(sids.PARTICIPANT)
        self.identity = identity
        self.name = ""
        self.metadata = ""
        self.attributes: dict[str, str] = {}
        self.permission = ParticipantPermission()
        self._claims = Claims(api_key="", expires=0.0)
        self.kind = kind
        self.kind_details: tuple[str, ...] = ()
        self.client = ClientInfo()
        self.state = State.JOINED
        self.reason = DisconnectReason.UNKNOWN_REASON
        """Why it left."""
        self.joined_at = joined_at
        self.tracks: dict[str, PublishedTrack] = {}
        """What it publishes, by the tracks' ids."""
        self.data_tracks: dict[int, DataTrack] = {}
        """What it publishes as data, by its own handles."""
        self._version = 0
        self._info: ParticipantInfo | None = None
        self._listener: Callable[[Frame], None] | None = None
        self._replace: Callable[[], None] = _ignore

    def __repr__(self) -> str:
        return f"<Participant {self.sid} {self.identity!r}>"

    @property
    def hidden(self) -> bool:
        """Whether others do not see it."""
        return self.permission.hidden

    @property
    def attached(self) -> bool:
        """Whether somebody listens to what it is told."""
        return self._listener is not None

    def take_claims(self, claims: Claims) -> None:
        """It is who its token says, and may do what that says."""
        self._claims = claims
        self.name = claims.name
        self.metadata = claims.metadata
        self.attributes = dict(claims.attributes)
        self.kind = claims.participant_kind
        self.kind_details = claims.kind_details
        self.permission = build_permission(claims.video)

    def mint_token(self, mint: Callable[[Claims], str], room: str = "") -> str:
        """Make a token by which it comes back as what it is by now, or comes to another room.

        Where its metadata and attributes have become larger than a token may be, those that it came with stand in it.
        """
        claims = self.describe_claims(room)
        token = mint(claims)
        if len(token) > MAX_TOKEN_BYTES:
            token = mint(replace(claims, metadata=self._claims.metadata, attributes=self._claims.attributes))
        return token

    def describe_claims(self, room: str = "") -> Claims:
        """What a token has to say by which it comes back as what it is by now, or comes to another room."""
        video = apply_permission(self._claims.video, self.permission)
        if room:
            video = replace(video, room=room)
        return replace(
            self._claims, video=video, name=self.name, metadata=self.metadata, attributes=dict(self.attributes)
        )

    def attach(self, listener: Callable[[Frame], None], replace: Callable[[], None]) -> None:
        """Tell `listener` from now on, and nobody else. `replace` is called once another listener takes its place."""
        former, self._replace = self._replace, replace
        self._listener = listener
        former()

    def detach(self, listener: Callable[[Frame], None]) -> None:
        """Tell `listener` no more."""
        if self._listener == listener:
            self._listener, self._replace = None, _ignore

    def send(self, response: SignalResponse) -> None:
        """Tell its client; lost where nobody listens, since who comes back is told of all anew."""
        self.send_frame(Frame(response))

    def send_frame(self, frame: Frame) -> None:
        """The same, of what goes to many."""
        if self._listener is not None:
            self._listener(frame)

    def find_track(self, sid: str) -> PublishedTrack | None:
        """What it publishes under an id."""
        return self.tracks.get(sid)

    @property
    def is_publisher(self) -> bool:
        """Whether there is something that it publishes."""
        return bool(self.tracks or self.data_tracks)

    def allows(self, identity: str, sid: str) -> bool:
        """Whether this publisher lets somebody have a track, or a data track, of that id."""
        return True

    def touch(self) -> None:
        """What others see of it has changed."""
        self._version += 1
        self._info = None

    def info(self) -> ParticipantInfo:
        """What others see of it; not to be changed."""
        if self._info is None:
            info = self._info = ParticipantInfo(
                sid=self.sid,
                identity=self.identity,
                name=self.name,
                state=self.state,
                metadata=self.metadata,
                attributes=self.attributes,
                joined_at=int(self.joined_at),
                joined_at_ms=int(self.joined_at * 1000),
                version=self._version,
                permission=self.permission,
                is_publisher=self.is_publisher,
                kind=self.kind,
                client_protocol=self.client.client_protocol,
                capabilities=self.client.capabilities,
                disconnect_reason=self.reason,
                tracks=[published.info for published in self.tracks.values()],
                data_tracks=[track.info for track in self.data_tracks.values()],
            )
            info.kind_details.extend(value for name, value in _DETAILS.items() if name in self.kind_details)
        return self._info

    def set_metadata(self, metadata: str) -> None:
        """Replace its metadata."""
        self.metadata = metadata
        self.touch()

    def set_name(self, name: str) -> None:
        """Replace its name."""
        self.name = name
        self.touch()

    def merge_attributes(self, attributes: Mapping[str, str], most_bytes: int) -> None:
        """Set attributes; one with an empty value is taken away. Raises AttributesError if they would be too large."""
        self.attributes = merge_attributes(self.attributes, attributes, most_bytes)
        self.touch()


def _ignore() -> None:
    """Stands for a listener that is not there."""


class AttributesError(RemoteError):
    """The attributes of a participant would be too large."""

    title = "Attributes too large"


def merge_attributes(known: Mapping[str, str], added: Mapping[str, str], most_bytes: int) -> dict[str, str]:
    """Return attributes with others set; one with an empty value is taken away. Raises AttributesError if they would be
    too large.
    """
    merged = {key: value for key, value in {**known, **added}.items() if value}
    if sum(len(key.encode()) + len(value.encode()) for key, value in merged.items()) > most_bytes:
        raise AttributesError(f"the attributes of a participant have at most {most_bytes} bytes")
    return merged


def build_permission(grants: VideoGrants) -> ParticipantPermission:
    """What a token's grants allow, as clients see it: nothing is published by who may publish unknown sources only."""
    words = {word.lower(): word for word in TrackSource.keys()}  # noqa: SIM118 - it is no dictionary
    named = grants.can_publish_sources
    sources = sorted(words[each] for each in named or () if each in words)
    return ParticipantPermission(
        can_subscribe=grants.can_subscribe,
        can_publish=grants.can_publish and (named is None or bool(sources)),
        can_publish_data=grants.can_publish_data,
        can_publish_sources=sources,
        hidden=grants.hidden,
        recorder=grants.recorder,
        can_update_metadata=grants.can_update_own_metadata,
        agent=grants.agent,
        can_subscribe_metrics=grants.can_subscribe_metrics,
        can_manage_agent_session=grants.can_manage_agent_session,
    )


def apply_permission(grants: VideoGrants, permission: ParticipantPermission) -> VideoGrants:
    """Return `grants` as a permission has changed them since; the opposite of `build_permission`."""
    return replace(
        grants,
        can_subscribe=permission.can_subscribe,
        can_publish=permission.can_publish,
        can_publish_data=permission.can_publish_data,
        can_publish_sources=name_sources(permission.can_publish_sources),
        hidden=permission.hidden,
        recorder=permission.recorder,
        can_update_own_metadata=permission.can_update_metadata,
        agent=permission.agent,
        can_subscribe_metrics=permission.can_subscribe_metrics,
        can_manage_agent_session=permission.can_manage_agent_session,
    )


def allows_source(permission: ParticipantPermission, source: TrackSource) -> bool:
    """Whether a track of this source may be published."""
    sources = permission.can_publish_sources
    return permission.can_publish and (not sources or source in sources)
