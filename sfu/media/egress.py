"""The stream that a Subscription sends: its row in the plane, and its receiver's reports."""

from __future__ import annotations

from sfu.media.forwarding import Forwarding, TrackRoute
from sfu.media.layer import Layer
from sfu.media.statistics import RateMeter, SubscriptionStats
from sfu.media.track import Track
from sfu.negotiation import Codec, mid_on_wire
from sfu.routing.plane import NO_REPORTS, SubscriptionReports, SubscriptionState
from sfu.shard.shard import Shard
from sfu.wire.layers import layer_bit


class Egress:
    """The stream of one Subscription. It has a row in the plane from `open`, when the client has agreed to a codec, to
    `close`.
    """

    def __init__(self, ssrc: int, repair_ssrc: int, cname: str) -> None:
        """`repair_ssrc` is the SSRC of retransmissions (RFC 4588); 0: there are none."""
        self._ssrc = ssrc
        self._repair_ssrc = repair_ssrc
        self._cname = cname
        self._forwarding: Forwarding | None = None
        self._rate = RateMeter()
        self._stopped = False  # as the plane knows it

    @property
    def is_open(self) -> bool:
        """Whether the stream has a row."""
        return self._forwarding is not None

    def open(self, route: TrackRoute, shard: Shard, connection: int, codec: Codec, mid: str) -> None:
        """Send on the connection with the row `connection` of `shard`, with the payload types of the client's `codec`.

        May raise ServerFullError.
        """
        self._forwarding = Forwarding(
            route,
            shard,
            connection,
            mid=mid_on_wire(mid),
            ssrc=self._ssrc,
            payload_type=codec.payload_type,
            redundant_type=codec.redundant_type,
            transport_cc="transport-cc" in codec.feedback,
            pads=codec.kind == "video",
            cname=self._cname,
        )
        if codec.repair_type and self._repair_ssrc:
            self._forwarding.set_repair(self._repair_ssrc, codec.repair_type)
        elif "nack" in codec.feedback:
            self._forwarding.set_resending(audio=codec.kind == "audio")

    def move(self, route: TrackRoute | None) -> None:
        """Go on with another Track, or with none for now, in the same numbering. May raise ServerFullError."""
        if self._forwarding is not None:
            self._forwarding.move(route)

    def close(self, *, goodbye: bool) -> None:
        """Free the row; with `goodbye`, tell the client by RTCP that the source has left (RFC 3550 section 6.3.7)."""
        if self._forwarding is not None:
            self._forwarding.close(goodbye=goodbye)
            self._forwarding = None

    @property
    def octets(self) -> int:
        """Octets of payload sent so far."""
        return 0 if self._forwarding is None else self._forwarding.state().octets

    @property
    def index(self) -> int:
        """The index of the Encoding that is forwarded; -1: none."""
        return -1 if self._forwarding is None else self._forwarding.state().current_index

    def state(self) -> SubscriptionState | None:
        """Return what was sent so far; None while there is no row, or the plane has not opened it yet."""
        if self._forwarding is None:
            return None
        state = self._forwarding.state()
        return state if state.ssrc == self._ssrc else None

    @property
    def reports(self) -> SubscriptionReports:
        """What the receiver has reported last: loss, jitter, round-trip time."""
        if self._forwarding is None:
            return NO_REPORTS
        reports = self._forwarding.reports()
        return reports if reports.ssrc == self._ssrc else NO_REPORTS

    def find_layer(self, *, simulcast: bool) -> Layer | None:
        """Return the Layer that is forwarded; None while nothing is."""
        state = self.state()
        if state is None or state.current_index < 0:
            return None
        return Layer(state.current_index if simulcast else state.current_spatial, state.current_temporal)

    def is_forwarded_by(self, row: int) -> bool:
        """Whether `row` of the plane is the stream's."""
        return self._forwarding is not None and self._forwarding.row == row

    def is_within(self, index: int, layers: int) -> bool:
        """Whether it forwards a Layer of the Encoding `index` that is in the mask `layers` (sfu/wire/layers.py)."""
        if self._forwarding is None:
            return False
        state = self._forwarding.state()
        bit = layer_bit(max(0, state.current_spatial), max(0, state.current_temporal))
        return state.current_index == index and layers & bit != 0

    def set_target(self, index: int, spatial: int, temporal: int) -> None:
        """Set the target: an Encoding, and a Layer within it."""
        if self._forwarding is not None:
            self._forwarding.set_target(index, spatial, temporal)

    def stop(self, stopped: bool) -> bool:
        """Hold the media back, or let them through; return whether that is a change."""
        if self._forwarding is None or self._stopped == stopped:
            return False
        self._stopped = stopped
        self._forwarding.set_paused(stopped)
        return True

    def stats(
        self,
        id: str,
        track: Track,
        now: float,
        *,
        key_frame_requests: int,
        ceiling: Layer,
        target: Layer | None,
        current: Layer | None,
        paused: bool,
        starved: bool,
    ) -> SubscriptionStats:
        """Return a snapshot of what goes out; the Subscription knows what the arguments say."""
        state = self.state()
        reports = self.reports
        return SubscriptionStats(
            id=id,
            track=track.id,
            packets=0 if state is None else state.packets,
            octets=0 if state is None else state.octets,
            bit_rate_bps=0 if state is None else self._rate.update(state.octets, now),
            packets_lost=reports.packets_lost,
            fraction_lost=reports.fraction_lost,
            jitter_s=reports.jitter / track.codec.clock_rate,
            round_trip_time_s=reports.round_trip_time,
            nacks_received=0 if state is None else state.nacks,
            packets_retransmitted=0 if state is None else state.repeated,
            packets_not_retransmitted=0 if state is None else state.not_repeated,
            key_frame_requests=key_frame_requests,
            ceiling=ceiling,
            target=target,
            current=current,
            paused=paused,
            starved=starved,
            layer_switches=0 if state is None else state.switches,
            freezes=0 if state is None else state.freezes,
        )
