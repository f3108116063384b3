"""Who speaks in a room, and who is the dominant speaker, from the audio levels that clients declare (RFC 6464),
sans-IO.

The dominant speaker is found in the spirit of Volfin and Cohen, "Dominant speaker identification for multipoint
videoconferencing", Computer Speech and Language 27 (2013) 895-910: speech activity is scored over an immediate, a
medium and a long span, and a challenger has to lead in them. Ours differs in the scores: they come from levels, not
from the signal.

The levels are the clients' word. One that lies (always at the overload point, "voice" in every packet) is heard as a
loud speaker: it can be listed as active and be the dominant speaker, but it cannot make others inactive, since
activity is judged by each Track's own background, nor make any number grow. A level that never varies counts as
background, so whoever speaks comes before it. Packets without a level count for nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, NamedTuple, TypeVar

from sfu.audio.activity import Activity, Step

Key = TypeVar("Key", bound=Hashable)

INTERVAL = 0.1
"""Seconds between two updates, for which the thresholds were chosen; 0.2 works too, but reacts more slowly."""
DOMINANCE_SPEECH = 0.6
"""Seconds of speech after which a speaker can become dominant: a cough is shorter."""
TURN_PAUSE = 0.6
"""Seconds of silence of the dominant speaker after which another's turn may begin."""
ORDER_INTERVAL = 1.0
"""Least seconds between two events of which the later only changes the order of the speakers."""

_LONGEST_STEP = 0.5
_IMMEDIATE_LEAD = 3.0  # dB of prominence
_MEDIUM_LEAD = 6.0
_LONG_LEAD = 3.0
_ORDER_STEP = 6.0  # dB of loudness


class AudioLevels(NamedTuple, Generic[Key]):
    """The audio-level counters of one Track; they only rise, or begin anew."""

    track: Key
    packets: int
    """Packets so far that declared a level."""
    loudness: int
    """The sum over these packets of 127 minus the level in -dBov."""
    voiced: int
    """How many of these packets had the V flag (voice activity)."""
    muted: bool = False


class SpeakersChanged(NamedTuple, Generic[Key]):
    """The active speakers have changed, or their order has."""

    speakers: tuple[Key, ...]
    """The active speakers, the loudest first."""


class DominantSpeakerChanged(NamedTuple, Generic[Key]):
    """Another speaker is dominant."""

    speaker: Key | None
    """The dominant speaker; None: the former one has left, and nobody speaks."""


class SpeakerDetector(Generic[Key]):
    """The speakers of one room. State is kept for the Tracks of the last update, and for no others."""

    def __init__(self) -> None:
        self._tracks: dict[Key, Activity] = {}
        self._ranks: dict[Key, float] = {}  # of the active ones: their loudness when it last changed clearly
        self._speakers: tuple[Key, ...] = ()
        self._dominant: Key | None = None
        self._updated: float | None = None
        self._ordered = 0.0

    @property
    def speakers(self) -> tuple[Key, ...]:
        """The active speakers, the loudest first."""
        return self._speakers

    @property
    def dominant(self) -> Key | None:
        """The dominant speaker. The last one stays it, even muted, until another speaks or it leaves."""
        return self._dominant

    def loudness(self, track: Key) -> float:
        """Return the loudness over about the last second, 0 (silent) .. 127 (0 dBov); 0 for an unknown Track."""
        activity = self._tracks.get(track)
        return activity.loudness if activity is not None else 0.0

    def update(
        self, levels: Iterable[AudioLevels[Key]], now: float
    ) -> list[SpeakersChanged[Key] | DominantSpeakerChanged[Key]]:
        """Take the counters of all audio Tracks of the room; a Track that is not among them has left.

        Call it once an `INTERVAL`. A longer pause counts as half a second at most.
        """
        elapsed = now - self._updated if self._updated is not None else 0.0
        self._updated = now
        step = Step.of(min(max(elapsed, 0.0), _LONGEST_STEP))
        former, self._tracks = self._tracks, {}
        for track, packets, loudness, voiced, muted in levels:
            activity = former.get(track)
            if activity is None:
                activity = Activity(packets, loudness, voiced)
            elif muted:
                activity.mute(packets, loudness, voiced)
            else:
                activity.update(packets, loudness, voiced, step)
            self._tracks[track] = activity
        events: list[SpeakersChanged[Key] | DominantSpeakerChanged[Key]] = []
        if self._reorder(now):
            events.append(SpeakersChanged(self._speakers))
        dominant = self._find_dominant()
        if dominant != self._dominant:
            self._dominant = dominant
            events.append(DominantSpeakerChanged(dominant))
        return events

    def _reorder(self, now: float) -> bool:
        """Update the order of the speakers; return whether the change is worth an event."""
        ranks: dict[Key, float] = {}
        for track, activity in self._tracks.items():
            if activity.active:
                rank = self._ranks.get(track)
                if rank is None or abs(activity.loudness - rank) >= _ORDER_STEP:
                    rank = activity.loudness
                ranks[track] = rank
        same = ranks.keys() == self._ranks.keys()
        self._ranks = ranks
        if same and now < self._ordered + ORDER_INTERVAL:
            return False
        kept = [track for track in self._speakers if track in ranks]
        fresh = [track for track in ranks if track not in set(kept)]
        speakers = tuple(sorted(kept + fresh, key=lambda track: -ranks[track]))
        if speakers == self._speakers:
            return False
        self._speakers = speakers
        self._ordered = now
        return True

    def _find_dominant(self) -> Key | None:
        holder = self._dominant
        incumbent = self._tracks.get(holder) if holder is not None else None
        best, highest = (holder if incumbent is not None else None), -1.0
        for track in self._ranks:
            challenger = self._tracks[track]
            if challenger is incumbent or challenger.voiced < DOMINANCE_SPEECH or challenger.medium <= highest:
                continue
            if incumbent is None or _takes_over(challenger, incumbent):
                best, highest = track, challenger.medium
        return best


def _takes_over(challenger: Activity, holder: Activity) -> bool:
    """Whether a challenger becomes dominant: easily after the dominant speaker has paused; else only by standing out
    clearly and for long.
    """
    if holder.quiet >= TURN_PAUSE:
        return challenger.immediate > holder.immediate and challenger.medium > holder.medium
    return (
        challenger.immediate > holder.immediate + _IMMEDIATE_LEAD
        and challenger.medium > holder.medium + _MEDIUM_LEAD
        and challenger.long > holder.long + _LONG_LEAD
    )
