"""Last-N: in a large room only the Tracks of the latest (or the loudest) speakers are forwarded, sans-IO."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from sfu.errors import ArgumentError

TrackKey = TypeVar("TrackKey", bound=Hashable)
SpeakerKey = TypeVar("SpeakerKey", bound=Hashable)


class LastNChanges(NamedTuple, Generic[TrackKey]):
    """The changes to make; a Track stands in at most one of the two."""

    let_through: tuple[TrackKey, ...] = ()
    """Tracks to forward from now on."""
    hold_back: tuple[TrackKey, ...] = ()
    """Tracks not to forward from now on."""


class LastN(Generic[TrackKey, SpeakerKey]):
    """The policy for the Tracks of one kind in one room.

    All Tracks stand in one order: first those of the active speakers, then of former speakers, the latest first, then
    of Peers that never spoke, in the order in which they were added. The first `limit` of them pass, and the pinned
    ones besides. So a new room fills up as people join, and a new speaker takes the place of the one who spoke longest
    ago; nobody else's Track is touched.

    If more speak at once than may pass, by default those who pass already stay, which suits video, where each change
    costs a key frame; with `loudest` the loudest pass, which suits audio.
    """

    def __init__(self, limit: int | None, *, loudest: bool = False) -> None:
        """`limit` is how many Tracks pass, 0 or more; None: all."""
        self._limit = _checked(limit)
        self._loudest = loudest
        self._order: dict[TrackKey, SpeakerKey] = {}  # first in, first served
        self._speaking: tuple[SpeakerKey, ...] = ()
        self._pinned: set[TrackKey] = set()
        self._through: dict[TrackKey, None] = {}

    @property
    def limit(self) -> int | None:
        """How many Tracks pass, besides the pinned ones."""
        return self._limit

    def allows(self, track: TrackKey) -> bool:
        """Whether the Track is to be forwarded."""
        return track in self._through

    def add(self, track: TrackKey, speaker: SpeakerKey) -> LastNChanges[TrackKey]:
        """Add a Track of `speaker`, the name that `handle_speakers` will use; the changes say whether it passes.

        Raises:
            ArgumentError: the Track was added already.
        """
        if track in self._order:
            raise ArgumentError(f"{track!r} was added before; remove it first")
        self._order[track] = speaker
        if speaker in self._speaking:
            self._arrange()
        changes = self._apply()
        return changes if track in self._through else changes._replace(hold_back=(*changes.hold_back, track))

    def remove(self, track: TrackKey) -> LastNChanges[TrackKey]:
        """Remove a Track that has ended; the changes are those of other Tracks. An unknown one changes nothing."""
        if self._order.pop(track, None) is None:
            return LastNChanges()
        self._pinned.discard(track)
        self._through.pop(track, None)
        return self._apply()

    def pin(self, track: TrackKey) -> LastNChanges[TrackKey]:
        """Let the Track always pass, without taking another's place. An unknown one changes nothing."""
        if track in self._order:
            self._pinned.add(track)
        return self._apply()

    def unpin(self, track: TrackKey) -> LastNChanges[TrackKey]:
        """Undo `pin`."""
        self._pinned.discard(track)
        return self._apply()

    def set_limit(self, limit: int | None) -> LastNChanges[TrackKey]:
        """Let `limit` Tracks pass from now on; None: all."""
        self._limit = _checked(limit)
        return self._apply()

    def handle_speakers(self, speakers: Sequence[SpeakerKey]) -> LastNChanges[TrackKey]:
        """Take the active speakers, the loudest first. Those without a Track here take no place."""
        self._speaking = tuple(speakers)
        self._arrange()
        return self._apply()

    def _arrange(self) -> None:
        """Bring the Tracks of the active speakers to the front."""
        rank = {speaker: place for place, speaker in enumerate(self._speaking)}
        active = [track for track, speaker in self._order.items() if speaker in rank]
        active.sort(key=lambda track: (not self._loudest and track not in self._through, rank[self._order[track]]))
        rest = [track for track, speaker in self._order.items() if speaker not in rank]
        self._order = {track: self._order[track] for track in active + rest}

    def _apply(self) -> LastNChanges[TrackKey]:
        through = dict.fromkeys(self._passing())
        changes = LastNChanges(
            tuple(track for track in through if track not in self._through),
            tuple(track for track in self._through if track not in through),
        )
        self._through = through
        return changes

    def _passing(self) -> Iterable[TrackKey]:
        if self._limit is None:
            yield from self._order
            return
        yield from self._pinned
        places = self._limit
        for track in self._order:
            if places == 0:
                return
            if track not in self._pinned:
                places -= 1
                yield track


def _checked(limit: int | None) -> int | None:
    if limit is not None and limit < 0:
        raise ArgumentError(f"a limit of {limit} Tracks; it must be 0 or more, or None for no limit")
    return limit
