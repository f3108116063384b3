"""What a publisher reports of its streams (RFC 3550 section 6.4.1), and which of its reports are passed on."""

from __future__ import annotations

from typing import NamedTuple

from sfu.wire.rtcp import SenderReport

REPORT_INTERVAL = 1.0
"""Seconds between two looks at what a connection publishes."""

SENDER_REPORT_SPACING = 0.2
"""Least seconds between two sender reports of one Encoding that are passed on.

Each is sent to every Subscription, so a publisher must not set the pace at will; browsers send one a second.
"""


class SourceClock(NamedTuple):
    """What a publisher's sender report said: its RTP timestamp at its wall-clock time."""

    ntp_time: int
    rtp_timestamp: int
    arrival: float
    """When the report came, monotonic seconds."""


class Reception:
    """What is known of one source by its reports; a new SSRC gets a new one."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.clock: SourceClock | None = None
        self._last_forward: float | None = None

    def handle_sender_report(self, report: SenderReport, now: float) -> bool:
        """Take over the source's clock; return whether to pass the report on to the Subscriptions now."""
        self.clock = SourceClock(report.ntp_time, report.rtp_timestamp, now)
        if self._last_forward is not None and now < self._last_forward + SENDER_REPORT_SPACING:
            return False
        self._last_forward = now
        return True
