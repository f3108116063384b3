"""Which font draws which character, and text that fits."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from sfu.recording.compose.coverage import Coverage, FontError, parse_coverage, read_coverage
from sfu.recording.compose.fonts import Font, FontSet, find_fonts
from sfu.recording.compose.text import Typesetter
from sfu.recording.errors import RecordError


def build_font(*subtables: tuple[int, int, bytes]) -> bytes:
    """A font file that has a cmap and nothing else."""
    head, body = struct.pack(">HH", 0, len(subtables)), b""
    for platform, encoding, data in subtables:
        head += struct.pack(">HHI", platform, encoding, 4 + 8 * len(subtables) + len(body))
        body += data
    cmap = head + body
    return struct.pack(">IHHHH4sIII", 0x10000, 1, 0, 0, 0, b"cmap", 0, 28, len(cmap)) + cmap


def groups(*ranges: tuple[int, int, int]) -> bytes:
    packed = b"".join(struct.pack(">III", *each) for each in ranges)
    return struct.pack(">HHIII", 12, 0, 16 + len(packed), 0, len(ranges)) + packed


def segments(*parts: tuple[int, int, int]) -> bytes:
    """Of first, last, delta; without a list of glyphs."""
    parts = (*parts, (0xFFFF, 0xFFFF, 1))
    count = len(parts)
    arrays = [
        [last for _, last, _ in parts],
        [first for first, _, _ in parts],
        [delta & 0xFFFF for _, _, delta in parts],
    ]
    packed = [struct.pack(f">{count}H", *each) for each in arrays]
    body = packed[0] + b"\0\0" + packed[1] + packed[2] + bytes(2 * count)
    return struct.pack(">HHHHHHH", 4, 14 + len(body), 0, 2 * count, 0, 0, 0) + body


def test_ranges_of_all_planes_are_read() -> None:
    coverage = parse_coverage(
        build_font((3, 1, segments((65, 66, 1))), (3, 10, groups((65, 90, 1), (0x1F600, 0x1F64F, 30))))
    )
    assert [c in coverage for c in "@AZ[😀🙏🚀"] == [False, True, True, False, True, True, False]


def test_segments_are_read_and_glyph_0_is_none() -> None:
    coverage = parse_coverage(build_font((0, 3, segments((65, 90, -64), (97, 99, -97)))))
    assert [c in coverage for c in "AZ@abcd"] == [True, True, False, False, True, True, False]


def test_coverage_agrees_with_what_is_drawn() -> None:
    """Pillow draws the same box for all that a font lacks: compare each character with that box."""
    font = find_fonts().fonts[0]
    face = ImageFont.truetype(str(font.regular), 40)

    def draw(character: str) -> bytes:
        image = Image.new("L", (80, 80))
        ImageDraw.Draw(image).text((10, 10), character, 255, face)
        return image.tobytes()

    box = draw("\U0010fffd")
    letters = [chr(code) for code in (*range(0x41, 0x5B), *range(0xC0, 0x17F, 5), *range(0x4E00, 0x9000, 501), 0xE456)]
    assert [letter in font.coverage for letter in letters] == [draw(letter) != box for letter in letters]
    assert "A" in font.coverage and "\U0010fffd" not in font.coverage


def test_a_broken_font_is_read_or_refused_and_nothing_else_happens(tmp_path: Path) -> None:
    path = tmp_path / "font.ttf"
    outcomes = set()
    for seed in range(300):
        rng = np.random.default_rng(seed)
        data = bytearray(build_font((3, 1, segments((65, 90, -64))), (3, 10, groups((65, 90, 1)))))
        for place in rng.integers(0, len(data), rng.integers(0, 6)):
            data[place] = rng.integers(0, 256)
        path.write_bytes(data[: rng.choice([len(data), rng.integers(1, len(data))])])
        try:
            outcomes.add("A" in read_coverage(path))
        except FontError:
            outcomes.add("refused")
    assert {True, "refused"} <= outcomes


def test_a_file_that_is_no_font_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no-font.ttf"
    path.write_bytes(b"hello")
    with pytest.raises(FontError):
        read_coverage(path)
    with pytest.raises(RecordError, match=r"no-font\.ttf: this font cannot be used"):
        find_fonts([path])


def pick(name: str, first: int, last: int) -> Font:
    font = Font(Path(name), Path(name))
    font.__dict__["coverage"] = Coverage(np.array([first]), np.array([last]))
    return font


def test_each_character_goes_to_the_first_font_that_has_it() -> None:
    latin, han = pick("latin", 0x20, 0x7E), pick("han", 0x4E00, 0x9FFF)
    fonts = FontSet([latin, han])
    assert fonts.split("Anna 王小明 B") == [(latin, "Anna "), (han, "王小明"), (latin, " B")]
    assert fonts.find_missing("Anna 王 Жук \u0301") == "Жук"


def test_a_given_font_comes_first() -> None:
    system = find_fonts()
    path = system.fonts[-1].regular
    assert find_fonts([path]).fonts[0].regular == path


def test_text_that_is_too_long_is_cut_and_fits() -> None:
    typesetter = Typesetter(find_fonts())
    text = "Maximilian Freiherr von und zu Hohenstein-Schwarzburg"
    assert typesetter.cut(text, 20, 5000) == text
    for width in range(0, 500, 7):
        cut = typesetter.cut(text, 20, width)
        assert typesetter.measure(cut, 20) <= width
        assert cut == text or cut == "" or (cut.endswith("…") and text.startswith(cut[:-1]))


@pytest.mark.parametrize(
    "text", ["the public is excluded for the protection of a minor", "禁止公众旁听以保护未成年人" * 4, "x" * 90]
)
def test_text_is_broken_into_lines_that_fit_and_lose_nothing(text: str) -> None:
    typesetter = Typesetter(find_fonts())
    lines = typesetter.wrap(text, 20, 200, 50)
    assert len(lines) > 1
    assert all(typesetter.measure(line, 20) <= 200 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert len(typesetter.wrap(text, 20, 200, 2)) == 2


def test_what_is_drawn_stays_within_its_width() -> None:
    typesetter = Typesetter(find_fonts())
    image = Image.new("RGB", (400, 60))
    width = typesetter.draw(ImageDraw.Draw(image), 200, 40, "Judge Anna", 30, (255, 255, 255), align="centre")
    columns = np.flatnonzero(np.asarray(image).max(axis=(0, 2)))
    assert columns[0] >= 200 - width / 2 - 2 and columns[-1] <= 200 + width / 2 + 2
