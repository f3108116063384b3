"""Which characters a font file can draw: its `cmap` table (ISO/IEC 14496-22, OpenType 1.9, "cmap").

Pillow draws a box for what a font lacks and does not say so; who makes a film of a hearing has to know.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_LAST_CHARACTER = 0x10FFFF
_MAX_FONT_BYTES = 256 << 20
_PREFERENCE = ((3, 10), (0, 6), (0, 4), (3, 1), (0, 3), (0, 2), (0, 1), (0, 0))
"""Platform and encoding of the subtables that map Unicode; those with all planes first."""


class FontError(ValueError):
    """A file is no font that can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The characters that a font can draw."""

    first: npt.NDArray[np.int64]
    """First character of each range, in rising order."""
    last: npt.NDArray[np.int64]

    def __contains__(self, character: str) -> bool:
        place = int(np.searchsorted(self.first, ord(character), side="right")) - 1
        return place >= 0 and ord(character) <= int(self.last[place])


def read_coverage(path: Path) -> Coverage:
    """Return what the (first) font of a .ttf, .otf or .ttc file covers. FontError when it cannot be read."""
    try:
        if path.stat().st_size > _MAX_FONT_BYTES:
            raise FontError("it is too large for a font")
        data = path.read_bytes()
    except OSError as error:
        raise FontError(f"it cannot be read: {error.strerror}") from error
    try:
        return parse_coverage(data)
    except (struct.error, IndexError, ValueError) as error:
        raise FontError(f"it is no font with a table of Unicode characters ({error})") from error


def parse_coverage(data: bytes) -> Coverage:
    """Return what the (first) font in these bytes covers. FontError, struct.error or IndexError when it is broken."""
    start = 0
    if data[:4] == b"ttcf":
        (start,) = struct.unpack_from(">I", data, 12)
    (tables,) = struct.unpack_from(">H", data, start + 4)
    for number in range(tables):
        tag, _, offset, length = struct.unpack_from(">4sIII", data, start + 12 + 16 * number)
        if tag == b"cmap":
            return _parse_cmap(data[offset : offset + length])
    raise FontError("there is no cmap")


def _parse_cmap(table: bytes) -> Coverage:
    (count,) = struct.unpack_from(">H", table, 2)
    found = {}
    for number in range(count):
        platform, encoding, offset = struct.unpack_from(">HHI", table, 4 + 8 * number)
        (form,) = struct.unpack_from(">H", table, offset)
        if form in (4, 12):
            found[platform, encoding] = form, offset
    form, offset = next((found[key] for key in _PREFERENCE if key in found), (0, 0))
    if not form:
        raise FontError("its cmap is of a kind that is not read")
    ranges = sorted(_read_groups(table, offset) if form == 12 else _read_segments(table, offset))
    array = np.array(ranges, np.int64).reshape(-1, 2)
    return Coverage(array[:, 0].copy(), array[:, 1].copy())


def _read_groups(table: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Read a subtable of format 12: ranges as they are."""
    (count,) = struct.unpack_from(">I", table, offset + 12)
    groups = np.frombuffer(table, ">u4", 3 * count, offset + 16).reshape(-1, 3)
    for first, last, glyph in groups.tolist():
        if first <= last <= _LAST_CHARACTER and (glyph or last > first):
            yield first + (not glyph), last


def _read_segments(table: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Read a subtable of format 4: segments of the first plane, with or without a list of glyphs; glyph 0 is "none"."""
    (count,) = struct.unpack_from(">H", table, offset + 6)
    count //= 2
    at = offset + 14
    last, first, delta, ranges = (
        np.frombuffer(table, ">u2", count, at + place * 2 * count + (2 if place else 0)).astype(np.int64)
        for place in range(4)
    )
    ranges_at = at + 6 * count + 2
    for segment in range(count):
        low, high = int(first[segment]), min(int(last[segment]), 0xFFFE)
        if high < low:
            continue
        codes = np.arange(low, high + 1)
        glyphs = codes
        if ranges[segment]:
            begin = ranges_at + 2 * segment + int(ranges[segment])
            glyphs = np.frombuffer(table, ">u2", len(codes), begin).astype(np.int64)
            codes = codes[glyphs != 0]
            glyphs = glyphs[glyphs != 0]
        codes = codes[(glyphs + delta[segment]) % 65_536 != 0]
        if len(codes):
            breaks = np.flatnonzero(np.diff(codes) != 1)
            starts = codes[np.concatenate(([0], breaks + 1))]
            ends = codes[np.concatenate((breaks, [len(codes) - 1]))]
            yield from zip(starts.tolist(), ends.tolist(), strict=True)
