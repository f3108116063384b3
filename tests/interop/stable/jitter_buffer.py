"""What a client's own jitter buffer may drop: what is late, if that is not our making.

GStreamer's waits for a fixed time. Of media that come later than that, beside their timestamps, it drops a packet of
each frame, and the picture stands until the next key frame. On a busy machine a publisher's encoder falls behind by
more, or the viewer itself does. So what came, and when, is judged as with all other viewers; and for each packet that
was not handed on there must be an excuse: it was late, and the node did not hold it back, as it would show by a viewer
in the same room whom it does not pace.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tests.interop.stable.packets import Packet

_CLOCK_RATE = 90_000
_TO_BE_LATE = 0.75
"""Of a jitter buffer's length: its own account of when a packet was due is smoothed."""
_HELD_S = 0.25
"""What the pacer may hold, 150 ms and a burst, and as much again as two processes of a busy machine differ by."""
_ABOUT_US = 150_000
"""What two viewers got so shortly one after the other is compared."""
_CATCH_UP_US = 300_000
"""So soon after a pause what waited meanwhile is taken in."""
_WAITING_US = 500_000
"""What came so short a time before the end may still wait."""


class Dropped(NamedTuple):
    """A packet that was dropped without an excuse."""

    sequence: int
    late_s: float
    """By what passed since its timestamp, beyond what has passed at the earliest packet so far."""
    held_s: float
    """What of that is the node's."""


class Pause(NamedTuple):
    """A time in which the viewer's process did not run."""

    end_us: int
    for_us: int


def dropped_without_excuse(
    came: Sequence[Packet],
    handed_on: Iterable[Packet],
    *,
    buffer_s: float,
    unpaced: Sequence[Sequence[Packet]],
    pauses: Sequence[Pause],
) -> list[Dropped]:
    """Which packets of one video a jitter buffer of this length dropped without an excuse.

    `unpaced`: what others got of the same publisher whom the node does not pace; without them it is to blame for all
    that the viewer's own pauses do not explain.
    """
    passed = {(packet.ssrc, packet.sequence) for packet in handed_on}
    until_us = max((packet.at_us for packet in came), default=0) - _WAITING_US
    behind = _behind(came)
    held_us = _held(came, behind, unpaced)
    least: dict[int, int] = {}
    dropped = []
    for number, (packet, behind_us) in enumerate(zip(came, behind, strict=True)):
        least[packet.ssrc] = min(least.get(packet.ssrc, behind_us), behind_us)
        if packet.at_us >= until_us or (packet.ssrc, packet.sequence) in passed:
            continue
        passed.add((packet.ssrc, packet.sequence))  # a second one is dropped by right
        late_us = behind_us - least[packet.ssrc]
        paused_us = max((one.for_us for one in pauses if abs(packet.at_us - one.end_us) <= _CATCH_UP_US), default=0)
        held_s = (min(held_us(number), late_us) - paused_us) / 1e6
        if late_us / 1e6 < _TO_BE_LATE * buffer_s or held_s > _HELD_S:
            dropped.append(Dropped(packet.sequence, late_us / 1e6, held_s))
    return dropped


def _behind(packets: Iterable[Packet]) -> list[int]:
    """By how much each packet came after its timestamp, in microseconds from an origin of each stream's own."""
    origin: dict[int, int] = {}
    result = []
    for packet in packets:
        first = origin.setdefault(packet.ssrc, packet.timestamp)
        since = (packet.timestamp - first + (1 << 31)) % (1 << 32) - (1 << 31)
        result.append(packet.at_us - since * 1_000_000 // _CLOCK_RATE)
    return result


def _held(came: Sequence[Packet], behind: Sequence[int], unpaced: Sequence[Sequence[Packet]]) -> Callable[[int], float]:
    """How much longer than usual one packet's way was than that of what others got at about that time.

    The publisher's own lateness is in both. Nobody else was there then: nothing is known against the node.
    """
    if not any(unpaced):
        return lambda number: float("inf")
    by_other = []
    for packets in unpaced:
        others = list(zip((packet.at_us for packet in packets), _behind(packets), strict=True))
        times = [at_us for at_us, _ in others]
        more: dict[int, int] = {}
        for number, packet in enumerate(came):
            near = others[bisect_left(times, packet.at_us - _ABOUT_US) : bisect_right(times, packet.at_us + _ABOUT_US)]
            if near:
                more[number] = behind[number] - max(behind_us for _, behind_us in near)
        if more:
            usual = statistics.median(more.values())
            by_other.append({number: value - usual for number, value in more.items()})
    return lambda number: min((more[number] for more in by_other if number in more), default=0.0)
