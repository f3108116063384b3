"""What was sent lately in a room, to be sent again to who has lost its channel."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import NamedTuple

from sfu.signaling.livekit.data.audience import Audience, Receiver
from sfu.signaling.livekit.data.outbox import Parcel

_OVERHEAD = 512
"""Bytes that each packet counts for besides its own, so that tiny ones are bounded, too."""


class _Kept(NamedTuple):
    at: float
    parcel: Parcel
    audience: Audience


class Lately:
    """Numbered packets of the last `seconds`, as many as `most_bytes` hold."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._kept: collections.deque[_Kept] = collections.deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, parcel: Parcel, audience: Audience, now: float) -> None:
        """Keep a packet. `now`: seconds since the Unix epoch."""
        self.prune(now)
        self._kept.append(_Kept(now, parcel, audience))
        self._bytes += len(parcel.message) + _OVERHEAD
        while self._bytes > self._most_bytes:
            self._drop_oldest()

    def prune(self, now: float) -> None:
        """Forget what is too old."""
        while self._kept and now >= self._kept[0].at + self._seconds:
            self._drop_oldest()

    def list_for(self, receiver: Receiver, since: float) -> Iterator[Parcel]:
        """What went to somebody who was there from `since` on, in order."""
        return (each.parcel for each in self._kept if each.at >= since and each.audience.includes(receiver))

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._kept.popleft().parcel.message) + _OVERHEAD
