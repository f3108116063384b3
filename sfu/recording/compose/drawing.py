"""What stands still for a while: captions, cards, the bar with the clock. Drawn with Pillow when it changes."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sfu.recording.compose.layout import CAPTION_TOP, name_size, scale
from sfu.recording.compose.text import Colour, Typesetter
from sfu.recording.compose.tiles import Tile, clean_text
from sfu.recording.reader import RecordPause

BACKGROUND: Colour = (18, 22, 28)
TILE: Colour = (33, 39, 48)
BAR: Colour = (10, 13, 17)
SPEAKING: Colour = (64, 201, 133)
TEXT: Colour = (241, 244, 248)
FAINT: Colour = (160, 171, 184)
WARM: Colour = (245, 187, 87)
_AVATARS: tuple[Colour, ...] = (
    (70, 104, 168),
    (138, 84, 140),
    (56, 118, 116),
    (160, 94, 62),
    (96, 106, 128),
    (120, 112, 52),
    (152, 70, 92),
    (74, 122, 74),
)
_SMOOTH = 4
"""Factor by which circles are drawn larger before they are scaled down: Pillow's own have jagged edges."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What the clock shows."""

    wall: datetime.datetime
    """The time of day in the film's time zone."""
    elapsed: int
    """Whole seconds since the record's start."""
    until: datetime.datetime | None = None
    """Time of day to which the clock jumps after a pause that was cut out."""


