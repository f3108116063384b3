"""What is published: a Track and its Encodings."""

from __future__ import annotations

from sfu.bwe.allocation import Step
from sfu.events import EncodingActive, EncodingInactive, EncodingUnwanted, EncodingWanted
from sfu.feedback.keyframes import KeyFrameThrottle
from sfu.feedback.round_trip import RoundTrip
from sfu.media.context import MediaContext
from sfu.media.encoding import Encoding
from sfu.media.forwarding import TrackRoute
from sfu.media.layer import WHOLE, Layer
from sfu.media.mute import Mute
from sfu.media.parameter_sets import parameter_sets_of
from sfu.media.quality import Qualities, find_wanted
from sfu.media.statistics import TrackStats
from sfu.media.track_publisher import NoPublisher, Publisher, ask_for_key_frame
from sfu.media.track_subscriber import TrackSubscriber
from sfu.negotiation import Codec, Incoming, Kind
from sfu.routing.plane import Gap, KeyFrameNeeded, Repaired, SourceLearned
from sfu.wire.rtcp import build_nack

UNWANTED_AFTER = 1.5
"""Seconds after which an Encoding that nobody receives or records is not wanted any more."""
LAYER_PATIENCE = 0.5
"""Seconds in which a subscriber can have risen to a higher Layer without a key frame, if the stream allows it."""
_MOST_PATIENCE = 5.0


