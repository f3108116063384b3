"""One RTP stream of a Track: its rows, and our requests to its publisher."""

from __future__ import annotations

from collections.abc import Callable

from sfu.feedback.keyframes import KeyFrameRequests, KeyFrameThrottle
from sfu.feedback.nack import NackResult, NackSchedule
from sfu.feedback.reports import Reception
from sfu.feedback.round_trip import RoundTrip
from sfu.media.forwarding import TrackRoute, capacity_checked
from sfu.media.layer import Layer
from sfu.media.statistics import EncodingStats, RateMeter
from sfu.negotiation import Codec, Incoming, mid_on_wire
from sfu.negotiation.types import IncomingEncoding
from sfu.routing.plane import AudioLevel
from sfu.wire.layers import TEMPORAL_LAYERS
from sfu.wire.payload_format import PayloadFormat

_FORMATS = {
    "VP8": PayloadFormat.VP8,
    "VP9": PayloadFormat.VP9,
    "H264": PayloadFormat.H264,
    "AV1": PayloadFormat.AV1,
    "opus": PayloadFormat.OPUS,
}

QUIET = 2.0
"""Seconds without a packet after which an Encoding counts as stopped, if another one of its Track goes on."""

PATIENCE = 8.0
"""Seconds for which a wanted Encoding may stay away while a lower one comes: a publisher's rate rises slowly."""
RETRY = 30.0
"""Seconds until an Encoding that stayed away is asked for again: the publisher's path or picture may have grown."""

_SMOOTHING = 0.4
"""Weight of a new measurement in a Layer's cost."""
_HEADER_BYTES = 44
"""Bytes that a subscriber gets around a payload: the RTP header, its extensions, and the tag of SRTP."""
_AUDIO_TRIES, _AUDIO_MAX_AGE = 4, 0.4
"""How often a lost audio packet is asked for, and the seconds after which it is of no use to a listener."""
_RISEN = 1.25
"""The rise of an unwanted Layer's cost, as a ratio, from which on it is followed; a smaller one is noise, which must
not add up.
"""
_SETTLING = 6
"""Measurements until a low cost is believed: at first a publisher's rates rise."""
_LEAST_COST_BPS = 1_000.0
"""A Layer that costs less than this has stopped."""


