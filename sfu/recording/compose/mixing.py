"""Adds up voices, and keeps the sum from being clipped."""

from __future__ import annotations

import itertools

import numpy as np

from sfu.recording.compose.sound import Samples

CEILING = 0.89
"""Largest sample: -1 dB of full scale, which leaves room for what AAC adds."""
BLOCK = 240
"""Length of a block in samples, 5 ms; the gain changes evenly from its beginning to its end."""
_RELEASE = 10 ** (0.25 / 20)
"""The gain comes back by at most 0.25 dB a block."""


class Limiter:
    """A peak limiter that looks one block ahead: the gain is down before the peak is there, so nothing is distorted.

    What comes out is one block late; `flush` returns the rest.
    """

    def __init__(self, channels: int = 2) -> None:
        self._pending = np.zeros((channels, 0), np.float32)
        self._gain: float | None = None

    def process(self, samples: Samples) -> Samples:
        """Take samples, and return those that are ready."""
        pending = np.concatenate((self._pending, samples), axis=1)
        blocks = pending.shape[1] // BLOCK - 1
        if blocks < 1:
            self._pending = pending
            return pending[:, :0]
        peaks = np.abs(pending[:, : (blocks + 1) * BLOCK]).max(axis=0).reshape(-1, BLOCK).max(axis=1)
        ready = pending[:, : blocks * BLOCK].copy()
        self._pending = pending[:, blocks * BLOCK :]
        wanted = np.minimum(1.0, CEILING / np.maximum(peaks, 1e-9))
        if self._gain is None:
            self._gain = float(wanted[0])
        if self._gain < 1.0 or wanted.min() < 1.0:
            gains = self._follow(self._gain, wanted.tolist())
            self._gain = gains[-1]
            ready *= np.interp(np.arange(blocks * BLOCK) / BLOCK, np.arange(blocks + 1), gains).astype(np.float32)
        return ready

    def flush(self) -> Samples:
        """Return the remaining samples at the end."""
        left = self._pending.shape[1]
        padding = -left % BLOCK + BLOCK
        rest = self.process(np.zeros((self._pending.shape[0], padding), np.float32))
        self._pending = self._pending[:, :0]
        return rest[:, :left]

    @staticmethod
    def _follow(gain: float, wanted: list[float]) -> list[float]:
        """Return the gain at the beginning of each block; the last block is only looked at."""
        gains = [gain]
        for now, following in itertools.pairwise(wanted):
            # the gain between two blocks suits both, so what lies between such gains suits each block
            gains.append(min(now, following, gains[-1] * _RELEASE))
        return gains
