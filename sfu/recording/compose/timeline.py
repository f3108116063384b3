"""What is on screen at a moment of the hearing: who has a picture, who has a card, who speaks, which phase it is."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sfu.recording.compose.layout import MAX_PEOPLE, MAX_SCREENS
from sfu.recording.compose.tiles import Tile, clean_text
from sfu.recording.reader import Mark, Record, RecordSource, Span

T = TypeVar("T")

FREEZE_US = 500_000
"""Media that are missing for less leave the last picture standing; a card could not be read in that time."""
STILL_US = 2_000_000
"""Longest time between two frames of a picture that does not change (mostly a screen) and is not missing."""
MARK_US = 5_000_000
"""How long a mark's name is shown."""

MEDIA = "media"
_CAUSES = (
    "pause",
    "block",
    "mute",
    "encrypted",
    "restart",
    "recorder_fault",
    "stall",
    "disconnect",
    "loss",
    "key_frame",
)
"""Causes of missing media; of several at a time, the first one listed is shown."""
_NO_PICTURE: Mapping[str, str] = {
    "block": "Blocked by a moderator",
    "mute": "Camera off",
    "encrypted": "Encrypted by the speaker",
    "stall": "Connection lost",
    "disconnect": "Not connected",
    "loss": "Picture lost",
    "key_frame": "Picture lost",
    "pause": "Not recorded",
    "restart": "Not recorded (the server restarted)",
    "recorder_fault": "Not recorded (fault of the recorder)",
}
_NO_SOUND: Mapping[str, str] = {
    "block": "Blocked by a moderator",
    "mute": "Muted",
    "encrypted": "Sound encrypted",
    "stall": "Connection lost",
    "disconnect": "No microphone",
    "loss": "Sound lost",
    "restart": "Sound not recorded",
    "recorder_fault": "Sound not recorded",
}
_OTHER_PICTURE, _OTHER_SOUND = "No picture", "No sound"


