"""A Subscription: one connection receives one Track."""

from __future__ import annotations

from typing import Protocol

from sfu.errors import ArgumentError
from sfu.events import SubscriptionFed, SubscriptionStarved
from sfu.media.context import MediaContext
from sfu.media.egress import Egress
from sfu.media.layer import WHOLE, Layer
from sfu.media.layer_selector import LayerSelector
from sfu.media.statistics import SubscriptionStats
from sfu.media.track import Track
from sfu.negotiation import Codec
from sfu.routing.plane import SubscriptionReports


class Subscriber(Protocol):
    """What a Subscription asks of the connection that it goes out on."""

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        ...

    @property
    def reads_dependencies(self) -> bool:
        """Whether the client has agreed to the dependency descriptor."""
        ...

    @property
    def decodes_layers(self) -> bool:
        """Whether the client decodes several spatial Layers without it."""
        ...

    def demand_changed(self) -> None:
        """Allocate the budget anew, since what a Subscription could use has changed."""
        ...

    @property
    def says_goodbye(self) -> bool:
        """Whether RTCP tells the client of an ended Subscription; where the next offer is ours, SDP can tell it."""
        ...

    def track_ended(self, subscription: Subscription) -> None:
        """Close a Subscription whose Track has ended, or `vacate` it to keep its place for another Track."""
        ...

    def end_subscription(self, subscription: Subscription) -> None:
        """Give up the place of a Subscription that has closed."""
        ...


