"""How much one audio Track speaks, from what its packets declare of themselves (RFC 6464)."""

from __future__ import annotations

import math
from typing import NamedTuple

LOUDEST = 127.0
"""Loudness is 127 minus the declared level in -dBov: 127 is the overload point, 0 is silence."""
LEAST_LOUDNESS = 72.0
"""The least loudness of speech (-55 dBov)."""
MARGIN = 8.0
"""The least dB by which speech is above the Track's own background."""
LOUDEST_BACKGROUND = 77.0
"""The loudest that a background may be (-50 dBov): a margin above it even a constant sound, as of a player, counts as a
source.
"""
ATTACK = 0.25
"""Seconds of speech after which a Track is active."""
RELEASE = 1.75
"""Seconds without speech after which a Track is inactive."""

_VOICE_SHARE = 0.5
_LEAST_PROMINENCE = 1.0  # of a constant source
_MOST_PROMINENCE = 50.0  # shouting louder gains nothing
_MOST_VOICED = 1.5
_LEAK = 0.5
_LEAST_FLOOR = 50.0  # so that after digital silence it does not take long to get used to a noise
_FLOOR_RISE = 1.0  # dB/s: speech pauses before it gets far
_STEADY_RISE = 6.0  # dB/s, for what varies less than speech does
_STEADY_SPREAD = 2.0  # dB
_NEGLIGIBLE = 0.01


class Step(NamedTuple):
    """One interval: its length in seconds, and the weights of its values in the averages."""

    seconds: float
    immediate: float
    medium: float
    long: float

    @classmethod
    def of(cls, seconds: float) -> Step:
        """Return the interval of this length, in seconds."""
        return cls(seconds, *(1.0 - math.exp(-seconds / constant) for constant in (0.3, 1.0, 3.0)))


class Activity:
    """The speech scores of one Track.

    The *prominence* is the dB by which speech stands out of the Track's own background, 0 without speech; it is
    averaged over about 0.3, 1 and 3 seconds. Comparing Tracks by prominence, not by loudness, makes microphones of all
    kinds equal, and leaves a constant source behind anyone who speaks.
    """

    __slots__ = (
        "_counts",
        "_floor",
        "_mean",
        "_spread",
        "_unvoiced_seen",
        "_voiced_seen",
        "active",
        "immediate",
        "long",
        "loudness",
        "medium",
        "quiet",
        "voiced",
    )

    def __init__(self, packets: int, loudness: int, voiced: int) -> None:
        """Start from the present counters: earlier packets say nothing about the present."""
        self._counts = (packets, loudness, voiced)
        self._floor: float | None = None
        self._mean = self._spread = 0.0
        self._voiced_seen = self._unvoiced_seen = False
        self.active = False
        """Whether it speaks, with hysteresis."""
        self.voiced = 0.0
        """Seconds of speech of late; every other second takes half a second off."""
        self.quiet = 0.0
        """Seconds without speech, since the last of it."""
        self.immediate = self.medium = self.long = 0.0
        """Prominence over the three spans, dB (0..50)."""
        self.loudness = 0.0
        """Loudness over about a second, 0..127."""

    def update(self, packets: int, loudness: int, voiced: int, step: Step) -> None:
        """Take the counters at the end of an interval; counters that have fallen count as begun anew."""
        before = self._counts
        self._counts = (packets, loudness, voiced)
        count = packets - before[0]
        if count <= 0 or loudness < before[1] or voiced < before[2]:
            self._score(0.0, 0.0, step)
            return
        level = min((loudness - before[1]) / count, LOUDEST)
        share = (voiced - before[2]) / count
        self._voiced_seen = self._voiced_seen or share >= _VOICE_SHARE
        self._unvoiced_seen = self._unvoiced_seen or share < _VOICE_SHARE
        floor = self._learn_background(level, step)
        if self._voiced_seen and self._unvoiced_seen:
            # The client tells the two apart. One that always says the same, as many do, tells nothing.
            speaks = share >= _VOICE_SHARE and level >= LEAST_LOUDNESS
            prominence = level - min(floor, LEAST_LOUDNESS - MARGIN)
        else:
            speaks = level >= max(LEAST_LOUDNESS, min(floor, LOUDEST_BACKGROUND) + MARGIN)
            prominence = level - floor
        self._score(level, min(max(prominence, _LEAST_PROMINENCE), _MOST_PROMINENCE) if speaks else 0.0, step)

    def mute(self, packets: int, loudness: int, voiced: int) -> None:
        """Stop being active at once, since the Track is muted. What is known of its background stays."""
        self._counts = (packets, loudness, voiced)
        self.active = False
        self.voiced = 0.0
        self.quiet = RELEASE
        self.immediate = self.medium = self.long = self.loudness = 0.0

    def _learn_background(self, level: float, step: Step) -> float:
        """Follow the background: down at once, up slowly, and up faster where the level is steadier than speech ever
        is.
        """
        if self._floor is None:
            self._floor = min(level, LOUDEST_BACKGROUND)
            self._mean = level
            self._spread = 2 * _STEADY_SPREAD
        self._spread += step.medium * (abs(level - self._mean) - self._spread)
        self._mean += step.medium * (level - self._mean)
        rise = _STEADY_RISE if self._spread < _STEADY_SPREAD else _FLOOR_RISE
        self._floor = max(_LEAST_FLOOR, min(level, self._floor + rise * step.seconds))
        return self._floor

    def _score(self, level: float, prominence: float, step: Step) -> None:
        if prominence == 0.0 and not self.active and self.long == 0.0 and self.loudness + level < _NEGLIGIBLE:
            return  # silent before and now
        if prominence > 0.0:
            self.voiced = min(self.voiced + step.seconds, _MOST_VOICED)
            self.quiet = 0.0
            self.active = self.active or self.voiced >= ATTACK
        else:
            self.voiced = max(0.0, self.voiced - _LEAK * step.seconds)
            self.quiet += step.seconds
            if self.quiet >= RELEASE:
                self.active = False
        self.immediate += step.immediate * (prominence - self.immediate)
        self.medium += step.medium * (prominence - self.medium)
        self.long += step.long * (prominence - self.long)
        self.loudness += step.medium * (level - self.loudness)
        if prominence == 0.0 and self.long < _NEGLIGIBLE:
            self.immediate = self.medium = self.long = 0.0
