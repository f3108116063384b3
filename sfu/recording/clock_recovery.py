"""From RTP timestamps to the record's clock, which is the server's: when a frame came says when it was.

The sender's clock only takes the network's jitter out. A frame's delay, its arrival minus its RTP time, has a floor:
what the path takes at least, plus where the sender's clock stands. The least delay over a window of time is that
floor, and floor plus RTP time is the frame's place. The floor follows a sender's clock that is slow or fast, and is
found anew where the clock has jumped. Nothing that a sender writes moves a frame away from its arrival by more than
`MAX_LAG_US`, so that timestamps cannot forge when something was said.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

WINDOW_US = 10_000_000
"""The span of time whose least delay is taken; a fast clock moves by 1 ms in it (100 ppm)."""
LOOKAHEAD_US = 500_000
"""How far behind a frame to look in order to tell a jump of the clock from a stutter of the network."""
STEP_US = 500_000
"""A delay that has grown by more, and does not come back within the lookahead, is a jump of the sender's clock."""
STEADY_US = 100_000
"""How long, and to what tolerance, the grown delay must hold: after a stutter of the network, delays fall."""
MAX_LAG_US = 5_000_000
"""The most by which a frame is placed before its arrival."""
MAX_AHEAD_US = 2_000
"""The most by which a frame is placed after its arrival, unless many come at once: those are `MIN_STEP_US` apart."""
MAX_CROWD_US = 1_000_000
"""How far after their arrival frames that come at once may be placed; those without room there get no place."""
NO_PLACE = -1
MIN_STEP_US = 1_000
"""Least difference between the times of two frames: they strictly rise, in the container's milliseconds."""
SLEW = 0.02
"""The most by which the floor rises, in seconds for each second of arrival."""
_NOTABLE_US = 5_000
_MOST_AHEAD = 256  # frames: `MAX_LAG_US` of sound that comes at once


class Sample(NamedTuple):
    """What clock recovery needs to know of a frame."""

    timestamp: int
    """RTP units, unwrapped."""
    arrival_us: int


class ClockRecovery:
    """Recovers the times of one file, for all sources that go into it, one after the other.

    `start_us` is the arrival clock's time of the record's start.
    """

    def __init__(self, clock_rate: int, start_us: int) -> None:
        self._clock_rate = clock_rate
        self._start_us = start_us
        self._window: deque[tuple[int, int]] = deque()  # (arrival, delay), delays rising: the first is the least
        self._floor_us = 0
        self._anchored = False
        self._arrival_us = 0  # of the last frame
        self._last_us = -MIN_STEP_US

    def restart(self) -> None:
        """Begin anew: the timestamps that follow have no relation to earlier ones (another SSRC, or a restarted
        one).
        """
        self._anchored = False

    def to_record(self, arrival_us: int) -> int:
        """Convert a time of the arrival clock to the record's clock."""
        return arrival_us - self._start_us

    def place(self, samples: Sequence[Sample]) -> list[int]:
        """Return the times of the next frames in order, in microseconds of the record, at least a millisecond apart.

        `NO_PLACE` stands for a frame that must be left out, since too many came at once.

        The more frames one call gets, the more is known of what follows each: half a second's worth is enough.
        """
        rate = self._clock_rate
        delays = [sample.arrival_us - sample.timestamp * 1_000_000 // rate for sample in samples]
        placed = []
        for index, (sample, delay_us) in enumerate(zip(samples, delays, strict=True)):
            floor_us = self._follow(samples, delays, index)
            placed.append(self._settle(sample.arrival_us - delay_us + floor_us, sample.arrival_us))
        return placed

    def _follow(self, samples: Sequence[Sample], delays: Sequence[int], index: int) -> int:
        """Update the floor with a frame."""
        delay_us, arrival_us = delays[index], samples[index].arrival_us
        if arrival_us - self._arrival_us > WINDOW_US:
            self._anchored = False  # what is known of the clock is old
        if not self._anchored or delay_us - self._floor_us > STEP_US:
            ahead = _look_ahead(samples, delays, index)
            grown = ahead.least_us - self._floor_us > STEP_US and ahead.steady_us >= STEADY_US
            if not self._anchored or grown or delay_us - self._floor_us > MAX_LAG_US:
                self._window.clear()
                self._floor_us = max(ahead.least_us, delay_us - MAX_LAG_US)
                self._arrival_us = arrival_us
                self._anchored = True
        window = self._window
        while window and window[-1][1] >= delay_us:
            window.pop()
        window.append((arrival_us, delay_us))
        while window[0][0] < arrival_us - WINDOW_US:
            window.popleft()
        least_us = window[0][1]
        passed_us = max(0, arrival_us - self._arrival_us)
        self._arrival_us = max(self._arrival_us, arrival_us)
        if least_us - self._floor_us > _NOTABLE_US:  # after a pause there may be late ones only in the window
            least_us = max(self._floor_us, _look_ahead(samples, delays, index).least_us)
        self._floor_us = min(least_us, self._floor_us + int(passed_us * SLEW))
        return self._floor_us

    def _settle(self, wanted_us: int, arrival_us: int) -> int:
        latest_us = arrival_us + MAX_AHEAD_US
        time_us = min(wanted_us, latest_us) - self._start_us
        time_us = max(time_us, self._last_us + MIN_STEP_US, 0)
        if time_us > arrival_us - self._start_us + MAX_CROWD_US:
            return NO_PLACE
        self._last_us = time_us
        return time_us


class _Ahead(NamedTuple):
    """A frame, and those that follow within the lookahead."""

    least_us: int
    """The least delay of these frames."""
    steady_us: int
    """Time between the arrivals of the first and the last frame that have about that delay."""


def _look_ahead(samples: Sequence[Sample], delays: Sequence[int], index: int) -> _Ahead:
    end_us = samples[index].arrival_us + LOOKAHEAD_US
    last, end = index + 1, min(len(samples), index + _MOST_AHEAD)
    while last < end and samples[last].arrival_us <= end_us:
        last += 1
    least_us = min(delays[index:last])
    near = [samples[k].arrival_us for k in range(index, last) if delays[k] - least_us <= STEADY_US]
    return _Ahead(least_us, near[-1] - near[0])
