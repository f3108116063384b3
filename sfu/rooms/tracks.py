"""What a room does with its Tracks: it announces, holds, blocks and records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sfu.events import (
    ActiveSpeakersChanged,
    Event,
    TrackBlocked,
    TrackEnded,
    TrackMuted,
    TrackPublished,
    TrackUnblocked,
    TrackUnmuted,
)
from sfu.media.track import Track
from sfu.recording.recording import Recording
from sfu.rooms.event_stream import EventHub
from sfu.rooms.moderation import Moderation
from sfu.rooms.peer import Peer
from sfu.rooms.record_keeper import RecordKeeper
from sfu.rooms.speakers import Speakers
from sfu.session.events import MuteChanged
from sfu.shard.environment import Environment


class RoomTracks:
    """The Tracks' side of a Room, which tells it of each; `peers` and `moderation` are the Room's own."""

    def __init__(
        self, room: str, environment: Environment, hub: EventHub, moderation: Moderation, peers: Mapping[str, Peer]
    ) -> None:
        self.records = RecordKeeper(room, environment, hub.publish)
        self.speakers = Speakers(room, environment.config, _tell_of_speakers(hub, self.records))
        self._room = room
        self._clock = environment.clock
        self._hub = hub
        self._moderation = moderation
        self._peers = peers

    def handle_added(self, track: Track) -> None:
        """Announce a new Track, and record it unless its Peer's media of that kind are blocked."""
        self._hub.publish(TrackPublished(self._room, track.peer, track.id, track.kind, track.codec.name))
        self.speakers.add(track)
        if self._moderation.is_blocked(track.peer, track.kind):
            self._block(track)
        else:
            self._record(track)

    def handle_muted(self, event: MuteChanged) -> None:
        """Announce that a Track is muted, or is so no more."""
        track = event.track
        kind = TrackMuted if event.muted else TrackUnmuted
        self._hub.publish(kind(self._room, track.peer, track.id))
        self.records.handle_muted(track)
        self.update_speakers(self._clock())

    def handle_removed(self, track: Track) -> None:
        """Announce that a Track has ended, and stop recording it."""
        self._hub.publish(TrackEnded(self._room, track.peer, track.id))
        self.records.remove(track)
        self.speakers.remove(track, self._clock())

    def block(self, track: Track, subject: str | None) -> None:
        """See `Room.block`."""
        news = self._moderation.block(track.peer, track.kind, subject)
        if news or not (track.blocked or track.ended):
            self.records.note_order("block", subject, peer=track.peer, kind=track.kind, track=track.id)
        self._block(track)

    def unblock(self, track: Track, subject: str | None) -> None:
        """See `Room.unblock`."""
        news = self._moderation.unblock(track.peer, track.kind)
        held = track.blocked and not track.ended
        if news or held:
            self.records.note_order("unblock", subject, peer=track.peer, kind=track.kind, track=track.id)
        if not held:
            return
        track.block(False)
        self._hub.publish(TrackUnblocked(self._room, track.peer, track.id))
        self._record(track)

    def set_private(self, track: Track, private: bool) -> None:
        """See `Room.set_track_private`."""
        track.private = private
        self.records.remove(track)
        if not (private or track.blocked):
            self._record(track)

    def tell_recording(self, recording: Recording) -> None:
        """Tell a recording that has begun of the Peers, blocks and Tracks that are there already."""
        for peer in self._peers.values():
            recording.note_join(peer.name, peer.metadata)
        for (name, kind), by in self._moderation.blocked.items():
            recording.note_order("block", by, peer=name, kind=kind, track=None)
        for peer in self._peers.values():
            for track in peer.tracks:
                if not track.blocked:
                    self.records.add(track, peer.metadata, [recording])

    def set_muted(self, track: Track, muted: bool) -> None:
        """See `Room.set_track_muted`."""
        if not track.ended and track.state_mute(muted):
            self.handle_muted(MuteChanged(track, muted))

    def update_speakers(self, now: float) -> None:
        """Find who speaks now, and announce what has changed."""
        if not self.speakers.idle:
            self.speakers.update(now)

    def _block(self, track: Track) -> None:
        if track.blocked or track.ended:
            return
        track.block(True)
        self.records.remove(track, "block")
        self._hub.publish(TrackBlocked(self._room, track.peer, track.id))
        self.update_speakers(self._clock())

    def _record(self, track: Track) -> None:
        peer = self._peers.get(track.peer)
        metadata: Mapping[str, Any] = {} if peer is None else peer.metadata
        self.records.add(track, metadata)


def _tell_of_speakers(hub: EventHub, records: RecordKeeper) -> Callable[[Event], None]:
    """Return what tells a room's readers and its records. It holds no more than these, or the room were a circle."""

    def tell(event: Event) -> None:
        hub.publish(event)
        if isinstance(event, ActiveSpeakersChanged):
            records.handle_speakers(event.speakers)

    return tell
