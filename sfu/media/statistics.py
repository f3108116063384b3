"""Statistics of Tracks and Subscriptions, as snapshots: counts since the start, rates over the last second or so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sfu.media.layer import Layer

_LEAST_INTERVAL = 0.5
"""Least seconds over which a rate is measured."""


@dataclass(frozen=True)
class EncodingStats:
    """Statistics of one Encoding that comes in."""

    rid: str
    ssrc: int | None
    active: bool
    packets: int
    """Media packets, without retransmissions."""
    octets: int
    """Octets of the payload of these packets."""
    bit_rate_bps: int
    packets_lost: int
    """Packets that did not arrive at first; some of them were repaired."""
    fraction_lost: float
    """Share of packets lost in the last report interval, 0..1."""
    jitter_s: float
    round_trip_time_s: float | None
    """Seconds from a NACK to the packet; None until a lost packet was sent again."""
    nacks_sent: int
    """Packets that we asked for by NACK, repeated requests included."""
    packets_repaired: int
    key_frame_requests: int
    """Key-frame requests sent to the publisher."""
    spatial_layers: int
    """Spatial layers seen so far; 0 before the first packet, and for audio."""
    temporal_layers: int
    layer_bit_rates_bps: Mapping[Layer, int] = field(default_factory=dict)
    """Bit rate of each Layer's own frames, without those of lower Layers; in simulcast `spatial` is the Encoding's
    index.
    """


@dataclass(frozen=True)
class TrackStats:
    """Statistics of one Track that comes in."""

    id: str
    kind: str
    codec: str
    encodings: tuple[EncodingStats, ...]
    """Statistics of the Encodings, the lowest first."""


@dataclass(frozen=True)
class SubscriptionStats:
    """Statistics of what goes out to one subscriber, and what its receiver reports."""

    id: str
    track: str
    packets: int
    octets: int
    bit_rate_bps: int
    packets_lost: int
    """Packets lost as the receiver reports them (RFC 3550 section 6.4.1)."""
    fraction_lost: float
    jitter_s: float
    round_trip_time_s: float | None
    nacks_received: int
    """Packets that the receiver asked for by NACK."""
    packets_retransmitted: int
    packets_not_retransmitted: int
    """Packets asked for by NACK that the history no longer had, or that were asked for too often."""
    key_frame_requests: int
    """Key-frame requests from the receiver."""
    ceiling: Layer
    target: Layer | None
    current: Layer | None
    paused: bool
    starved: bool
    """Whether nothing is sent because the path does not carry even the lowest Layer."""
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
        """Take the present count; return the rate in bits a second, measured over half a second at least."""
        if self._since is None or octets < self._octets:
            self._since, self._octets = now, octets
        elif now - self._since >= _LEAST_INTERVAL:
            self.bps = round(8 * (octets - self._octets) / (now - self._since))
            self._since, self._octets = now, octets
        return self.bps