class Encoding:
    """One RTP stream of a Track, which makes it; through it the Track opens and closes the rows."""

    def __init__(
        self,
        stream: IncomingEncoding,
        index: int,
        incoming: Incoming,
        *,
        route: TrackRoute,
        connection: int,
        throttle: KeyFrameThrottle,
        round_trip: RoundTrip,
    ) -> None:
        """`index` is its place among the Track's Encodings, 0 the lowest. May raise ServerFullError."""
        self.rid = stream.rid
        """Restriction identifier (RFC 8852); empty without simulcast."""
        self.index = index
        self.active = False
        """Whether media of the Encoding come."""
        self.wanted = True
        """Whether a Subscription or a recorder is meant to get the Encoding."""
        self.withheld = False
        """Whether it stays away though it is wanted, so that others are used for now; see `note_absence`."""
        self.key_frames = KeyFrameRequests(throttle)
        self.reception = Reception(stream.ssrc) if stream.ssrc else None
        """What its publisher has reported; None until its SSRC is known."""
        self.intra_requests = 0
        self.measurements = 0
        """How often its rates were measured."""
        codec = incoming.codec
        self.nacks = _schedule(incoming, round_trip) if "nack" in codec.feedback else None
        """The missing packets, if the publisher can send them again, by RTX or as they were; else None."""
        repairable = self.nacks is not None and bool(codec.repair_type)
        self._plane = route.shard.plane
        self._clock_rate = codec.clock_rate
        self._rate = RateMeter()
        self._header_rate = RateMeter()
        self._layer_rates: dict[int, RateMeter] = {}
        self._costs: dict[int, float] = {}
        self._costed = 0
        self._packets = 0
        self._seen: float | None = None
        self._begun: float | None = None
        self._measured_packets = 0
        self._resumes = False
        self._absent_since: float | None = None
        self._retry_at = 0.0
        with capacity_checked():
            self.row = self._open(incoming, stream, route, connection, codec)
            self._repair_row = -1
            if repairable:
                try:
                    self._repair_row = self._open_repair(incoming, stream, route, connection)
                except BaseException:
                    self._plane.close_encoding(self.row)
                    raise

    @property
    def ssrc(self) -> int | None:
        """The publisher's SSRC, from SDP or else from the first packet; None until it is known."""
        return None if self.reception is None else self.reception.ssrc

    @property
    def fraction_lost(self) -> float:
        """Share of its packets that were lost in the last second, before repair, 0..1."""
        return self._plane.encoding_loss(self.row)

    def handle_source(self, ssrc: int, now: float) -> None:
        """Take an SSRC that the plane has learned, or whose numbering began anew."""
        self.reception = Reception(ssrc)
        self.active = True
        self._packets, self._seen = 0, now
        if self._begun is None:
            self._begun = now
            self._rate.update(0, now)
            self._header_rate.update(0, now)
        if self.nacks is not None:
            self.nacks.reset()

    def note_packets(self, packets: int, now: float) -> None:
        """Take the count of packets that have come so far."""
        if packets != self._packets:
            self._packets, self._seen = packets, now
            self.active = True

    @property
    def is_to_be_had(self) -> bool:
        """Whether its media come, or may be expected once it is wanted, since the publisher has offered it."""
        return self.active or not self.withheld

    @property
    def is_measured(self) -> bool:
        """Whether its cost is known, if only from when it last came."""
        return bool(self._costs)

    @property
    def has_settled(self) -> bool:
        """Whether its cost has been known for so long that it no longer rises merely because it has just begun."""
        return self._costed >= _SETTLING

    def want(self, wanted: bool) -> None:
        """Mark it as wanted, or give it up. Its measured cost is kept."""
        self.wanted = wanted
        self._resumes = wanted
        self._absent_since = None

    def note_absence(self, now: float, *, lower_comes: bool) -> None:
        """Find whether it stays away though it is wanted. Call it once a second while some Encoding of the Track comes.

        The publisher may have too little bandwidth for it, or too small a picture. Lower Encodings begin first, so one
        below all that come is waited for less long.
        """
        if self.active or (self.withheld and now >= self._retry_at):
            self.withheld = False
            self._absent_since = None
        elif self.withheld or not self.wanted:
            self._absent_since = None
        elif self._absent_since is None:
            self._absent_since = now
        elif now >= self._absent_since + (PATIENCE if lower_comes else QUIET):
            self.withheld = True
            self._retry_at = now + RETRY

    @property
    def spatial_top(self) -> int:
        """The highest spatial Layer (SVC) that has come so far."""
        return max((place // TEMPORAL_LAYERS for place in self._costs), default=0)

    def flows_above(self, spatial: int, temporal: int, *, within: Layer) -> bool:
        """Whether a Layer of this Encoding comes that is above the given one, but not above `within` (SVC)."""
        for place in self._costs:
            s, t = divmod(place, TEMPORAL_LAYERS)
            if s <= within.spatial and t <= within.temporal and (s > spatial or t > temporal):
                return True
        return False

    def layer_rate_bps(self, spatial: int, temporal: int) -> float:
        """Return the smoothed bit rate of forwarding a Layer's own frames, with headers, without the Layers below."""
        return self._costs.get(spatial * TEMPORAL_LAYERS + temporal, 0.0)

    def measure(self, now: float) -> None:
        """Measure the bit rates. Call it once a second."""
        self.measurements += 1
        self._costed += bool(self._costs)
        octets = self._plane.layer_octets(self.row)
        state = self._plane.encoding_state(self.row)
        payload_bps = self._rate.update(state.octets, now)
        header_bps = self._header_rate.update(_HEADER_BYTES * state.media_packets, now)
        overhead = 1.0 + header_bps / payload_bps if payload_bps else 1.0
        for place, count in enumerate(octets):
            if count:
                if place not in self._layer_rates:
                    self._layer_rates[place] = RateMeter()
                    if self._begun is not None:  # otherwise it is not known since when these octets have come
                        self._layer_rates[place].update(0, self._begun)
                self._layer_rates[place].update(count, now)
        came, self._measured_packets = state.packets != self._measured_packets, state.packets
        if self._resumes and came:
            self._resumes = False
            if self._costs:
                return  # it came for a part of this second only
        if self.active and came:
            for place, meter in self._layer_rates.items():
                cost = self._costs.get(place)
                now_bps = overhead * meter.bps
                if not self.wanted and cost is not None and now_bps < _RISEN * cost:
                    continue  # its publisher is about to stop it: what it cost before counts
                self._costs[place] = now_bps if cost is None else cost + _SMOOTHING * (now_bps - cost)
            self._costs = {place: cost for place, cost in self._costs.items() if cost >= _LEAST_COST_BPS}

    def stats(self, *, simulcast: bool) -> EncodingStats:
        """Return a snapshot; with `simulcast`, `index` is the spatial part of its Layers."""
        state = self._plane.encoding_state(self.row)
        nacks = self.nacks
        repaired = state.repaired if nacks is None or self._repair_row >= 0 else nacks.repaired
        rates = {}
        for place, meter in self._layer_rates.items():
            spatial, temporal = divmod(place, TEMPORAL_LAYERS)
            rates[Layer(self.index if simulcast else spatial, temporal)] = meter.bps
        return EncodingStats(
            rid=self.rid,
            ssrc=self.ssrc,
            active=self.active,
            packets=state.packets,
            octets=state.octets,
            bit_rate_bps=self._rate.bps,
            packets_lost=state.expected - state.packets,
            fraction_lost=self.fraction_lost,
            jitter_s=state.jitter / self._clock_rate,
            round_trip_time_s=None if nacks is None else nacks.round_trip_time,
            nacks_sent=0 if nacks is None else nacks.asked,
            packets_repaired=repaired,
            key_frame_requests=self.key_frames.sent,
            spatial_layers=state.spatial_layers,
            temporal_layers=state.temporal_layers,
            layer_bit_rates_bps=rates,
        )

    def audio_level(self) -> AudioLevel:
        """Return what its packets have said so far of their loudness."""
        return self._plane.audio_level(self.row)

    def is_quiet(self, now: float) -> bool:
        """Whether nothing has come for `QUIET` seconds."""
        return self._seen is None or now - self._seen > QUIET

    def align(self, clock_rate: int) -> None:
        """Tell the plane its clock offset by its last sender report, so that a switch finds the same moment."""
        if self.reception is not None and self.reception.clock is not None:
            clock = self.reception.clock
            self._plane.set_clock_offset(self.row, (clock.ntp_time * clock_rate >> 32) - clock.rtp_timestamp)

    def poll_timeout(self) -> float | None:
        """Return when a key-frame request or a NACK is due (absolute seconds); None: none is."""
        due = [self.key_frames.poll_timeout(), self.nacks.poll_timeout() if self.nacks is not None else None]
        return min((deadline for deadline in due if deadline is not None), default=None)

    def request_key_frame(self, now: float) -> bool:
        """Note that someone needs a key frame; return whether to ask the publisher now."""
        return self.key_frames.request(now, self._plane.encoding_state(self.row).key_frames)

    def expect_key_frame(self, now: float) -> None:
        """Expect a key frame, with which a new SSRC usually begins; if none comes, one is requested."""
        self.key_frames.expect(now, self._plane.encoding_state(self.row).key_frames_before)

    def is_key_frame_due(self, now: float) -> bool:
        """Return whether to ask the publisher now for the key frame that someone waits for."""
        due = self.key_frames.poll_timeout()
        if due is None or now < due:
            return False
        return self.key_frames.handle_timeout(now, self._plane.encoding_state(self.row).key_frames)

    def ask_missing(self, now: float) -> NackResult:
        """Return which missing packets to ask the publisher for now."""
        if self.nacks is None:
            return NackResult()
        arrived: Callable[[int], bool] = lambda sequence: self._plane.arrived(self.row, sequence)  # noqa: E731
        return self.nacks.handle_timeout(now, arrived)

    def close(self) -> None:
        """Free the Encoding's rows."""
        if self._repair_row >= 0:
            self._plane.close_encoding(self._repair_row)
        self._plane.close_encoding(self.row)

    def _open(
        self, incoming: Incoming, stream: IncomingEncoding, route: TrackRoute, connection: int, codec: Codec
    ) -> int:
        return self._plane.open_encoding(
            route.row,
            connection,
            mid=mid_on_wire(incoming.mid),
            rid=stream.rid,
            ssrc=stream.ssrc or 0,
            payload_type=codec.payload_type,
            redundant_type=codec.redundant_type,
            clock_rate=codec.clock_rate,
            audio=incoming.kind == "audio",
            codec=_FORMATS[codec.name],
            index=self.index,
            asks=self.nacks is not None,
            resent=not codec.repair_type,
        )

    def _open_repair(self, incoming: Incoming, stream: IncomingEncoding, route: TrackRoute, connection: int) -> int:
        return self._plane.open_encoding(
            route.row,
            connection,
            mid=mid_on_wire(incoming.mid),
            rid=stream.rid,
            ssrc=stream.repair_ssrc or 0,
            payload_type=incoming.codec.repair_type,
            clock_rate=incoming.codec.clock_rate,
            audio=False,
            repairs=self.row,
        )


def _schedule(incoming: Incoming, round_trip: RoundTrip) -> NackSchedule:
    if incoming.kind == "audio":
        return NackSchedule(round_trip, tries=_AUDIO_TRIES, max_age=_AUDIO_MAX_AGE)
    return NackSchedule(round_trip)
