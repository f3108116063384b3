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
"""Over which the least delay is looked for; a fast clock moves by 1 ms in it (100 ppm)."""
LOOKAHEAD_US = 500_000
"""How far behind a frame others may lie that tell whether the clock has jumped or the network has only stuttered."""
STEP_US = 500_000
"""A delay that has grown by more, and does not come back within the lookahead, is a jump of the sender's clock."""
STEADY_US = 100_000
"""For so long it must have stayed so, give or take as much: in a network that catches up delays are falling."""
MAX_LAG_US = 5_000_000
"""A frame is never placed longer before its arrival."""
MAX_AHEAD_US = 2_000
"""Nor by more after it, but where many come at once: then they are `MIN_STEP_US` apart."""
MAX_CROWD_US = 1_000_000
"""More frames at once than have room within this after their arrival cannot be placed."""
NO_PLACE = -1
MIN_STEP_US = 1_000
"""Times strictly rise, in the container's milliseconds."""
SLEW = 0.02
"""How much the floor rises in each second of arrival, at most, in seconds."""
_NOTABLE_US = 5_000
_MOST_AHEAD = 256  # frames: `MAX_LAG_US` of sound that comes at once


class Sample(NamedTuple):
    """A frame, as far as time is concerned."""

    timestamp: int
    """RTP units, unwrapped."""
    arrival_us: int


class ClockRecovery:
    """One file's times: those of all sources that go into it, one after the other.

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
        """What comes next has timestamps of its own: another SSRC, or a restarted one."""
        self._anchored = False

    def to_record(self, arrival_us: int) -> int:
        """A time of the arrival clock on the record's clock."""
        return arrival_us - self._start_us

    def place(self, samples: Sequence[Sample]) -> list[int]:
        """The record's times of the next frames in order, in microseconds, a millisecond apart or more.

        `NO_PLACE`: this frame is one of so many that it must be left out.

        The more frames are told at once, the more is known of what follows each: half a second is enough.
        """
        rate = self._clock_rate
        delays = [sample.arrival_us - sample.timestamp * 1_000_000 // rate for sample in samples]
        placed = []
        for index, (sample, delay_us) in enumerate(zip(samples, delays, strict=True)):
            floor_us = self._follow(samples, delays, index)
            placed.append(self._settle(sample.arrival_us - delay_us + floor_us, sample.arrival_us))
        return placed

    def _follow(self, samples: Sequence[Sample], delays: Sequence[int], index: int) -> int:
        """Move the floor on to a frame."""
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
    """A frame and those soon behind it."""

    least_us: int
    """Delay."""
    steady_us: int
    """Between the arrivals of the first and the last that has about that delay."""


def _look_ahead(samples: Sequence[Sample], delays: Sequence[int], index: int) -> _Ahead:
    end_us = samples[index].arrival_us + LOOKAHEAD_US
    last, end = index + 1, min(len(samples), index + _MOST_AHEAD)
    while last < end and samples[last].arrival_us <= end_us:
        last += 1
    least_us = min(delays[index:last])
    near = [samples[k].arrival_us for k in range(index, last) if delays[k] - least_us <= STEADY_US]
    return _Ahead(least_us, near[-1] - near[0])
