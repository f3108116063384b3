"""A film declares what is encrypted from end to end, and shows and plays none of it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from sfu.recording.compose.film import compose_film
from sfu.recording.compose.options import ComposeOptions
from sfu.recording.errors import RecordError
from tests.unit.recording.compose.hearings import Hearing, plain, tone

OPTIONS = ComposeOptions(width=640, height=360)
SPANS = [(0.0, 2.0)]
RED, GREEN = (200, 40, 40), (40, 170, 60)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A picture of the middle, and the sound."""
    with av.open(path) as film:
        pictures = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    with av.open(path) as film:
        sound = np.concatenate([frame.to_ndarray().mean(axis=0) for frame in film.decode(audio=0)])
    return pictures[len(pictures) // 2].astype(int), sound


def share_of(picture: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture - colour).max(axis=2) < 20).mean())


def test_who_is_encrypted_is_a_card_and_silent(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "record")
    hearing.add_video("anna", SPANS, plain(*RED), name="Anna")
    hearing.add_video("ben", SPANS, plain(*GREEN), encryption="GCM", name="Ben")
    hearing.add_audio("ben", SPANS, tone(700), encryption="GCM", name="Ben")
    film = compose_film(hearing.write(2.0), tmp_path / "film.mp4", OPTIONS)
    picture, sound = read(film.path)
    assert share_of(picture, RED) > 0.2
    assert share_of(picture, GREEN) < 0.01
    assert np.abs(sound).max() < 0.003
    assert film.problems == (
        "media/002-video.mkv: encrypted from end to end (GCM); the film shows a card there",
        "media/003-audio.mkv: encrypted from end to end (GCM); the film shows a card there",
    )


def test_the_same_in_the_clear_is_seen_and_heard(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "record")
    hearing.add_video("ben", SPANS, plain(*GREEN), name="Ben")
    hearing.add_audio("ben", SPANS, tone(700), name="Ben")
    film = compose_film(hearing.write(2.0), tmp_path / "film.mp4", OPTIONS)
    picture, sound = read(film.path)
    assert share_of(picture, GREEN) > 0.2
    assert np.abs(sound).max() > 0.1
    assert film.problems == ()


def test_of_nothing_but_ciphertext_no_film_is_made(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path / "record")
    hearing.add_audio("ben", SPANS, tone(700), encryption="GCM", name="Ben")
    with pytest.raises(RecordError, match="encrypted from end to end by who published them"):
        compose_film(hearing.write(2.0), tmp_path / "film.mp4", OPTIONS)
    assert not (tmp_path / "film.mp4").exists()
