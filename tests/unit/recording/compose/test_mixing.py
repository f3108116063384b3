"""Adding up voices, and keeping the sum within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from sfu.recording.compose.mixing import BLOCK, CEILING, Limiter


def sine(seconds: float, amplitude: float, hertz: float = 440) -> np.ndarray:
    at = np.arange(round(seconds * 48_000)) / 48_000
    return np.tile((amplitude * np.sin(2 * np.pi * hertz * at)).astype(np.float32), (2, 1))


def run(samples: np.ndarray, step: int = 1920) -> np.ndarray:
    limiter = Limiter()
    parts = [limiter.process(samples[:, at : at + step]) for at in range(0, samples.shape[1], step)]
    return np.concatenate([*parts, limiter.flush()], axis=1)


@pytest.mark.parametrize("step", [1920, 1601, 100, 240, 48_000])
def test_what_is_within_bounds_comes_out_as_it_went_in(step: int) -> None:
    samples = sine(1, 0.5)
    assert np.array_equal(run(samples, step), samples)


@pytest.mark.parametrize("step", [1920, 1601, 100])
@pytest.mark.parametrize("seed", range(5))
def test_no_sample_is_beyond_the_ceiling_and_none_is_lost(step: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    loud = rng.standard_normal((2, 48_123)).astype(np.float32) * rng.choice([0.1, 1, 5], 48_123).astype(np.float32)
    limited = run(loud, step)
    assert limited.shape == loud.shape
    assert np.abs(limited).max() <= CEILING + 1e-6


def test_a_loud_tone_stays_a_tone() -> None:
    limited = run(sine(1, 2.0))[0, 4800:-4800]
    spectrum = np.abs(np.fft.rfft(limited * np.hanning(len(limited))))
    peak = int(spectrum.argmax())
    assert peak * 48_000 / len(limited) == pytest.approx(440, abs=2)
    rest = np.concatenate((spectrum[: peak - 8], spectrum[peak + 9 :]))
    assert rest.max() < spectrum[peak] * 0.02  # clipping it would leave a tenth at three times its pitch


def test_after_a_peak_the_voice_is_as_loud_as_before() -> None:
    samples = sine(2, 0.5)
    samples[:, 20_000 : 20_000 + BLOCK] = 4.0
    limited = run(samples)
    assert np.abs(limited[:, 20_000:20_240]).max() <= CEILING + 1e-6
    assert np.array_equal(limited[:, :19_000], samples[:, :19_000])
    assert np.allclose(limited[:, -24_000:], samples[:, -24_000:])
