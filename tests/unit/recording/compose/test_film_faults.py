"""Records that are damaged, and films that cannot be made."""

from __future__ import annotations

import contextlib
import resource
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from sfu.node.cli import app
from sfu.recording.compose.film import Film, compose_film
from sfu.recording.compose.layout import build_layout
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.errors import RecordError
from tests.unit.recording.compose.hearings import Hearing, plain, tone

SMALL = ComposeOptions(width=320, height=180, fps=Fraction(10))
RED, GREEN, CARD = (200, 40, 40), (40, 170, 60), (33, 39, 48)


def build(path: Path, *, close: bool = True) -> Path:
    hearing = Hearing(path)
    hearing.add_video("anna", [(0, 4)], plain(*RED), fps=10)
    hearing.add_audio("anna", [(0, 4)], tone(440))
    hearing.add_video("ben", [(0, 4)], plain(*GREEN), fps=10)
    return hearing.write(4, close=close)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("intact") / "record")


@pytest.fixture
def record(intact: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(intact, tmp_path / "record"))


def corners(film: Film) -> list[list[tuple[int, ...]]]:
    """The colour of each tile's upper left corner, frame by frame."""
    pictures = [place.picture for place in build_layout(2, 0, 320, 180, 1).people]
    with av.open(film.path) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [[mean(image[each.y + 4 : each.y + 12, each.x + 4 : each.x + 12]) for each in pictures] for image in images]


def mean(part: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in part.mean(axis=(0, 1)))


