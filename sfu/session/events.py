"""What a connection tells: the public events that say all by themselves, and these, which need more than names."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.events import Event
from sfu.media.track import Track


@dataclass(frozen=True)
class TrackAdded:
    """Negotiation has brought a Track; that it is there may be told now."""

    track: Track


@dataclass(frozen=True)
class TrackRemoved:
    """A Track has ended."""

    track: Track


@dataclass(frozen=True)
class MuteChanged:
    """A Track's publisher has stopped for now, or goes on."""

    track: Track
    muted: bool


SessionEvent = Event | TrackAdded | TrackRemoved | MuteChanged
