"""What a Recording keeps of each Track that it records."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.recording.feed import Deliver
from sfu.recording.recordable import Recordable


@dataclass
class RecordedTrack:
    """One Track of a Recording, as the control side knows it."""

    track: Recordable
    key: int
    deliver: Deliver
    since: float
    muted: bool
    begun: bool = False
    """Whether its first packet has come, so that the recorders know of it."""
    awaited: float | None = None
    """Since when its first packet could have come; None while none can come."""
    silence_reported: bool = False
    reported: float = float("-inf")
