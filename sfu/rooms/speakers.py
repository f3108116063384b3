"""The speakers of a room: who speaks, who leads the conversation, and with last-N whose Tracks are forwarded."""

from __future__ import annotations

from collections.abc import Callable

from sfu.audio.last_n import LastN, LastNChanges
from sfu.audio.speakers import AudioLevels, SpeakerDetector
from sfu.config import Config
from sfu.events import ActiveSpeakersChanged, DominantSpeakerChanged, Event, TrackHeld, TrackReleased
from sfu.media.track import Track
from sfu.negotiation import Kind

_QUIETEST = 127.0


class Speakers:
    """Finds the speakers of one Room, which tells it of Tracks and calls `update` once an
    `sfu.audio.speakers.INTERVAL`.
    """

    def __init__(self, room: str, config: Config, emit: Callable[[Event], None]) -> None:
        self.active_speakers: tuple[str, ...] = ()
        """Names of the Peers that speak, the loudest first."""
        self.dominant_speaker: str | None = None
        self._room = room
        self._emit = emit
        self._detector: SpeakerDetector[Track] = SpeakerDetector()
        self._microphones: dict[Track, None] = {}
        self._policies: dict[Kind, LastN[Track, str]] = {
            "audio": LastN(config.last_n_audio, loudest=True),
            "video": LastN(config.last_n_video),
        }

    @property
    def idle(self) -> bool:
        """Whether the room has no audio Track, so that `update` has nothing to do."""
        return not self._microphones

    @property
    def levels(self) -> dict[str, float]:
        """See `Room.speaker_levels`."""
        found: dict[str, float] = {}
        for track in self._detector.speakers:
            found.setdefault(track.peer, self._detector.loudness(track) - _QUIETEST)
        return found

    def add(self, track: Track) -> None:
        """Take in a Track that was published."""
        if track.kind == "audio":
            self._microphones[track] = None
        self._apply(self._policies[track.kind].add(track, track.peer))

    def remove(self, track: Track, now: float) -> None:
        """Forget a Track that has ended; its Peer stops being a speaker by it."""
        if track in self._microphones:
            del self._microphones[track]
            self.update(now)
        self._apply(self._policies[track.kind].remove(track))

    def set_last_n(self, kind: Kind, limit: int | None) -> None:
        """See `Room.set_last_n`."""
        self._apply(self._policies[kind].set_limit(limit))

    def pin(self, track: Track) -> None:
        """See `Room.pin`."""
        self._apply(self._policies[track.kind].pin(track))

    def unpin(self, track: Track) -> None:
        """See `Room.unpin`."""
        self._apply(self._policies[track.kind].unpin(track))

    def update(self, now: float) -> None:
        """Take the audio levels that came since the last update, and emit an event for each change."""
        self._detector.update([_levels_of(track) for track in self._microphones], now)
        speakers = tuple(dict.fromkeys(track.peer for track in self._detector.speakers))
        if speakers != self.active_speakers:
            self.active_speakers = speakers
            self._emit(ActiveSpeakersChanged(self._room, speakers))
            for policy in self._policies.values():
                self._apply(policy.handle_speakers(speakers))
        dominant = self._detector.dominant
        name = None if dominant is None else dominant.peer
        if name != self.dominant_speaker:
            self.dominant_speaker = name
            self._emit(DominantSpeakerChanged(self._room, name))

    def _apply(self, changes: LastNChanges[Track]) -> None:
        for track in changes.hold_back:
            if not track.held:
                track.hold(True)
                self._emit(TrackHeld(self._room, track.peer, track.id))
        for track in changes.let_through:
            if track.held:
                track.hold(False)
                self._emit(TrackReleased(self._room, track.peer, track.id))


def _levels_of(track: Track) -> AudioLevels[Track]:
    (encoding,) = track.encodings
    level = encoding.audio_level()
    return AudioLevels(track, level.levels, level.loudness, level.voiced, track.muted or track.blocked)
