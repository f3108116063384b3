"""Sender and receiver reports (RFC 3550 section 6.4): what we tell publishers, and what subscribers get of theirs."""

from __future__ import annotations

from typing import NamedTuple

from sfu.units import MASK_32, compact_from_seconds, compact_ntp, seconds_from_compact
from sfu.wire.rtcp import ReportBlock, SenderReport, build_sender_report, build_source_description

REPORT_INTERVAL = 1.0
"""Seconds between receiver reports to a publisher."""

SENDER_REPORT_SPACING = 0.2
"""Least seconds between two sender reports of one Encoding that are passed on.

Each is sent to every Subscription, so a publisher must not set the pace at will; browsers send one a second.
"""

_MOST_LOST = 0x7FFFFF


class SourceClock(NamedTuple):
    """What a publisher's sender report said: its RTP timestamp at its wall-clock time."""

    ntp_time: int
    rtp_timestamp: int
    arrival: float
    """When the report came, monotonic seconds."""


class Reception:
    """Our view of one source, from its first packet on; a new SSRC gets a new one."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.clock: SourceClock | None = None
        self.fraction_lost = 0.0
        """In the last report interval, 0..1."""
        self._expected_before = 0
        self._received_before = 0
        self._last_forward: float | None = None

    def handle_sender_report(self, report: SenderReport, now: float) -> bool:
        """Take over the source's clock; return whether to pass the report on to the Subscriptions now."""
        self.clock = SourceClock(report.ntp_time, report.rtp_timestamp, now)
        if self._last_forward is not None and now < self._last_forward + SENDER_REPORT_SPACING:
            return False
        self._last_forward = now
        return True

    def build_block(self, *, packets: int, first: int, highest: int, jitter: int, now: float) -> ReportBlock:
        """Build the report block for the time since the former one (RFC 3550 appendix A.3).

        Args:
            packets: how many were received since the first one, without duplicates.
            first: extended sequence number of the first packet.
            highest: extended highest sequence number.
            jitter: interarrival jitter, in timestamp units.
        """
        if packets < self._received_before:  # the publisher restarted its numbering: count anew
            self._expected_before = self._received_before = 0
        expected = highest - first + 1
        lost = max(-_MOST_LOST - 1, min(expected - packets, _MOST_LOST))
        expected_now = expected - self._expected_before
        lost_now = expected_now - (packets - self._received_before)
        self._expected_before, self._received_before = expected, packets
        fraction = min(255, (lost_now << 8) // expected_now) if expected_now > 0 and lost_now > 0 else 0
        self.fraction_lost = fraction / 256
        last, delay = 0, 0
        if self.clock is not None:
            last = compact_ntp(self.clock.ntp_time)
            delay = compact_from_seconds(max(0.0, now - self.clock.arrival))
        return ReportBlock(self.ssrc, fraction, lost, highest & MASK_32, jitter & MASK_32, last, delay)


class EgressReports:
    """The sender reports of one Subscription, and its receiver's report blocks.

    The publisher's NTP time stays as it is; only the RTP timestamp moves, by the Subscription's offset: all Tracks of
    one publisher keep their common clock, which is what keeps lips in sync (RFC 3550 section 6.4.1, RFC 7667 section
    3.7, a media-switching mixer's duty to translate timestamps).
    """

    def __init__(self, ssrc: int, cname: str) -> None:
        self.ssrc = ssrc
        self.sent = False
        """Whether a sender report has gone out."""
        self._description = build_source_description(ssrc, cname)
        self._last_ntp = 0
        self._last_sent = 0.0
        self.fraction_lost = 0.0
        """Share of packets lost on the way to the receiver in its last report, 0..1."""
        self.packets_lost = 0
        self.jitter = 0
        """As the receiver reported it, timestamp units."""
        self.round_trip_time: float | None = None
        """Seconds, without the receiver's own delay (RFC 3550 section 6.4.1, figure 2)."""

    def build(self, clock: SourceClock, *, timestamp_offset: int, packets: int, octets: int, now: float) -> bytes:
        """Build SR + SDES; `timestamp_offset` is egress minus ingress timestamp."""
        self.sent = True
        self._last_ntp, self._last_sent = compact_ntp(clock.ntp_time), now
        timestamp = (clock.rtp_timestamp + timestamp_offset) & MASK_32
        return build_sender_report(self.ssrc, clock.ntp_time, timestamp, packets, octets) + self._description

    def handle_block(self, block: ReportBlock, now: float) -> None:
        """Take the receiver's report block on this Subscription; a nonsensical round trip is ignored."""
        self.fraction_lost = block.fraction_lost / 256
        self.packets_lost = block.packets_lost
        self.jitter = block.jitter
        if self.sent and block.last_sender_report == self._last_ntp:
            round_trip = now - self._last_sent - seconds_from_compact(block.delay)
            if round_trip >= 0:
                self.round_trip_time = round_trip