class Subscription:
    """One Peer's reception of one Track. It forwards while its connection is up, unless paused, and ends with its
    connection or by `close`.

    Where we make the offers, it also ends with its Track. Where the client does, it becomes `vacant` then, and goes on
    with the next Track that fits, since the answer for its media section cannot change (RFC 3264).
    """

    def __init__(
        self,
        track: Track,
        *,
        id: str,
        mid: str,
        ssrc: int,
        repair_ssrc: int = 0,
        context: MediaContext,
        subscriber: Subscriber,
    ) -> None:
        self.id = id
        self.track = track
        self.mid = mid
        """The mid of the media section in which it goes out."""
        self.ssrc = ssrc
        self.repair_ssrc = repair_ssrc
        """The SSRC of retransmissions (RFC 4588); 0: there are none."""
        self.layers = LayerSelector(track, lambda: subscriber.reads_dependencies or subscriber.decodes_layers)
        """Chooses its Layer."""
        self.key_frame_requests = 0
        self.paused = False
        """Whether the subscriber wants no media for now."""
        self.priority = 1.0
        """Its share of the budget, relative to the other video of its connection; see `set_priority`."""
        self.on_screen = True
        """Whether the viewer can see it; see `set_on_screen`."""
        self._reported = 0  # of what is `wanted`, as its Track knows it
        self.closed = False
        self.vacant = False
        """Whether its Track has ended and its place waits for another one."""
        self._context = context
        self._subscriber = subscriber
        self._egress = Egress(ssrc, repair_ssrc, track.cname)
        track.subscriptions[id] = self

    def __repr__(self) -> str:
        return f"<Subscription {self.id} mid={self.mid} of {self.track!r}>"

    @property
    def ceiling(self) -> Layer:
        """The best Layer that it may get; see `set_ceiling`."""
        return self.layers.ceiling

    @property
    def target(self) -> Layer | None:
        """The Layer that it is to get now: the best that flows, up to the ceiling and the allocation."""
        return self.layers.target

    @property
    def starved(self) -> bool:
        """Whether the path does not carry even its lowest Layer: nothing flows until it does."""
        return self.layers.starved

    @property
    def negotiated(self) -> bool:
        """Whether the client has agreed to the Subscription."""
        return self._egress.is_open

    @property
    def stopped(self) -> bool:
        """Whether no media may flow: it is starved, or not shown (`is_shown`)."""
        return self.starved or not self.is_shown

    @property
    def is_shown(self) -> bool:
        """Whether media may flow if the path carries them."""
        return not (self.vacant or self.paused or self.track.kept_back) and self.on_screen

    @property
    def octets(self) -> int:
        """Octets of payload sent so far."""
        return self._egress.octets

    @property
    def reports(self) -> SubscriptionReports:
        """What its receiver has reported last: loss, jitter, round-trip time."""
        return self._egress.reports

    @property
    def current(self) -> Layer | None:
        """The Layer that is forwarded; None while nothing is."""
        if not self.negotiated or self.stopped or not self._subscriber.connected:
            return None
        if self.track.kind == "audio":
            return WHOLE
        return self._egress.find_layer(simulcast=len(self.track.encodings) > 1)

    @property
    def target_index(self) -> int:
        """The index of the Encoding that the target asks for."""
        return self.layers.index

    @property
    def has_arrived(self) -> bool:
        """Whether the Encoding of the target is forwarded, or there is nothing to wait for."""
        if not self.negotiated or self.stopped:
            return True  # nothing to wait for
        return self._egress.index == self.target_index

    @property
    def lacks_layer(self) -> bool:
        """Whether the forwarded Encoding has a higher Layer, up to the target, that comes but was not entered."""
        if self.stopped or self.target is None or self.track.kind == "audio":
            return False
        state = self._egress.state()
        within = Layer(WHOLE.spatial, self.target.temporal) if len(self.track.encodings) > 1 else self.target
        if state is None or state.current_index != self.target_index:
            return False
        encoding = self.track.encodings[self.target_index]
        return encoding.flows_above(state.current_spatial, state.current_temporal, within=within)

    def wants(self, index: int) -> bool:
        """Whether its target is the Encoding `index`, and media may flow."""
        return self.negotiated and not self.stopped and self.target_index == index

    def is_forwarded_by(self, row: int) -> bool:
        """Whether `row` of the plane is the Subscription's."""
        return self._egress.is_forwarded_by(row)

    def shows(self, index: int) -> bool:
        """Whether it forwards the Encoding `index`."""
        return self._egress.index == index

    def is_within(self, index: int, layers: int) -> bool:
        """Whether it forwards a Layer of the Encoding `index` that is in the mask `layers` (sfu/wire/layers.py)."""
        return not self.stopped and self._egress.is_within(index, layers)

    def set_ceiling(self, ceiling: Layer) -> None:
        """Bound the Layer that the subscriber gets. One beyond what is published means the best; `WHOLE` lifts the
        bound.

        A lower temporal or SVC layer takes effect with the next frame, another Encoding with its next key frame, which
        is requested at once.

        Raises:
            ArgumentError: `ceiling` has a negative part.
        """
        if min(ceiling) < 0:
            raise ArgumentError(f"a Layer counts from 0, not {ceiling}")
        self.layers.ceiling = ceiling
        self.aim(self._context.clock())
        self._subscriber.demand_changed()

    def set_priority(self, priority: float) -> None:
        """Weigh it against the other videos of its connection: one with priority 2 gets twice the rate of one with 1,
        as far as there are Layers, and its lowest Layer is allocated first.

        Raises:
            ArgumentError: `priority` is not a finite number above 0.
        """
        if not 0.0 < priority < float("inf"):
            raise ArgumentError(f"a priority is above 0 and finite, not {priority}")
        self.priority = priority
        self._subscriber.demand_changed()

    def set_on_screen(self, on_screen: bool) -> None:
        """Say whether the viewer can see it; media that nobody sees are not sent."""
        if on_screen != self.on_screen:
            self.on_screen = on_screen
            self._begin_anew()

    def allocate(self, layer: Layer | None, now: float) -> None:
        """Take the Layer that the connection's budget carries; None: it does not carry even the lowest."""
        was_starved = self.starved
        moved = self.layers.allocate(layer)
        if self.starved != was_starved:
            self._apply_hold()
            kind = SubscriptionStarved if self.starved else SubscriptionFed
            self._context.post(kind(self._context.room, self._context.peer, self.track.id))
        if moved:
            self.aim(now)
        if self.wanted != self._reported:
            self.track.note_wanted(now)

    def report_wanted(self) -> int:
        """Return `wanted`, and remember that the Track knows it."""
        self._reported = self.wanted
        return self._reported

    @property
    def wanted(self) -> int:
        """The Encodings that it is to get, as a mask of their indices."""
        if not self.negotiated or self.stopped:
            return 0
        return self.layers.find_taken()

    def aim(self, now: float) -> None:
        """Choose the target anew, since Encodings have come or gone, or the ceiling or the allocation has changed."""
        if not self.negotiated or self.closed or self.track.kind == "audio":
            return
        before = self.target
        if not self.layers.choose():
            return
        within = self.layers.within
        self._egress.set_target(self.target_index, within.spatial, within.temporal)
        target = self.target
        if target is None or self.stopped or not self._subscriber.connected:
            return
        if before is None or target.spatial != before.spatial:
            self._ask_for_key_frame(now)
        elif target.temporal > before.temporal:
            self.track.await_switch(self, now)

    def stats(self) -> SubscriptionStats:
        """Return a snapshot of what goes out."""
        return self._egress.stats(
            self.id,
            self.track,
            self._context.clock(),
            key_frame_requests=self.key_frame_requests,
            ceiling=self.ceiling,
            target=self.target,
            current=self.current,
            paused=self.paused,
            starved=self.starved,
        )

    def handle_key_frame_request(self, now: float) -> None:
        """Request a key frame: the receiver asked for one, or asked for packets that the history no longer has."""
        self.key_frame_requests += 1
        if self.negotiated and not self.stopped:
            current = self._egress.index
            self.track.request_key_frame(now, current if current >= 0 else self.target_index)

    def handle_connected(self, now: float) -> None:
        """Request a key frame, since the connection is up."""
        if self.negotiated and not self.stopped:
            self._ask_for_key_frame(now)

    def pause(self) -> None:
        """Hold the media back; its place in the session stays."""
        self._pause(True)

    def resume(self) -> None:
        """Let the media through again; video goes on from the next key frame."""
        self._pause(False)

    def _apply_hold(self) -> None:
        """Tell the plane whether it is `stopped`, which may have changed."""
        if self._egress.stop(self.stopped) and not self.stopped and self._subscriber.connected:
            self._ask_for_key_frame(self._context.clock())

    def handle_hold(self) -> None:
        """Take up that its Track is held back, or is not any more."""
        self._apply_hold()
        if self.track.kind == "video":  # a budget is shared among videos
            self._subscriber.demand_changed()

    def handle_measurement(self) -> None:
        """Have the budget allocated anew where what was measured of the Track matters to it."""
        if self.layers.has_outgrown:
            self._subscriber.demand_changed()

    def close(self) -> None:
        """End the Subscription. On a server-offered connection `NegotiationNeeded` follows. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self.track.release(self)
        self._egress.close(goodbye=self._subscriber.says_goodbye)
        self._subscriber.end_subscription(self)
        self.track.note_wanted(self._context.clock())

    def start(self, codec: Codec) -> None:
        """Forward with the payload types of the client's `codec`, to which it has agreed. May raise ServerFullError."""
        if self.negotiated or self.closed:
            return
        self._egress.open(self.track.route, self._context.shard, self._context.row, codec, self.mid)
        self._begin()

    def _begin(self) -> None:
        """Let the Track's media go out."""
        self._apply_hold()
        self._subscriber.demand_changed()
        now = self._context.clock()
        self.aim(now)  # no earlier: a budget begins low, and a key frame of the best would be asked for in vain
        self.track.note_wanted(now)

    def handle_track_ended(self) -> None:
        """Let the connection close or vacate the Subscription, since its Track ends."""
        self._subscriber.track_ended(self)

    def vacate(self) -> None:
        """Leave a Track that ends, and keep the place, the numbering and the viewer's choices for another one."""
        self.vacant = True
        self.track.release(self)
        self._egress.move(None)
        self._begin_anew()

    def move(self, track: Track) -> None:
        """Go on with `track` from its next key frame. May raise ServerFullError, and is unchanged then.

        The media go out under the payload types that were agreed; the caller must check that the codec fits.
        """
        self._egress.move(track.route)
        self.track, self.vacant = track, False
        track.subscriptions[self.id] = self
        self.layers.follow(track)
        self._begin()

    def _pause(self, paused: bool) -> None:
        if paused != self.paused and not self.closed:
            self.paused = paused
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Have the Layer allocated anew, since the Subscription was shown, hidden or vacated."""
        self.layers.is_new = True
        self._apply_hold()
        self._subscriber.demand_changed()

    def _ask_for_key_frame(self, now: float) -> None:
        if self.track.kind == "video":
            self.track.request_key_frame(now, self.target_index)
            self.track.await_switch(self, now)
