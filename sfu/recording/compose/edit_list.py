"""The film's time and the record's: which frame shows which moment. A pause is cut to a card, or kept."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from sfu.recording.reader import RecordPause

CARD_US = 3_000_000
"""How long a pause's card is shown when the pause itself is cut out."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Consecutive frames of the film that show a continuous span of the hearing, or one pause."""

    first_frame: int
    frames: int
    begin_us: int
    """Record time of the first frame."""
    end_us: int
    """Record time at which the next edit begins."""
    pause: RecordPause | None
    running: bool
    """Whether the hearing's clock runs; not so while the card stands for a pause that was cut out."""


class EditList:
    """The edits of a film, which follow each other without holes."""

    def __init__(self, edits: Sequence[Edit], fps: Fraction) -> None:
        self.all = tuple(edits)
        self.fps = fps
        self.frames = sum(each.frames for each in self.all)

    @property
    def duration_us(self) -> int:
        """Duration of the film."""
        return self.film_us(self.frames)

    def film_us(self, frames: int) -> int:
        """Return the duration of a number of frames."""
        return frames * 1_000_000 * self.fps.denominator // self.fps.numerator  # a Fraction takes ten times as long

    def film_samples(self, frames: int, rate: int) -> int:
        """Return the number of sound samples that belong to a number of frames."""
        return frames * rate * self.fps.denominator // self.fps.numerator

    def record_us(self, edit: Edit, frame: int) -> int:
        """Return the moment of the hearing that a frame of an edit shows; `frame` counts from the film's beginning."""
        if not edit.running:
            return edit.begin_us
        return edit.begin_us + self.film_us(frame - edit.first_frame)

    def find_frame(self, at_us: int) -> int:
        """Return the first frame that shows a moment of the hearing, or what stands for it."""
        place = bisect.bisect_right([each.begin_us for each in self.all], at_us) - 1
        if place < 0:
            return 0
        edit = self.all[place]
        if not edit.running:
            return edit.first_frame
        frame = int((at_us - edit.begin_us) * self.fps / 1_000_000)
        return edit.first_frame + min(frame, max(edit.frames - 1, 0))


def build_edit_list(duration_us: int, pauses: Sequence[RecordPause], fps: Fraction, *, keep_pauses: bool) -> EditList:
    """Divide a record into edits; each has a whole number of frames, so sound and picture change together."""
    made: list[Edit] = []
    first_frame = at_us = 0

    def add(end_us: int, shown_us: int, pause: RecordPause | None) -> None:
        nonlocal first_frame, at_us
        frames = -int(-shown_us * fps // 1_000_000)
        if frames:
            running = pause is None or keep_pauses
            made.append(Edit(first_frame, frames, at_us, end_us, pause, running))
        first_frame += frames
        at_us = end_us

    for pause in sorted(pauses, key=lambda each: each.begin_us):
        begin, end = max(pause.begin_us, at_us), min(pause.end_us, duration_us)
        if end <= begin:
            continue
        add(begin, begin - at_us, None)
        add(end, end - begin if keep_pauses else min(end - begin, CARD_US), pause)
    add(max(duration_us, at_us), max(duration_us, at_us) - at_us, None)
    return EditList(made, fps)