def near(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return all(abs(one - other) <= 16 for one, other in zip(found, wanted, strict=True))


def test_a_missing_file_is_named_and_the_rest_is_shown(record: Path, tmp_path: Path) -> None:
    (record / "media/001-video.mkv").unlink()
    film = compose_film(record, tmp_path / "film.mp4", SMALL)
    (problem,) = film.problems
    assert problem.startswith("media/001-video.mkv: the file is missing")
    assert all(near(anna, CARD) and near(ben, GREEN) for anna, ben in corners(film)[2:])


def test_a_fragment_that_was_changed_is_not_shown_and_the_picture_comes_back_with_a_key_frame(
    record: Path, tmp_path: Path
) -> None:
    path = record / "media/001-video.mkv"
    data = bytearray(path.read_bytes())
    second = data.index(b"\x1f\x43\xb6\x75", data.index(b"\x1f\x43\xb6\x75") + 4)
    data[second + 60] ^= 1
    path.write_bytes(data)
    film = compose_film(record, tmp_path / "film.mp4", SMALL)
    (problem,) = film.problems
    assert problem.startswith("media/001-video.mkv: bytes are not what the ledger says (first at 00:00:01")
    shown = corners(film)
    assert [near(shown[frame][0], RED) for frame in (3, 9)] == [True, True]
    assert [near(shown[frame][0], CARD) for frame in (10, 15, 19)] == [True, True, True]
    # the next key frame is that of the fourth second: 30 pictures after the first
    assert near(shown[35][0], RED)
    assert all(near(ben, GREEN) for _, ben in shown[2:])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: bytes(len(data)),
        lambda data: b"",
        lambda data: data[:10] + bytes(200) + data[210:],
    ],
    ids=["cut", "zeros", "empty", "header"],
)
def test_a_damaged_file_never_stops_the_film(record: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    for name in ("001-video.mkv", "002-audio.mkv"):
        path = record / "media" / name
        path.write_bytes(damage(path.read_bytes()))
    film = compose_film(record, tmp_path / "film.mp4", SMALL)
    assert [problem.split(":")[0] for problem in film.problems] == ["media/001-video.mkv", "media/002-audio.mkv"]
    assert all(near(ben, GREEN) for _, ben in corners(film)[2:])


def test_media_that_are_signed_but_cannot_be_decoded_never_stop_the_film(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    hearing = Hearing(tmp_path / "record")
    hearing.add_video("anna", [(0, 4)], plain(*RED), fps=10, scramble=lambda data: rng.bytes(len(data)))
    hearing.add_video("ben", [(0, 4)], plain(*GREEN), fps=10)
    film = compose_film(hearing.write(4), tmp_path / "film.mp4", SMALL)
    (problem,) = film.problems
    assert problem.startswith("media/001-video.mkv: it cannot be decoded")
    assert all(near(anna, CARD) and near(ben, GREEN) for anna, ben in corners(film)[2:])


def test_a_link_in_the_place_of_a_media_file_is_not_followed(record: Path, tmp_path: Path) -> None:
    path = record / "media/001-video.mkv"
    path.rename(tmp_path / "elsewhere.mkv")
    path.symlink_to(tmp_path / "elsewhere.mkv")
    (problem,) = compose_film(record, tmp_path / "film.mp4", SMALL).problems
    assert "no file that can be read" in problem


def test_a_record_that_was_not_closed_is_composed_with_a_warning(tmp_path: Path) -> None:
    film = compose_film(build(tmp_path / "record", close=False), tmp_path / "film.mp4", SMALL)
    assert "was not closed" in film.warnings[0] and film.problems == ()
    assert film.duration_us == 4_000_000


def test_a_name_that_no_font_has_is_told(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "record")
    hearing.add_audio("anna", [(0, 1)], tone(440), name="Anna \U0001fbf0 \ue123")
    film = compose_film(hearing.write(1), tmp_path / "film.mp4", SMALL)
    assert "no font has" in film.warnings[0] and "--font" in film.warnings[0]


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libx264", "libsvtav1"])
def test_other_codecs_and_a_change_of_resolution_are_shown(tmp_path: Path, codec: str) -> None:
    small, large = plain(*RED)(0), plain(*GREEN, width=640, height=480)(0)
    hearing = Hearing(tmp_path / "record")
    hearing.add_video("anna", [(0, 2)], lambda at_us: small if at_us < 1_000_000 else large, fps=10, codec=codec)
    film = compose_film(hearing.write(2), tmp_path / "film.mp4", SMALL)
    assert film.problems == ()
    with av.open(film.path) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    (place,) = build_layout(1, 0, 320, 180, 1).people
    rect = place.picture
    x, y = rect.x + rect.width // 2, rect.y + rect.height // 2
    assert near(tuple(images[5][y, x].tolist()), RED) and near(tuple(images[15][y, x].tolist()), GREEN)
    # 4:3 in 16:9 leaves room at the sides
    assert near(tuple(images[5][y, rect.x + 6].tolist()), RED) and near(tuple(images[15][y, rect.x + 6].tolist()), CARD)


def test_what_is_no_record_makes_no_film(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"ledger\.jsonl"):
        compose_film(tmp_path, tmp_path / "film.mp4", SMALL)
    with pytest.raises(RecordError, match="nothing was recorded"):
        compose_film(Hearing(tmp_path / "empty").write(3), tmp_path / "film.mp4", SMALL)
    assert not list(tmp_path.glob("film*"))


def test_a_film_is_neither_replaced_unasked_nor_put_into_the_record(record: Path, tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("precious")
    with pytest.raises(RecordError, match="--overwrite"):
        compose_film(record, tmp_path / "film.mp4", SMALL)
    assert (tmp_path / "film.mp4").read_text() == "precious"
    with pytest.raises(RecordError, match="write it elsewhere"):
        compose_film(record, record / "media/film.mp4", SMALL)
    with pytest.raises(RecordError, match="cannot be written"):
        compose_film(record, tmp_path / "nowhere/film.mp4", SMALL)


def test_a_film_that_is_interrupted_leaves_nothing(record: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 40
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compose_film(record, tmp_path / "film.mp4", SMALL, interrupt)
    assert [each.name for each in tmp_path.iterdir()] == ["record"]


@contextlib.contextmanager
def limit_files(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_leaves_no_film(tmp_path: Path) -> None:
    """A limit of the size of files fails a write at the same places as a full disk."""
    rng = np.random.default_rng(1)
    hearing = Hearing(tmp_path / "record")
    hearing.add_video("anna", [(0, 4)], lambda at_us: rng.integers(0, 255, (180, 320, 3), np.uint8), fps=10)
    record = hearing.write(4)
    whole = compose_film(record, tmp_path / "whole.mp4", SMALL).path.stat().st_size
    for limit in (20, 2_000, whole // 2, whole - 2_000, whole - 10):
        with limit_files(limit), pytest.raises(RecordError, match=r"film\.mp4: the film cannot be written"):
            compose_film(record, tmp_path / "film.mp4", SMALL)
        assert not list(tmp_path.glob("film*")), limit
    assert compose_film(record, tmp_path / "film.mp4", SMALL).frames == 40


def test_the_command_makes_a_film_and_its_exit_code_tells_of_missing_media(record: Path, tmp_path: Path) -> None:
    arguments = ["compose", str(record), "-o", str(tmp_path / "film.mp4"), "--size", "320x180", "--fps", "10"]
    result = CliRunner().invoke(app, [*arguments, "--tz", "Europe/Berlin"])
    assert result.exit_code == 0, result.output
    assert "film.mp4.json" in result.stdout
    (record / "media/001-video.mkv").unlink()
    result = CliRunner().invoke(app, [*arguments, "--overwrite"])
    assert result.exit_code == 1
    assert "media/001-video.mkv" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--size", "1281x720"], "even"),
        (["--size", "big"], "1280x720"),
        (["--fps", "0"], "fps"),
        (["--fps", "1/0"], "--fps"),
        (["--tz", "Mars/Olympus"], "--tz"),
        (["--font", "no-such.ttf"], "font"),
        ([], "ledger.jsonl"),
    ],
)
def test_the_command_says_what_is_wrong_with_exit_code_2(
    record: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    folder = record if "--font" in options else tmp_path
    result = CliRunner().invoke(app, ["compose", str(folder), "-o", str(tmp_path / "film.mp4"), *options])
    assert result.exit_code == 2
    assert said in result.output
