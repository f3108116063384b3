"""Samples at their place on the record's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sfu.recording.compose.sound import SoundPlayer
from sfu.recording.reader import read_record
from tests.unit.recording.compose.hearings import Hearing, tone


def play(path: Path, seconds: float, step: int = 1920) -> np.ndarray:
    (source,) = read_record(path).sources
    player = SoundPlayer(source)
    out = np.zeros((2, round(seconds * 48_000)), np.float32)
    for at in range(0, out.shape[1], step):
        player.add_to(out[:, at : at + step], at)
    player.close()
    return out


def loudness(samples: np.ndarray, begin: float, end: float) -> float:
    return float(np.sqrt((samples[0, round(begin * 48_000) : round(end * 48_000)] ** 2).mean()))


@pytest.mark.parametrize("step", [1920, 1601, 800])
def test_a_tone_is_where_it_was_and_silence_where_nothing_was(tmp_path: Path, step: int) -> None:
    hearing = Hearing(tmp_path)
    hearing.add_audio("anna", [(0.5, 1.5), (2.5, 3.0)], tone(440, 0.4))
    out = play(hearing.write(4), 4, step)
    assert [loudness(out, a, b) for a, b in ((0, 0.49), (1.53, 2.48), (3.03, 4))] == [0, 0, 0]
    assert [loudness(out, a, b) for a, b in ((0.55, 1.45), (2.55, 2.95))] == pytest.approx([0.283, 0.283], abs=0.02)


def test_a_voice_without_gaps_has_no_jumps_however_its_timestamps_are_rounded(tmp_path: Path) -> None:
    hearing = Hearing(tmp_path)
    hearing.add_audio("anna", [(0.5, 6.5)], tone(300, 0.5), drift_ppm=300, jitter_ms=2)
    out = play(hearing.write(8), 7)[0, 48_000 : 6 * 48_000]
    steepest = 0.5 * 2 * np.pi * 300 / 48_000
    assert np.abs(np.diff(out)).max() < 1.5 * steepest
    assert np.abs(out).max() > 0.4


def test_clocks_that_drift_apart_are_followed(tmp_path: Path) -> None:
    """A sender whose clock is 2000 ppm slow: after 10 s its sound would be 20 ms early."""
    hearing = Hearing(tmp_path)

    def click(at: np.ndarray) -> np.ndarray:
        return 0.8 * np.sin(2 * np.pi * 1000 * at) * (at % 1 < 0.05)

    hearing.add_audio("anna", [(0, 12)], click, drift_ppm=2000)
    out = np.abs(play(hearing.write(13), 13)[0])
    for second in (1, 5, 10):
        place = second * 1.002
        window = out[round((place - 0.1) * 48_000) : round((place + 0.1) * 48_000)]
        onset = place - 0.1 + int((window > 0.3).argmax()) / 48_000
        assert onset == pytest.approx(place, abs=0.012)
