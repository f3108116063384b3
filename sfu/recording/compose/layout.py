"""Where tiles stand in the picture: a tidy grid, or screens with people beside them. Geometry only.

All coordinates are even, so that a tile covers whole chroma samples of 4:2:0 video.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

MAX_PEOPLE = 25
"""Most tiles of people that are shown at once; with more, names could not be read."""
MAX_SCREENS = 4

_DESIGN_HEIGHT = 720
"""Height of the picture, in pixels, that all measures are given for; they scale with the picture."""
_BAR, _MARGIN, _GUTTER = 48, 20, 14
CAPTION_TOP = 4
"""Space between a picture and its caption, which holds the frame around whoever speaks."""
_ASPECT = 16 / 9
_SIDE = ((1, 5, 0.20), (2, 10, 0.29), (3, 15, 0.36), (4, 20, 0.41), (5, MAX_PEOPLE, 0.47))
"""Columns of people beside screens: how many, for up to how many people, and their share of the width."""


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column to the right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below the rectangle."""
        return self.y + self.height


@dataclass(frozen=True, slots=True)
class Place:
    """Where one tile stands."""

    picture: Rect
    caption: Rect
    """Rectangle of the caption, right under the picture."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands in a whole picture."""

    people: tuple[Place, ...]
    screens: tuple[Place, ...]
    bar: Rect
    """The bar at the bottom, with the clock and the current phase."""


@functools.lru_cache(64)
def build_layout(people: int, screens: int, width: int, height: int, caption_lines: int) -> Layout:
    """Return the places of a number of tiles in a picture of the given, even, width and height."""
    margin, gutter, bar_height = (scale(each, height) for each in (_MARGIN, _GUTTER, _BAR))
    bar = Rect(0, height - bar_height, width, bar_height)
    area = Rect(margin, margin, width - 2 * margin, bar.y - 2 * margin)
    people, screens = min(people, MAX_PEOPLE), min(screens, MAX_SCREENS)
    if not screens:
        return Layout(_build_grid(area, people, people, gutter, height, caption_lines), (), bar)
    side_width = 0
    columns = 1
    if people:
        columns, _, share = next(each for each in _SIDE if people <= each[1])
        side_width = _even(area.width * share)
    large = Rect(area.x, area.y, area.width - side_width - (gutter if people else 0), area.height)
    side = Rect(large.right + gutter, area.y, side_width, area.height)
    return Layout(
        _build_grid(side, people, columns, gutter, height, caption_lines),
        _build_grid(large, screens, screens, gutter, height, 1),
        bar,
    )


def scale(measure: float, height: int) -> int:
    """Convert a measure of the design to pixels in a picture of that height; the result is even and at least 2."""
    return max(2, _even(measure * height / _DESIGN_HEIGHT))


def name_size(tile_width: int, height: int) -> int:
    """Return the size of a name's letters under a tile: larger under larger tiles, but never too small to read."""
    unit = height / _DESIGN_HEIGHT
    return round(min(max(tile_width * 0.045, 13.5 * unit), 21 * unit))


def caption_height(tile_width: int, height: int, lines: int) -> int:
    """Return the height of the caption under a tile: a name, and with two lines a role."""
    size = name_size(tile_width, height)
    return scale(CAPTION_TOP, height) + _even(size * (1.45 if lines == 1 else 2.5)) + 2


def _build_grid(
    area: Rect, count: int, max_columns: int, gutter: int, height: int, caption_lines: int
) -> tuple[Place, ...]:
    """Fill an area with tiles as large as they can be; the rows are centred, also a last one that is not full."""
    if not count:
        return ()
    fits = [_fit(area, count, columns, gutter, height, caption_lines) for columns in range(1, max_columns + 1)]
    tile_width = max(fits)
    columns = fits.index(tile_width) + 1
    picture_height = _even(tile_width / _ASPECT)
    caption = caption_height(tile_width, height, caption_lines)
    step_x, step_y = tile_width + gutter, picture_height + caption + gutter
    rows = -(-count // columns)
    top = area.y + _even((area.height - rows * step_y + gutter) / 2)
    places = []
    for row in range(rows):
        in_row = min(columns, count - row * columns)
        left = area.x + _even((area.width - in_row * step_x + gutter) / 2)
        for column in range(in_row):
            x, y = left + column * step_x, top + row * step_y
            picture = Rect(x, y, tile_width, picture_height)
            places.append(Place(picture, Rect(x, picture.bottom, tile_width, caption)))
    return tuple(places)


def _fit(area: Rect, count: int, columns: int, gutter: int, height: int, caption_lines: int) -> int:
    """Return the width of the largest tiles of which that many fit in that many columns; 2 if there is no room."""
    rows = -(-count // columns)
    width = _even((area.width - (columns - 1) * gutter) / columns)
    while width > 2:
        tile = _even(width / _ASPECT) + caption_height(width, height, caption_lines)
        if rows * (tile + gutter) - gutter <= area.height:
            break
        width -= 2
    return max(width, 2)


def _even(value: float) -> int:
    return int(value) // 2 * 2
