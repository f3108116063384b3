"""What a Recording keeps of each Track that it records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sfu.recording.feed import Deliver
from sfu.recording.recordable import Recordable
from sfu.recording.watch import SILENCE_S
from sfu.routing.plane import TappedPackets

_REPORT_EACH_S = 10.0


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

    def find_first(self, packets: TappedPackets, resumed: float) -> float | None:
        """Return when the first packet with media came that is on the record, if it is among these; a pause ended last
        when it was `resumed`.
        """
        arrivals = zip(packets.arrivals, packets.payloads, strict=True)
        heard = (arrival_us / 1e6 for arrival_us, payload in arrivals if payload)
        return next((arrival for arrival in heard if arrival >= max(self.since, resumed)), None)

    def release(self) -> None:
        """Let go of `deliver`, which holds this and the whole Recording."""
        self.deliver = _deliver_nothing

    def falls_silent(self, now: float, *, paused: bool) -> bool:
        """Whether nothing has come for a while although it could; true once."""
        if self.silence_reported or self.begun:
            return False
        if paused or self.muted or not self.track.connected:
            self.awaited = None
        elif self.awaited is None:
            self.awaited = now
        else:
            self.silence_reported = now >= self.awaited + SILENCE_S
        return self.silence_reported

    def find_report(self, now: float, start: float) -> dict[str, Any] | None:
        """Return what the sender said of its clock, for the record that began at `start`, if that is due."""
        clock = self.track.sender_clock()
        if clock is None or not self.begun or now < self.reported + _REPORT_EACH_S:
            return None
        self.reported = now
        ssrc, ntp_time, rtp_timestamp, arrival = clock
        about = {"ssrc": ssrc, "ntp": str(ntp_time), "rtp_timestamp": rtp_timestamp}
        return {**about, "arrival_us": round((arrival - start) * 1e6)}


def _deliver_nothing(packets: TappedPackets) -> None: ...
