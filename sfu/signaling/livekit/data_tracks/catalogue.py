"""The data tracks of one room, and who is there to receive them."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Protocol

from sfu.signaling.livekit.data_tracks.track import DataTrack
from sfu.signaling.livekit.options import LiveKitOptions


class Member(Protocol):
    """A participant that can receive data tracks."""

    identity: str

    def note_published(self, track: DataTrack) -> None:
        """There is one more."""
        ...


class Catalogue:
    """Of one room."""

    def __init__(self, options: LiveKitOptions, clock: Callable[[], float], losses: collections.Counter[str]) -> None:
        """`clock`: seconds since the Unix epoch. `losses`: counts packets that are not passed on, by reason."""
        self.options = options
        self.clock = clock
        self.losses = losses
        self._tracks: dict[str, DataTrack] = {}
        self._members: dict[str, Member] = {}

    @property
    def tracks(self) -> tuple[DataTrack, ...]:
        """All that are published."""
        return tuple(self._tracks.values())

    def find(self, sid: str) -> DataTrack | None:
        """That of an id, if it is published."""
        return self._tracks.get(sid)

    def enter(self, member: Member) -> None:
        """Somebody has come."""
        self._members[member.identity] = member

    def leave(self, member: Member) -> None:
        """He has left. Idempotent."""
        if self._members.get(member.identity) is member:
            del self._members[member.identity]

    def add(self, track: DataTrack) -> None:
        """It is published from now on."""
        self._tracks[track.sid] = track
        for member in self._members.values():
            if member.identity != track.publisher.identity:
                member.note_published(track)

    def remove(self, track: DataTrack) -> None:
        """It is not published any more. Idempotent."""
        if self._tracks.pop(track.sid, None) is not None:
            for receiver in list(track.subscriptions):
                receiver.forget(track)