@dataclass(frozen=True, slots=True)
class View:
    """What a tile shows at a moment."""

    tile: int
    """Index of the tile."""
    source: int | None
    """Index of the source whose picture is shown. None: the tile shows initials and the card's words."""
    card: str
    """Why there is no picture, in plain words; empty for somebody who has no camera."""
    note: str
    """Why there is no sound; empty if there is sound."""
    microphone: int | None
    """Index of the source that is heard."""
    speaking: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything on screen; it stays the same object while nothing changes but the pictures in the tiles."""

    people: tuple[View, ...]
    screens: tuple[View, ...]
    unseen: int
    """Number of people for whom there was no room."""
    phase: str
    mark: str


class _Steps(Generic[T]):
    """A value that changes at given times."""

    def __init__(self, steps: Iterable[tuple[int, T]], before: T) -> None:
        latest = dict(sorted(steps, key=lambda each: each[0]))  # of several at one time, the last holds
        self.times = list(latest)
        self._values = [before, *latest.values()]

    def at(self, t_us: int) -> T:
        return self._values[bisect.bisect_right(self.times, t_us)]


class Timeline:
    """Made once for a record and its tiles."""

    def __init__(self, record: Record, tiles: Sequence[Tile]) -> None:
        self._tiles = tiles
        self._states = {source.number: _build_states(source) for source in record.sources}
        self._present = [_build_presence(tile.present) for tile in tiles]
        self._speakers = _Steps(((each.at_us, frozenset(each.names)) for each in record.speakers), frozenset[str]())
        self._phase = _Steps(((each.at_us, clean_text(" ".join(each.names))) for each in record.phases), "")
        self._mark = _Steps(_show_marks(record.marks), "")
        times = [self._speakers.times, self._phase.times, self._mark.times]
        times += [each.times for each in self._states.values()] + [each.times for each in self._present]
        self._changes = sorted({time for each in times for time in each})
        self._last: tuple[int, Scene] | None = None

    def scene_at(self, t_us: int) -> Scene:
        """Return what is on screen at a moment of the hearing."""
        place = bisect.bisect_right(self._changes, t_us)
        if self._last is None or self._last[0] != place:
            self._last = place, self._build(t_us)
        return self._last[1]

    def _build(self, t_us: int) -> Scene:
        shown = [number for number, present in enumerate(self._present) if present.at(t_us)]
        speakers = self._speakers.at(t_us)
        people = [self._view(number, t_us, speakers) for number in shown if not self._tiles[number].screen]
        screens = [self._view(number, t_us, speakers) for number in shown if self._tiles[number].screen]
        return Scene(
            tuple(people[:MAX_PEOPLE]),
            tuple(screens[:MAX_SCREENS]),
            max(0, len(people) - MAX_PEOPLE),
            self._phase.at(t_us),
            self._mark.at(t_us),
        )

    def _view(self, number: int, t_us: int, speakers: frozenset[str]) -> View:
        tile = self._tiles[number]
        camera, no_picture = self._find_live(tile.cameras, t_us)
        microphone, no_sound = self._find_live(tile.microphones, t_us)
        card = note = ""
        if camera is None and no_picture:
            card = _NO_PICTURE.get(no_picture, _OTHER_PICTURE)
            if no_picture == "disconnect" and microphone is not None:
                card = "No camera"
        if microphone is None and no_sound:
            note = _NO_SOUND.get(no_sound, _OTHER_SOUND)
        if camera is None and not card and no_sound == "disconnect":
            card = _NO_PICTURE["disconnect"]
        if card == note or (no_sound == "disconnect" and card):
            note = ""
        speaking = not tile.screen and tile.peer in speakers and not note
        return View(number, camera, card, note, microphone, speaking)

    def _find_live(self, sources: Sequence[RecordSource], t_us: int) -> tuple[int | None, str]:
        """Return the source that has media, or the reason why none has; neither if there is no source yet."""
        reason = ""
        for source in reversed(sources):
            state = self._states[source.number].at(t_us)
            if state == MEDIA:
                return source.number, ""
            reason = reason or state
        return None, reason


def _show_marks(marks: Sequence[Mark]) -> Iterator[tuple[int, str]]:
    """Yield when a mark's name appears and disappears, unless the next one replaces it."""
    ordered = sorted(marks, key=lambda each: each.at_us)
    for place, mark in enumerate(ordered):
        yield mark.at_us, clean_text(mark.name)
        gone_us = mark.at_us + MARK_US
        if place + 1 == len(ordered) or ordered[place + 1].at_us > gone_us:
            yield gone_us, ""


def _build_presence(spans: Sequence[Span]) -> _Steps[bool]:
    return _Steps([each for span in spans for each in ((span.begin_us, True), (span.end_us, False))], False)


def _build_states(source: RecordSource) -> _Steps[str]:
    """Return a source's state over time: MEDIA, the cause of missing media, or empty before it began."""
    events: list[tuple[int, int, str]] = []
    for place, span in enumerate(source.spans):
        end_us = span.end_us
        if place + 1 < len(source.spans) and source.spans[place + 1].begin_us - end_us <= STILL_US:
            end_us = source.spans[place + 1].begin_us
        events += [(span.begin_us, 1, MEDIA), (end_us, -1, MEDIA)]
    for gap in source.gaps:
        if gap.end_us - gap.begin_us >= FREEZE_US:
            events += [(gap.begin_us, 1, gap.cause), (gap.end_us, -1, gap.cause)]
    if not events:
        return _Steps([], "")
    events.sort(key=lambda each: each[0])
    active: Counter[str] = Counter()
    steps = []
    for at_us, change, what in events:
        active[what] += change
        steps.append((at_us, _name_state(active)))
    # after the last of its media a source is gone, as far as the record knows
    return _Steps(steps, "")


def _name_state(active: Counter[str]) -> str:
    cause = next((cause for cause in _CAUSES if active[cause] > 0), None)
    if cause is not None:
        return cause
    other = next((what for what, count in active.items() if count > 0 and what != MEDIA), None)
    if other is not None:
        return other
    return MEDIA if active[MEDIA] > 0 else "disconnect"
