"""Statistics of Tracks and Subscriptions, as snapshots: counts since the start, rates over the last second or so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfu.media.layer import Layer

_LEAST_INTERVAL = 0.5
"""Seconds over which a rate is measured at least."""


@dataclass(frozen=True)
class EncodingStats:
    """What comes in of one Encoding."""

    rid: str
    ssrc: int | None
    active: bool
    packets: int
    """Media packets, without retransmissions."""
    octets: int
    """Of their payload."""
    bit_rate_bps: int
    packets_lost: int
    """That have not come in the first place; some of them were repaired."""
    fraction_lost: float
    """In the last report interval, 0..1."""
    jitter_s: float
    round_trip_time_s: float | None
    """From a NACK to the packet; None before something was lost and sent again."""
    nacks_sent: int
    """Packets asked for, repetitions included."""
    packets_repaired: int
    key_frame_requests: int
    """Sent to the publisher."""
    spatial_layers: int
    """Seen so far; 0 before the first packet, and for audio."""
    temporal_layers: int
    layer_bit_rates_bps: Mapping[Layer, int] = field(default_factory=dict)
    """Of each Layer's own frames, without those below; `spatial` is the Encoding's place in simulcast."""


@dataclass(frozen=True)
class TrackStats:
    """What comes in of one Track."""

    id: str
    kind: str
    codec: str
    encodings: tuple[EncodingStats, ...]
    """The lowest first."""


@dataclass(frozen=True)
class SubscriptionStats:
    """What goes out to one subscriber, and what its receiver says of it."""

    id: str
    track: str
    packets: int
    octets: int
    bit_rate_bps: int
    packets_lost: int
    """As reported by the receiver, RFC 3550 section 6.4.1."""
    fraction_lost: float
    jitter_s: float
    round_trip_time_s: float | None
    nacks_received: int
    """Packets asked for again."""
    packets_retransmitted: int
    packets_not_retransmitted: int
    """Beyond the history, or asked for too often."""
    key_frame_requests: int
    """Of its receiver."""
    ceiling: Layer
    target: Layer | None
    current: Layer | None
    paused: bool
    starved: bool
    """Nothing is sent, because the path does not carry even the lowest Layer."""
    layer_switches: int
    freezes: int
    """Pictures that came to us much later than usual (as W3C webrtc-stats counts them at a receiver)."""


class RateMeter:
    """Turns a growing count of octets into bits a second."""

    def __init__(self) -> None:
        self.bps = 0
        self._since: float | None = None
        self._octets = 0

    def update(self, octets: int, now: float) -> int:
        """Note the count of now; return the rate, over half a second at least."""
        if self._since is None or octets < self._octets:
            self._since, self._octets = now, octets
        elif now - self._since >= _LEAST_INTERVAL:
            self.bps = round(8 * (octets - self._octets) / (now - self._since))
            self._since, self._octets = now, octets
        return self.bps
