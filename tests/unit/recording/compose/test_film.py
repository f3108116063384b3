"""A whole film, made of a record with real media, and opened again."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from sfu.recording.compose.film import Film, compose_film
from sfu.recording.compose.layout import Place, Rect, build_layout
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.reader import read_record
from tests.unit.recording.compose.hearings import Hearing, plain, tone

SIZE = 640, 360
RED, GREEN, BLUE, WHITE = (200, 40, 40), (40, 170, 60), (40, 60, 200), (255, 255, 255)
OPTIONS = ComposeOptions(width=SIZE[0], height=SIZE[1])
FLASHES = 1.0, 14.2
PAUSE = 3.0, 13.0
FILM_S = 3.0 + 3.0 + 3.0


@dataclass
class Opened:
    """What is in a film."""

    pictures: np.ndarray
    """RGB, frame by frame."""
    sound: np.ndarray
    """Mono, 48 kHz."""
    chapters: list[tuple[float, float, str]]
    metadata: dict[str, str]
    streams: list[str]

    def colour(self, second: float, rect: Rect) -> tuple[int, int, int]:
        """The mean of the middle of a rectangle."""
        image = self.pictures[round(second * 25)]
        x, y = rect.x + rect.width // 2, rect.y + rect.height // 2
        mean = image[y - 8 : y + 8, x - 8 : x + 8].mean(axis=(0, 1))
        return tuple(round(value) for value in mean)  # type: ignore[return-value]

    def loudness(self, second: float, hertz: float) -> float:
        """Amplitude of a tone in the quarter of a second around a moment."""
        at = round(second * 48_000)
        part = self.sound[at - 6000 : at + 6000]
        wave = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / 48_000)
        return float(2 * abs((part * wave).mean()))


def open_film(path: Path) -> Opened:
    with av.open(path) as film:
        pictures, sound = [], []
        first = None
        for frame in film.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                pictures.append(frame.to_ndarray(format="rgb24"))
            else:
                first = frame.pts if first is None else first
                sound.append(frame.to_ndarray().mean(axis=0))
        joined = np.concatenate(sound)
        assert first is not None
        joined = joined[-first:] if first < 0 else np.pad(joined, (first, 0))
        chapters = [
            (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]), c["metadata"]["title"])
            for c in film.chapters()
        ]
        streams = [f"{each.type} {each.codec_context.name}" for each in film.streams if each.type in ("video", "audio")]
        return Opened(np.stack(pictures), joined, chapters, dict(film.metadata), streams)


def flash(at_us: int) -> np.ndarray:
    lit = any(begin <= at_us / 1e6 < begin + 0.1 for begin in FLASHES)
    return np.full((180, 320, 3), 255 if lit else 0, np.uint8)


def beep(at: np.ndarray) -> np.ndarray:
    lit = sum((at >= begin) & (at < begin + 0.1) for begin in FLASHES)
    return lit * 0.5 * np.sin(2 * np.pi * 2000 * at)


def build_hearing(path: Path) -> Path:
    hearing = Hearing(path)
    spans = [(0.0, 3.0), (13.0, 16.0)]
    hearing.add_video("anna", spans, plain(*RED), name="Anna", role="Judge")
    hearing.add_audio("anna", spans, tone(440), name="Anna", role="Judge")
    ben = hearing.add_video("ben", [(0.0, 1.5), (13.0, 16.0)], plain(*GREEN), name="Ben")
    hearing.gap(ben, "mute", 1.5, 3.0)
    hearing.add_audio("ben", [(13.0, 15.0)], tone(700), name="Ben")
    hearing.add_audio("cleo", [(0.0, 2.0), (13.0, 16.0)], tone(1000), name="Cleo", role="Interpreter")
    hearing.add_video("dan", spans, flash, fps=25, name="Dan")
    hearing.add_audio("dan", spans, beep, name="Dan")
    hearing.add_video("anna", [(15.0, 16.0)], plain(*BLUE, width=640, height=360), label="screen", name="Anna")
    hearing.pause(*PAUSE, "Section 172 GVG", "Judge Anna")
    hearing.note(0.0, "phase", name="Opening")
    hearing.note(2.0, "mark", name="Exhibit K 7", data={})
    hearing.note(14.0, "phase", name="Evidence")
    hearing.note(1.0, "speakers", peers=["anna"])
    hearing.note(14.0, "speakers", peers=["ben"])
    return hearing.write(16.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Film, Opened]:
    folder = tmp_path_factory.mktemp("hearing")
    film = compose_film(build_hearing(folder / "record"), folder / "hearing.mp4", OPTIONS)
    return film, open_film(film.path)


def places(people: int = 4, screens: int = 0) -> tuple[Place, ...]:
    layout = build_layout(people, screens, *SIZE, 2)
    return (*layout.people, *layout.screens)


def near(found: tuple[int, int, int], wanted: tuple[int, int, int], within: int = 14) -> bool:
    return all(abs(one - other) <= within for one, other in zip(found, wanted, strict=True))


def test_it_is_h264_and_aac_of_the_right_length_with_the_index_in_front(made: tuple[Film, Opened]) -> None:
    film, opened = made
    assert opened.streams == ["video h264", "audio aac"]
    assert opened.pictures.shape == (FILM_S * 25, SIZE[1], SIZE[0], 3)
    assert len(opened.sound) / 48_000 == pytest.approx(FILM_S, abs=0.05)
    data = film.path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert film.warnings == film.problems == ()
    with av.open(film.path) as container:
        assert container.streams.video[0].pix_fmt == "yuv420p"
        assert container.streams.video[0].average_rate == 25


def test_each_speaker_is_seen_in_their_own_tile(made: tuple[Film, Opened]) -> None:
    _, opened = made
    anna, ben, *_ = places()
    for second in (0.5, 1.0, 2.0, 6.5, 7.5):
        assert near(opened.colour(second, anna.picture), RED), second
    for second in (0.5, 1.0, 6.5, 7.5):
        assert near(opened.colour(second, ben.picture), GREEN), second


def test_a_camera_that_is_off_is_a_card(made: tuple[Film, Opened]) -> None:
    _, opened = made
    ben = places()[1].picture
    corner = Rect(ben.x, ben.y, 32, 32)
    assert near(opened.colour(1.44, corner), GREEN)
    assert near(opened.colour(1.56, corner), (33, 39, 48))
    assert near(opened.colour(2.9, corner), (33, 39, 48))


def test_the_pause_is_a_card_over_the_whole_picture_without_sound(made: tuple[Film, Opened]) -> None:
    _, opened = made
    left, right, *_ = (place.picture for place in places())
    for x, second in itertools.product((left.x, right.right - 24), (3.04, 4.5, 5.9)):  # beside the text
        for y in range(0, SIZE[1] - 60, 20):
            assert near(opened.colour(second, Rect(x, y, 24, 24)), (18, 22, 28)), (x, y, second)
    middle = opened.pictures[round(4.5 * 25), : SIZE[1] - 60].astype(int)
    assert (middle.max(axis=2) > 200).sum() > 500  # there is something to read
    assert np.abs(opened.sound[round(3.1 * 48_000) : round(5.9 * 48_000)]).max() < 0.003


def test_the_screen_is_large_and_the_others_stand_beside_it(made: tuple[Film, Opened]) -> None:
    _, opened = made
    *people, screen = places(4, 1)
    assert near(opened.colour(8.5, screen.picture), BLUE)
    assert near(opened.colour(8.5, people[0].picture), RED)
    assert near(opened.colour(8.5, people[1].picture), GREEN)


def test_who_speaks_is_framed(made: tuple[Film, Opened]) -> None:
    _, opened = made
    anna, ben, *_ = (place.picture for place in places())

    def framed(second: float, rect: Rect) -> bool:
        edge = opened.pictures[round(second * 25), rect.y + rect.height // 2, rect.x - 2]
        return near(tuple(int(value) for value in edge), (64, 201, 133), 40)  # type: ignore[arg-type]

    found = {second: (framed(second, anna), framed(second, ben)) for second in (0.5, 1.5, 2.5, 6.5, 7.5)}
    nobody, first, second = (False, False), (True, False), (False, True)
    assert found == {0.5: nobody, 1.5: first, 2.5: first, 6.5: first, 7.5: second}


def test_each_voice_is_heard_when_it_was_and_only_then(made: tuple[Film, Opened]) -> None:
    _, opened = made
    heard = {
        hertz: [round(opened.loudness(second, hertz), 2) > 0.15 for second in (0.6, 1.7, 2.5, 4.5, 6.6, 7.7, 8.6)]
        for hertz in (440, 700, 1000)
    }
    assert heard == {
        440: [True, True, True, False, True, True, True],
        700: [False, False, False, False, True, True, False],
        1000: [True, True, False, False, True, True, True],
    }
    assert opened.loudness(2.5, 440) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("film_second", [FLASHES[0], FLASHES[1] - (PAUSE[1] - PAUSE[0]) + 3.0])
def test_flash_and_beep_come_together(made: tuple[Film, Opened], film_second: float) -> None:
    _, opened = made
    dan = places()[3].picture
    around = range(round((film_second - 0.3) * 25), round((film_second + 0.3) * 25))
    seen = next(frame for frame in around if opened.colour(frame / 25, dan)[0] > 128) / 25
    window = opened.sound[round((film_second - 0.3) * 48_000) : round((film_second + 0.3) * 48_000)]
    # a filter for 2 kHz, 2 ms long: the other voices are tones below it
    wave = np.exp(2j * np.pi * 2000 * np.arange(240) / 48_000) * np.hanning(240)
    level = np.abs(np.convolve(window, wave, "same")) / np.hanning(240).sum()
    heard = film_second - 0.3 + int((level > 0.12).argmax()) / 48_000
    assert seen == pytest.approx(film_second, abs=0.041)
    assert heard == pytest.approx(seen, abs=0.04)


def test_there_is_a_chapter_for_each_mark_and_phase(made: tuple[Film, Opened]) -> None:
    _, opened = made
    assert opened.chapters == [
        (0.0, 2.0, "Opening"),
        (2.0, 7.0, "Exhibit K 7"),
        (7.0, FILM_S, "Evidence"),
    ]


def test_the_clock_changes_each_second_and_shows_the_jump(made: tuple[Film, Opened]) -> None:
    _, opened = made
    bar = build_layout(0, 0, *SIZE, 2).bar
    clocks = opened.pictures[:, bar.y :, SIZE[0] // 2 :].astype(int)

    def differ(one: float, other: float) -> bool:
        return bool(np.abs(clocks[round(one * 25)] - clocks[round(other * 25)]).mean() > 0.8)

    assert not differ(0.2, 0.8) and differ(0.8, 1.2)
    assert not differ(3.2, 5.8), "the clock stands while the card is shown"
    assert differ(2.8, 3.2) and differ(5.8, 6.2)


def test_the_film_is_linked_to_the_record_by_hash(made: tuple[Film, Opened]) -> None:
    film, opened = made
    record = read_record(film.path.parent / "record")
    link = json.loads(film.link.read_text())
    assert film.link.name == "hearing.mp4.json"
    assert link["sha256"] == hashlib.sha256(film.path.read_bytes()).hexdigest()
    assert link["bytes"] == film.path.stat().st_size
    assert (link["record"], link["head"], link["film"]) == (record.id, record.head, "hearing.mp4")
    last_line = (film.path.parent / "record" / "ledger.jsonl").read_bytes().splitlines(keepends=True)[-1]
    assert link["head"] == hashlib.sha256(last_line).hexdigest()
    assert link["head"] in opened.metadata["comment"] and link["record"] in opened.metadata["comment"]
    assert opened.metadata["title"] == record.room
    assert re.fullmatch(r"sfu \d+\.\d+\.\d+.*", link["software"])
    assert [each["shows"] for each in link["stretches"]] == ["media", "card", "media"]
    assert link["stretches"][2] == {
        "film_us": 6_000_000,
        "begin_us": 13_000_000,
        "end_us": 16_000_000,
        "shows": "media",
    }


def test_nothing_but_the_film_and_its_link_is_left(made: tuple[Film, Opened]) -> None:
    film, _ = made
    assert sorted(each.name for each in film.path.parent.iterdir()) == ["hearing.mp4", "hearing.mp4.json", "record"]
