"""The events of a connection: the public ones where names are enough, and these, which carry objects."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.events import Event
from sfu.media.track import Track


@dataclass(frozen=True)
class TrackAdded:
    """Negotiation has brought a Track, which may be announced now."""

    track: Track


@dataclass(frozen=True)
class TrackRemoved:
    """A Track has ended."""

    track: Track


@dataclass(frozen=True)
class MuteChanged:
    """A Track's publisher has stopped sending for now, or goes on."""

    track: Track
    muted: bool


SessionEvent = Event | TrackAdded | TrackRemoved | MuteChanged
