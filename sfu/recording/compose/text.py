"""Text in a picture, in as many fonts as its characters need, cut with an ellipsis where it does not fit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

from sfu.recording.compose.fonts import Font, FontSet

Colour = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""
_ELLIPSIS = "…"


class Typesetter:
    """Draws and measures text with a set of fonts. Sizes are pixels of the em."""

    def __init__(self, fonts: FontSet) -> None:
        self._fonts = fonts
        self._load = lru_cache(64)(_load_font)

    def measure(self, text: str, size: int, *, bold: bool = False) -> float:
        """Return the width of a text in pixels."""
        return sum(self._face(font, size, bold).getlength(run) for font, run in self._fonts.split(text))

    def cut(self, text: str, size: int, width: float, *, bold: bool = False) -> str:
        """Return a text, shortened with an ellipsis if it is wider than that many pixels."""
        if self.measure(text, size, bold=bold) <= width:
            return text
        low, high = 0, len(text)
        while low < high:  # the longest beginning that fits
            middle = (low + high + 1) // 2
            if self.measure(text[:middle].rstrip() + _ELLIPSIS, size, bold=bold) <= width:
                low = middle
            else:
                high = middle - 1
        return text[:low].rstrip() + _ELLIPSIS if low else ""

    def wrap(self, text: str, size: int, width: float, lines: int, *, bold: bool = False) -> list[str]:
        """Divide a text into a limited number of lines of limited width; the last is cut if more text is left."""
        made: list[str] = []
        rest = text
        while rest and len(made) < lines - 1:
            if self.measure(rest, size, bold=bold) <= width:
                break
            end = len(self.cut(rest, size, width, bold=bold)) - 1
            space = rest.rfind(" ", 0, end + 1)
            end = space if space > 0 else max(end, 1)  # no spaces: Chinese is broken anywhere
            made.append(rest[:end].rstrip())
            rest = rest[end:].lstrip()
        if rest:
            made.append(self.cut(rest, size, width, bold=bold))
        return made

    def draw(
        self,
        target: ImageDraw.ImageDraw,
        x: float,
        baseline: float,
        text: str,
        size: int,
        colour: Colour,
        *,
        bold: bool = False,
        align: str = "left",
    ) -> float:
        """Draw a text on a baseline, from `x` on, around it (`centre`) or up to it (`right`); return the text's
        width.
        """
        runs = [(self._face(font, size, bold), run) for font, run in self._fonts.split(text)]
        widths = [face.getlength(run) for face, run in runs]
        width = sum(widths)
        x -= {"left": 0.0, "centre": width / 2, "right": width}[align]
        for (face, run), run_width in zip(runs, widths, strict=True):
            target.text((x, baseline), run, colour, face, anchor="ls")
            x += run_width
        return width

    def _face(self, font: Font, size: int, bold: bool) -> ImageFont.FreeTypeFont:
        return self._load(font.bold if bold else font.regular, size)


def _load_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)