class Drawing:
    """Draws for a picture of a given height; all measures follow from it."""

    def __init__(self, typesetter: Typesetter, height: int) -> None:
        self._type = typesetter
        self._height = height

    def draw_caption(self, tile: Tile, note: str, speaking: bool, width: int, height: int, lines: int) -> Image.Image:
        """Draw a caption: a name, the role under it, and at the right a note on the sound."""
        image, draw = _blank(width, height, BACKGROUND)
        size = name_size(width, self._height)
        small = max(round(size * 0.86), 10)
        first = scale(CAPTION_TOP, self._height) + size * 1.12
        second = first + size * 1.12
        rooms = [width - 2.0, width - 2.0]
        if note:
            cut = self._type.cut(note, small, width * 0.6)
            at = second if lines > 1 else first
            rooms[lines - 1] -= self._type.draw(draw, width - 2, at, cut, small, WARM, align="right") + size * 0.6
        name = f"{tile.name} (screen)" if tile.screen else tile.name
        name = self._type.cut(name, size, rooms[0], bold=True)
        self._type.draw(draw, 1, first, name, size, SPEAKING if speaking else TEXT, bold=True)
        if lines > 1 and tile.role and not tile.screen:
            self._type.draw(draw, 1, second, self._type.cut(tile.role, small, rooms[1]), small, FAINT)
        return image

    def draw_card(self, tile: Tile, number: int, words: str, width: int, height: int) -> Image.Image:
        """Draw a tile without picture: initials, and the reason, unless there never was a camera."""
        image, draw = _blank(width, height, TILE)
        radius = round(height * (0.2 if words else 0.27))
        x, y = width // 2, round(height * (0.40 if words else 0.5))
        if tile.screen:
            radius = 0
            y = round(height * 0.35)
        else:
            size = round(radius * 0.82)
            _draw_disc(image, x, y, radius, _AVATARS[number % len(_AVATARS)])
            self._type.draw(draw, x, y + size * 0.36, tile.initials, size, TEXT, bold=True, align="centre")
        if words:
            size = max(round(min(height * 0.085, 24 * self._height / 720)), 10)
            lines = self._type.wrap(words, size, width * 0.9, 2)
            for place, line in enumerate(lines):
                at = y + radius + size * (1.75 + 1.3 * place)
                self._type.draw(draw, x, at, line, size, WARM, align="centre")
        return image

    def draw_pause(self, pause: RecordPause, times: str, width: int, height: int) -> Image.Image:
        """Draw the card that covers the whole picture while the record is paused."""
        image, draw = _blank(width, height, BACKGROUND)
        unit, x = self._height / 720, width / 2
        y = height / 2 - 100 * unit
        bar = round(28 * unit), round(84 * unit)
        for side in (-1, 1):
            left = x + side * 24 * unit - bar[0] / 2
            box = (round(left), round(y - bar[1]), round(left) + bar[0], round(y))
            draw.rectangle(box, WARM)
        y += 78 * unit
        self._type.draw(draw, x, y, "Record paused", round(46 * unit), TEXT, bold=True, align="centre")
        y += 54 * unit
        self._type.draw(draw, x, y, times, round(26 * unit), TEXT, align="centre")
        y += 26 * unit
        size = round(24 * unit)
        about = (("Ground", pause.ground), ("Ordered by", pause.authoriser), ("Note", pause.note))
        rows = [(label, self._type.wrap(clean_text(value), size, width * 0.6, 2)) for label, value in about]
        rows = [(label, lines) for label, lines in rows if lines]
        labels = max((self._type.measure(label, size) for label, _ in rows), default=0.0)
        values = max((self._type.measure(line, size) for _, lines in rows for line in lines), default=0.0)
        left = (width - labels - size - values) / 2
        for label, lines in rows:
            y += 8 * unit
            self._type.draw(draw, left + labels, y + 30 * unit, label, size, FAINT, align="right")
            for line in lines:
                y += 30 * unit
                self._type.draw(draw, left + labels + size, y, line, size, TEXT)
        return image

    def draw_events(self, room: str, phase: str, mark: str, unseen: int, width: int, height: int) -> Image.Image:
        """Draw the left of the bar: the hearing's name, its phase, and a mark that was just set."""
        image, draw = _blank(width, height, BAR)
        size, baseline = self._bar_size(height)
        x = gap = size * 1.1
        more = f"+{unseen} more" if unseen else ""
        others = sum(bool(text) for text in (phase, mark, more))
        # what is first may be long, and must leave room for what is new
        texts = ((room, 0.5, TEXT), (phase, 0.6, FAINT), (mark, 0.8, WARM), (more, 1.0, FAINT))
        for text, share, colour in texts:
            if not text:
                continue
            if text is mark:
                radius = max(2, round(size * 0.28))
                _draw_disc(image, round(x + radius), round(baseline - size * 0.34), radius, WARM)
                x += 2 * radius + size * 0.5
            others -= text is not room
            space = (width - x) * (share if others else 1)
            cut = self._type.cut(text, size, space, bold=text is room)
            x += self._type.draw(draw, x, baseline, cut, size, colour, bold=text is room) + gap
        return image

    def draw_clock(self, clock: Clock, width: int, height: int) -> Image.Image:
        """Draw the right of the bar: the time of day in the hearing, and how long it has lasted."""
        image, draw = _blank(width, height, BAR)
        size, baseline = self._bar_size(height)
        x = width - size * 1.1
        x -= self._type.draw(draw, x, baseline, format_elapsed(clock.elapsed), size, FAINT, align="right") + size * 1.2
        zone = clock.wall.tzname() or ""
        x -= self._type.draw(draw, x, baseline, zone, size, FAINT, align="right") + size * 0.45
        time = f"{clock.wall:%H:%M:%S}"
        if clock.until is not None:
            time += f" → {clock.until:%H:%M:%S}"
        colour = TEXT if clock.until is None else WARM
        x -= self._type.draw(draw, x, baseline, time, round(size * 1.15), colour, bold=True, align="right") + size * 0.7
        self._type.draw(draw, x, baseline, f"{clock.wall:%Y-%m-%d}", size, FAINT, align="right")
        return image

    def _bar_size(self, height: int) -> tuple[int, float]:
        size = round(height * 0.40)
        return size, height * 0.5 + size * 0.36


def format_elapsed(seconds: int) -> str:
    """Return hours, minutes and seconds as `00:00:00`."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def format_span(begin: datetime.datetime, end: datetime.datetime) -> str:
    """Return in words when something began and ended, and how long it was."""
    seconds = round((end - begin).total_seconds())
    parts = [(seconds // 3600, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    if seconds >= 3600:
        parts.pop()
    length = " ".join(f"{value} {unit}" for value, unit in parts if value) or "0 s"
    day = f" on {end:%Y-%m-%d}" if end.date() != begin.date() else ""
    return f"from {begin:%H:%M:%S} to {end:%H:%M:%S}{day}  ({length})"


def _blank(width: int, height: int, colour: Colour) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width, height), colour)
    return image, ImageDraw.Draw(image)


def _draw_disc(image: Image.Image, x: int, y: int, radius: int, colour: Colour) -> None:
    if radius < 1:
        return
    side = 2 * radius
    mask = Image.new("L", (side * _SMOOTH, side * _SMOOTH), 0)
    ImageDraw.Draw(mask).ellipse((0, 0, side * _SMOOTH - 1, side * _SMOOTH - 1), 255)
    image.paste(colour, (x - radius, y - radius), mask.resize((side, side), Image.Resampling.BOX))
