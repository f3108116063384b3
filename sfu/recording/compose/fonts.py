"""Finds fonts for the names of all people: those that were given, then the system's own, each for what it covers."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from sfu.recording.compose.coverage import Coverage, FontError, read_coverage
from sfu.recording.errors import RecordError

_TEXT = (
    ("inter-regular", "inter-semibold"),
    ("notosans-regular", "notosans-bold"),
    ("opensans-regular", "opensans-semibold"),
    ("liberationsans-regular", "liberationsans-bold"),
    ("dejavusans", "dejavusans-bold"),
    ("arial", "arialbd"),
    ("arial", "arial bold"),
    ("helvetica", "helvetica-bold"),
)
"""File names of fonts for most of the text, the best first: regular and bold."""
_OTHERS = (
    "notosanscjk",
    "notosanssc",
    "notosansjp",
    "sourcehansans",
    "wqy-microhei",
    "wqy-zenhei",
    "droidsansfallback",
    "pingfang",
    "hiragino",
    "msyh",
    "simhei",
    "uming",
    "nanumgothic",
    "dejavusans",
    "notosans",
    "arialuni",
    "unifont",
)
"""How file names of further fonts begin; these are asked, in this order, for characters that the others lack."""
_SUFFIXES = (".ttf", ".ttc", ".otf", ".otc")
_UNWANTED = ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif", "condensed")
_MAX_FILES = 20_000
_INVISIBLE = ("Mn", "Me", "Cf", "Cc", "Zs")
"""Categories of characters that a font may lack without anybody seeing it."""


@dataclass(frozen=True)
class Font:
    """A font file, with its bold variant if there is one."""

    regular: Path
    bold: Path

    @cached_property
    def coverage(self) -> Coverage:
        """Return the characters that the font can draw. Raises FontError if it cannot be read."""
        return read_coverage(self.regular)


class FontSet:
    """Fonts in the order in which they are asked for a character."""

    def __init__(self, fonts: Sequence[Font]) -> None:
        self.fonts = tuple(fonts)
        self._usable: dict[Path, bool] = {}

    def find(self, character: str) -> Font | None:
        """Return the first font that has a character; None when there is no such font."""
        return next((font for font in self.fonts if self._covers(font, character)), None)

    def split(self, text: str) -> list[tuple[Font, str]]:
        """Divide a text into runs of one font each. Characters that no font has go to the first, which draws a box."""
        runs: list[tuple[Font, str]] = []
        for character in text:
            found = self.find(character)
            if runs and (found is None or self._joins(runs[-1][0], found, character)):
                runs[-1] = runs[-1][0], runs[-1][1] + character
            else:
                runs.append((found or self.fonts[0], character))
        return runs

    def find_missing(self, text: str) -> str:
        """Return the characters of a text that no font has."""
        visible = (c for c in dict.fromkeys(text) if unicodedata.category(c) not in _INVISIBLE)
        return "".join(c for c in visible if self.find(c) is None)

    def _joins(self, last: Font, found: Font, character: str) -> bool:
        """Whether to draw a character with the font of the one before: spaces and accents are in many fonts."""
        if found is last:
            return True
        return unicodedata.category(character) in _INVISIBLE and self._covers(last, character)

    def _covers(self, font: Font, character: str) -> bool:
        usable = self._usable.get(font.regular)
        if usable is None:
            try:
                usable = len(font.coverage.first) > 0
            except FontError:  # one of the system's; the given ones were checked
                usable = False
            self._usable[font.regular] = usable
        return usable and character in font.coverage


def find_fonts(given: Iterable[Path] = ()) -> FontSet:
    """Return the fonts to draw with: the given files first, then those of the system.

    Raises:
        RecordError: a given file is no font, or there is none at all.
    """
    fonts = []
    for path in given:
        try:
            read_coverage(path)
        except FontError as error:
            raise RecordError(path, f"this font cannot be used: {error}") from error
        fonts.append(Font(path, path))
    fonts += _find_system_fonts()
    if not fonts:
        raise RecordError("fonts", "no font was found on this system: give one with --font FILE (.ttf, .otf or .ttc)")
    return FontSet(fonts)


@cache
def _find_system_fonts() -> tuple[Font, ...]:
    files = _list_fonts(_find_directories())
    found = [Font(files[regular], files.get(bold, files[regular])) for regular, bold in _TEXT if regular in files][:1]
    for beginning in _OTHERS:
        names = [name for name in files if name.startswith(beginning) and not any(word in name for word in _UNWANTED)]
        found += [Font(files[name], files[name]) for name in sorted(names)]
    return tuple(
        {font.regular: font for font in reversed(found)}[path] for path in dict.fromkeys(f.regular for f in found)
    )


def _find_directories() -> list[Path]:
    home = Path.home()
    if sys.platform == "darwin":
        return [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    data = os.environ.get("XDG_DATA_HOME") or home / ".local/share"
    return [Path(data) / "fonts", home / ".fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]


def _list_fonts(directories: Iterable[Path]) -> dict[str, Path]:
    """Return font files by their names in lower case, without suffix; earlier directories win."""
    files: dict[str, Path] = {}
    seen = 0
    for directory in directories:
        for folder, folders, names in os.walk(directory):
            folders.sort()
            for name in sorted(names):
                stem, suffix = os.path.splitext(name.lower())
                if suffix in _SUFFIXES:
                    files.setdefault(stem, Path(folder, name))
            seen += len(names)
            if seen > _MAX_FILES:
                return files
    return files