class Track:
    """One published media source. Ends with its media section, or with its connection."""

    def __init__(
        self,
        incoming: Incoming,
        *,
        id: str,
        stream_id: str,
        cname: str,
        context: MediaContext,
        publisher: Publisher,
        keyframe_interval: float,
    ) -> None:
        """Open the Track's rows; may raise ServerFullError."""
        self.id = id
        self.peer = context.peer
        """Name of the Peer that publishes it."""
        self.kind: Kind = incoming.kind
        self.codec: Codec = incoming.codec
        """The codec, with the publisher's payload type."""
        self.mid = incoming.mid
        self.stated_id = incoming.track_id
        """What the publisher's SDP calls it (`a=msid`, RFC 8830), as by a MediaStreamTrack's id; "" if nothing."""
        self.stream_id = stream_id
        """The id of the `msid` stream, the same for all Tracks of a Peer: receivers keep them in sync (RFC 8830)."""
        self.cname = cname
        self.mute = Mute()
        """Who has said that it is muted."""
        self.held = False
        """Whether the room holds it back from all subscribers (last-N)."""
        self.blocked = False
        """Whether a moderator keeps it from everyone; see `Room.block`."""
        self.ended = False
        self.label = ""
        """The embedding program's word, such as `screen`, that tells a Peer's Tracks of one kind apart in records."""
        self.encryption = ""
        """What its publisher has encrypted the frames with, end to end, as the embedding program knows of it, such as
        `GCM`: a record says so. Set it before media come. Empty: nothing.
        """
        self.private = False
        """Whether it must not be recorded; see `Room.set_track_private`."""
        self.subscriptions: dict[str, TrackSubscriber] = {}
        """The Subscriptions to it, by their ids."""
        self.route = TrackRoute(context.shard)
        self._context = context
        self._publisher: Publisher = publisher
        self._rids = _rids_of(incoming)
        self._waiting: dict[TrackSubscriber, float] = {}  # in seconds: since when each waits
        self._helped = float("-inf")  # who waits since this time or longer has been helped once
        self._recorders: set[object] = set()
        self._tapped = 0
        self._idle_since: dict[int, float] = {}
        self._qualities = Qualities()
        round_trip = RoundTrip()
        throttle = KeyFrameThrottle(keyframe_interval)
        opened: list[Encoding] = []
        try:
            for index, stream in enumerate(incoming.encodings):
                opened.append(
                    Encoding(
                        stream,
                        index,
                        incoming,
                        route=self.route,
                        connection=context.row,
                        throttle=throttle,
                        round_trip=round_trip,
                    )
                )
        except BaseException:
            for encoding in opened:
                encoding.close()
            self.route.close()
            raise
        self.encodings: tuple[Encoding, ...] = tuple(opened)
        """The Encodings, the lowest first."""
        self.route.tell_parameters(parameter_sets_of(incoming.codec), len(opened))

    def __repr__(self) -> str:
        return f"<Track {self.id} {self.kind} {self.codec.name} of {self.peer!r}>"

    @property
    def muted(self) -> bool:
        """Whether the publisher has stopped it for now: by RTCP BYE, or by word (`Room.set_track_muted`)."""
        return bool(self.mute)

    @property
    def kept_back(self) -> bool:
        """Whether nobody gets it: it is held, blocked, or muted by word."""
        return self.held or self.blocked or self.mute.stated

    @property
    def wanted(self) -> bool:
        """Whether somebody receives it, if only paused for now, or records it."""
        return bool(self._recorders) or any(each.negotiated for each in self.subscriptions.values())

    @property
    def wanted_spatial(self) -> int | None:
        """The highest spatial Layer that somebody wants, whatever his path carries; None: nobody wants any."""
        if self._recorders:
            return WHOLE.spatial
        most: int | None = None
        for each in self.subscriptions.values():
            if each.negotiated and each.is_shown:
                if each.ceiling.spatial >= WHOLE.spatial:
                    return WHOLE.spatial  # as most want it: the others need not be asked
                most = max(most or 0, each.ceiling.spatial)
        return most

    def continues(self, incoming: Incoming) -> bool:
        """Whether what the client now sends in the media section is still this Track."""
        same_type = incoming.codec.payload_type == self.codec.payload_type
        return same_type and incoming.codec.matches(self.codec) and _rids_of(incoming) == self._rids

    def update(self, incoming: Incoming) -> None:
        """Take over what the client says anew of a section that `continues`."""
        self.stated_id = incoming.track_id
        self.route.tell_parameters(parameter_sets_of(incoming.codec), len(self.encodings))

    def handle_notice(
        self, encoding: Encoding, notice: SourceLearned | Gap | Repaired | KeyFrameNeeded, now: float
    ) -> None:
        """Handle the plane's notice of an Encoding."""
        if isinstance(notice, SourceLearned):
            self.handle_source(encoding, notice.ssrc, now)
        elif isinstance(notice, KeyFrameNeeded):
            if any(each.is_within(encoding.index, notice.layers) for each in self.subscriptions.values()):
                self.request_key_frame(now, encoding.index)
        elif encoding.nacks is None:
            return
        elif isinstance(notice, Gap):
            encoding.nacks.handle_gap(notice.first, notice.count, now)
        else:
            encoding.nacks.handle_repaired(notice.sequence, now)

    def handle_source(self, encoding: Encoding, ssrc: int, now: float) -> None:
        """Take the SSRC of an Encoding that the plane has learned, or whose numbering began anew; send requests that
        waited.
        """
        was_active, before = encoding.active, encoding.ssrc
        encoding.handle_source(ssrc, now)
        self.route.forget_report(encoding.index)
        if not was_active:
            self._handle_activity(encoding, now)
        if not any(subscription.wants(encoding.index) for subscription in self.subscriptions.values()):
            return
        if before is None or before == ssrc or self.kind != "video":
            self.request_key_frame(now, encoding.index)
        else:
            # A publisher that changes its SSRC with each key frame would send one after the other if asked at once.
            encoding.expect_key_frame(now)
            self._publisher.touch()

    def request_key_frame(self, now: float, index: int | None = None) -> None:
        """Ask the publisher for a key frame of the Encoding `index`, or of all, now or when the throttle allows it."""
        if self.kind != "video" or self.ended or self.mute.stated or not self._publisher.connected:
            return  # a publisher that is still to connect begins with a key frame
        for encoding in self.encodings:
            if encoding.ssrc is None or (index is not None and encoding.index != index):
                continue  # one that is not known yet is asked when it is
            if encoding.request_key_frame(now):
                self._send_key_frame_request(encoding)
            self._publisher.touch()  # it is asked again unless one comes

    @property
    def connected(self) -> bool:
        """Whether the publisher's connection is up."""
        return self._publisher.connected

    def stats(self) -> TrackStats:
        """Return a snapshot of what comes in."""
        simulcast = len(self.encodings) > 1
        encodings = tuple(encoding.stats(simulcast=simulcast) for encoding in self.encodings)
        return TrackStats(self.id, self.kind, self.codec.name, encodings)

    def await_switch(self, subscription: TrackSubscriber, now: float) -> None:
        """Ask for key frames until a Subscription has reached its target.

        A higher Layer of the same Encoding often needs none, so none is asked for within `LAYER_PATIENCE`.
        """
        self._waiting[subscription] = now
        self._publisher.touch()

    def handle_tick(self, now: float) -> None:
        """Find which Encodings flow, and help Subscriptions that are not at their target. Call it once a second."""
        for encoding in self.encodings:
            encoding.measure(now)
        going = [encoding for encoding in self.encodings if not encoding.is_quiet(now)]
        for encoding in self.encodings:
            # Where none goes on, the camera is off or the screen is still, unless nobody wants anything.
            if encoding.active and encoding not in going and (going or not encoding.wanted):
                encoding.active = False
                self._handle_activity(encoding, now)
        if going:
            for encoding in self.encodings:
                encoding.note_absence(now, lower_comes=going[0].index < encoding.index)
            self.note_wanted(now)  # nobody has come yet, perhaps
        self._help_waiting(now)
        for subscription in list(self.subscriptions.values()):
            subscription.handle_measurement()

    def release(self, subscription: TrackSubscriber) -> None:
        """A Subscription leaves the Track."""
        self.subscriptions.pop(subscription.id, None)
        self._waiting.pop(subscription, None)

    def _help_waiting(self, now: float) -> None:
        for subscription, since in list(self._waiting.items()):
            if not subscription.has_arrived:
                if subscription.target is not None:
                    self.request_key_frame(now, subscription.target_index)
            elif now >= since + _MOST_PATIENCE:
                del self._waiting[subscription]  # its publisher sends no key frame
            elif now >= since + LAYER_PATIENCE:
                if subscription.lacks_layer:
                    self.request_key_frame(now, subscription.target_index)
                else:
                    del self._waiting[subscription]

    def list_steps(self, ceiling: Layer = WHOLE) -> tuple[Step[Layer], ...]:
        """Return the qualities that the Track has now, up to `ceiling`, and what each costs."""
        return self._qualities.list_steps(self.encodings, ceiling)

    @property
    def best_rate_bps(self) -> float:
        """The bit rate of the Track at its best; 0 while nothing is measured."""
        steps = self.list_steps()
        return steps[-1].rate_bps if steps else 0.0

    def note_wanted(self, now: float) -> None:
        """Find which Encodings are wanted, since Subscriptions may need others than before.

        An Encoding that nobody needs any more is given up after `UNWANTED_AFTER`; one that is needed again is wanted at
        once.
        """
        if len(self.encodings) == 1 or self.ended or self.mute.stated:
            return  # a mute ends at once, so what was wanted before stays so
        wanted = 0
        for subscription in self.subscriptions.values():
            wanted |= subscription.report_wanted()
        if self._recorders:
            wanted |= find_wanted(self.encodings, WHOLE.spatial)
        for encoding in self.encodings:
            if wanted >> encoding.index & 1:
                self._idle_since.pop(encoding.index, None)
                if not encoding.wanted:
                    self._want(encoding, True)
            elif encoding.wanted and encoding.index not in self._idle_since:
                self._idle_since[encoding.index] = now
                self._publisher.touch()

    def _give_up_unwanted(self, now: float) -> None:
        for index, since in list(self._idle_since.items()):
            if now >= since + UNWANTED_AFTER:
                del self._idle_since[index]
                self._want(self.encodings[index], False)

    def _want(self, encoding: Encoding, wanted: bool) -> None:
        encoding.want(wanted)
        kind = EncodingWanted if wanted else EncodingUnwanted
        self._context.post(kind(self._context.room, self.peer, self.id, encoding.rid, self.mid))

    @property
    def recorded_index(self) -> int:
        """The index of the Encoding that a recorder gets, the best that comes."""
        coming = [encoding.index for encoding in self.encodings if encoding.active]
        return coming[-1] if coming else self.encodings[-1].index

    def set_recorded(self, recorder: object, recorded: bool, now: float) -> None:
        """Send the best Encoding to the tap and keep it wanted, or stop doing so once no other recorder wants it."""
        if recorded and self._recorders and recorder not in self._recorders:
            self.request_key_frame(now, self.recorded_index)  # it goes to the tap already
        (self._recorders.add if recorded else self._recorders.discard)(recorder)
        self.note_wanted(now)
        self._aim_tap(now)

    def _aim_tap(self, now: float) -> None:
        encodings = 1 << self.recorded_index if self._recorders else 0
        if encodings != self._tapped:
            self._tapped = encodings
            self.route.shard.plane.set_tapped(self.route.row, encodings)
            if encodings:
                self.request_key_frame(now, self.recorded_index)

    def hold(self, held: bool) -> None:
        """Hold the Track back from all its subscribers, or let it through to those who have not paused it."""
        self.held = held
        for subscription in list(self.subscriptions.values()):
            subscription.handle_hold()

    def block(self, blocked: bool) -> None:
        """Keep the Track from everyone, or let it through to those who want it."""
        self.blocked = blocked
        for subscription in list(self.subscriptions.values()):
            subscription.handle_hold()

    def state_mute(self, muted: bool) -> bool:
        """Take what is said by word; return whether `muted` has changed. Video goes on from a key frame."""
        changed = self.mute.state(muted)
        for subscription in list(self.subscriptions.values()):
            subscription.handle_hold()
        self.note_wanted(self._context.clock())
        return changed

    def note_packets(self, encoding: Encoding, packets: int, now: float) -> bool:
        """Take the count of an Encoding's packets so far; return whether that ends a mute."""
        was_active = encoding.active
        encoding.note_packets(packets, now)
        if encoding.active and not was_active:
            self._handle_activity(encoding, now)
        return self.mute.note_packets(packets)

    def _handle_activity(self, encoding: Encoding, now: float) -> None:
        if len(self.encodings) == 1:
            return
        kind = EncodingActive if encoding.active else EncodingInactive
        self._context.post(kind(self._context.room, self.peer, self.id, encoding.rid))
        for subscription in list(self.subscriptions.values()):
            subscription.aim(now)
        if self._recorders:
            self._aim_tap(now)

    def poll_timeout(self) -> float | None:
        """Return when to call `handle_timeout` (absolute seconds); None: nothing is due."""
        due = [encoding.poll_timeout() for encoding in self.encodings]
        due.extend(since + UNWANTED_AFTER for since in self._idle_since.values())
        due.extend(since + LAYER_PATIENCE for since in self._waiting.values() if since > self._helped)
        return min((deadline for deadline in due if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Send the key-frame requests and NACKs that are due, and give up Encodings that nobody needs."""
        self._give_up_unwanted(now)
        if any(self._helped < since <= now - LAYER_PATIENCE for since in self._waiting.values()):
            self._helped = now - LAYER_PATIENCE
            self._help_waiting(now)
        for encoding in self.encodings:
            if encoding.is_key_frame_due(now):
                self._send_key_frame_request(encoding)
            asked = encoding.ask_missing(now)
            if asked.sequences and encoding.ssrc is not None:
                for packet in build_nack(self._publisher.rtcp_ssrc, encoding.ssrc, asked.sequences):
                    self._publisher.send_rtcp(packet)
            if asked.give_up and any(each.shows(encoding.index) for each in self.subscriptions.values()):
                self.request_key_frame(now, encoding.index)

    def close(self) -> None:
        """End the Track: its Subscriptions leave it, then its rows are freed. Idempotent."""
        if self.ended:
            return
        self.ended = True
        for subscription in list(self.subscriptions.values()):
            subscription.handle_track_ended()
        for encoding in self.encodings:
            encoding.close()
        self.route.close()
        self._publisher = NoPublisher()
        self._recorders.clear()

    def _send_key_frame_request(self, encoding: Encoding) -> None:
        if not ask_for_key_frame(self._publisher, encoding, self.codec.feedback):
            self.route.shard.drops["drop_key_frame_request_not_negotiated"] += 1


def _rids_of(incoming: Incoming) -> tuple[str, ...]:
    return tuple(stream.rid for stream in incoming.encodings)
