"""One transport between a Peer and us, with what is published and received over it. Subclasses negotiate it."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping

from sfu.errors import ConnectionClosedError, NegotiationFailedError
from sfu.events import ConnectionState, ConnectionStateChanged
from sfu.media.context import MediaContext
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import (
    Candidate,
    Codec,
    DataSection,
    NegotiationError,
    Outgoing,
    RemoteTransport,
    SdpFragment,
    SdpLimits,
    parse_sdp_fragment,
)
from sfu.routing.plane import START_BPS, Estimate, RepeatMissed, UplinkEstimate
from sfu.session.bandwidth import BandwidthStats, Budget
from sfu.session.client_feedback import ClientFeedback
from sfu.session.context import ConnectionContext
from sfu.session.data_channels import DataChannels
from sfu.session.published import Published
from sfu.session.rtcp import Reporter
from sfu.session.ssrc import SsrcSequence
from sfu.session.transport import Transport
from sfu.shard.shard import MediaNotice, Shard
from sfu.transport import Address
from sfu.wire.extensions import Extension

Msid = tuple[str, str]
"""The identifiers of a stream, and of a Track in it, in an SDP (RFC 8830): 1 to 64 characters of a token each."""


class Connection(abc.ABC):
    """A connection, either `ClientOffered` or `ServerOffered`. It ends by `close`, or when the client goes."""

    def __init__(self, context: ConnectionContext, *, data: bool) -> None:
        """Open its row; may raise ServerFullError. `data`: whether it takes data channels."""
        environment = context.environment
        self.id = environment.new_id()
        self.peer = context.peer
        """Name of the connection's Peer."""
        self.state = ConnectionState.NEW
        self._context = context
        self._outbox = context.outbox
        self._clock = environment.clock
        self.data = DataChannels(environment, taken=data)
        """Its data channels."""
        self._ssrcs = SsrcSequence(environment.rng)
        cname = environment.new_id()
        self._transport = Transport(context.shard, environment, self.data, report_ssrc=self._ssrcs.take(), cname=cname)
        self._tracks: dict[str, Track] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._reporter = Reporter(
            self._transport,
            self._outbox,
            tracks=self._tracks.values(),
            subscriptions=self._subscriptions,
            ssrc=self._ssrcs.take(),
            cname=cname,
        )
        self._media = MediaContext(
            context.room, context.peer, context.shard, self._transport.row, environment.clock, self._outbox.post
        )
        self._published = Published(context, self._media, self._transport, self._reporter, self._tracks, self.touch)
        self._budget = Budget(context.shard.plane, self.row, self._subscriptions.values())
        self._feedback = ClientFeedback(context.shard.plane, self.row)
        self._remote: RemoteTransport | None = None
        self.reads_dependencies = False
        """Whether the client has agreed to the dependency descriptor (AV1 RTP payload format, appendix A)."""
        self.decodes_layers = False
        """Whether the client decodes several spatial Layers of AV1 without that descriptor, as the embedding program
        knows of it: native programs on libwebrtc do, Chromium does not.
        """
        self._closing = False
        self.data.attach(self._send_data)
        context.quota.add(self.id, self._tracks)
        context.shard.attach(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of {self.peer!r} {self.state.value}>"

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The Tracks that the client publishes on this connection."""
        return tuple(self._tracks.values())

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The Subscriptions of this connection, also those that the client has not agreed to yet."""
        return tuple(self._subscriptions.values())

    @property
    @abc.abstractmethod
    def mids(self) -> tuple[str, ...]:
        """The mids of the media sections, in their order."""

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        return self._transport.connected

    @property
    def bandwidth(self) -> BandwidthStats:
        """What is known of the path to the client, and how it is used."""
        return self._budget.stats()

    def limit_bandwidth(self, rate_bps: float | None) -> None:
        """Send the client no more than about `rate_bps` bits a second, whatever its path carries: higher Layers are
        left out, then videos. Audio goes on. None lifts the bound. Without congestion control nothing is bounded.
        """
        self._budget.bound(float("inf") if rate_bps is None else rate_bps, self._clock())

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Our ICE candidates, where the client reaches us."""
        return self.shard.candidates

    def add_remote_candidate(self, candidate: str) -> None:
        """Accept a trickled candidate, and do nothing with it.

        A lite agent sends no checks: it learns the client's addresses from the client's checks (RFC 8445 section 2.5).
        """
        del candidate

    def handle_fragment(self, text: str) -> str | None:
        """Take the client's SDP fragment (RFC 8840 section 9): trickled candidates, or an ICE restart.

        Return our fragment if ICE restarts, else None.

        Raises:
            NegotiationFailedError: the fragment is malformed, or `restart_ice_fragment` refuses it.
        """
        return self.take_fragment(self.parse_fragment(text))

    def parse_fragment(self, text: str) -> SdpFragment:
        """Parse the client's SDP fragment without acting on it; raises NegotiationFailedError if it is malformed."""
        try:
            limits = SdpLimits.for_media(self._context.environment.config.max_media_per_connection)
            return parse_sdp_fragment(text, limits)
        except NegotiationError as error:
            raise NegotiationFailedError(str(error), malformed=True) from error

    def take_fragment(self, fragment: SdpFragment) -> str | None:
        """Act on a parsed fragment, as `handle_fragment` does."""
        for candidate in fragment.candidates:
            self.add_remote_candidate(candidate)
        if fragment.ufrag is None or fragment.pwd is None:
            return None
        return self.restart_ice_fragment(fragment.ufrag, fragment.pwd)

    def would_restart_ice(self, fragment: SdpFragment) -> bool:
        """Whether a fragment has ICE credentials that differ from the client's current ones."""
        if fragment.ufrag is None or fragment.pwd is None:
            return False
        return self._remote is None or (fragment.ufrag, fragment.pwd) != (self._remote.ufrag, self._remote.pwd)

    @abc.abstractmethod
    def restart_ice_fragment(self, ufrag: str, pwd: str) -> str | None:
        """Restart ICE, as the client asks by SDP fragment (RFC 9725 section 4.3.3); return our fragment.

        Return None if these credentials are in use already, so that nothing restarts.

        Raises:
            NegotiationFailedError: the credentials are malformed, or nothing is negotiated yet.
        """

    def close(self, reason: str = "closed") -> None:
        """End the connection with its Tracks and Subscriptions, and free its rows. Idempotent."""
        if self._closing:
            return
        self._closing = True
        with self._outbox:
            self._published.close()
            for subscription in self.subscriptions:
                subscription.close()
            self.data.end(reason)
            self.shard.detach(self)
            self._transport.close(self._clock())
            self._context.quota.discard(self.id)
            self._set_state(ConnectionState.CLOSED, reason)

    # for its Subscriptions

    @property
    def row(self) -> int:
        """The connection's row in the plane."""
        return self._transport.row

    @property
    def shard(self) -> Shard:
        """The shard that the connection is on."""
        return self._context.shard

    def touch(self) -> None:
        """Tell the shard that a deadline has changed."""
        self.shard.touch(self)

    def demand_changed(self) -> None:
        """Allocate the budget anew, since what a Subscription could use has changed."""
        if not self._closing:
            with self._outbox:
                self._budget.update(self._clock())
                self.touch()

    def track_ended(self, subscription: Subscription) -> None:
        """End a Subscription whose Track has ended."""
        subscription.close()

    def end_subscription(self, subscription: Subscription) -> None:
        """Remove a Subscription that has closed, and free its media section."""
        with self._outbox:
            self._subscriptions.pop(subscription.ssrc, None)
            if not self._closing:
                self._release_section(subscription)

    # for its shard

    @property
    def drops(self) -> Mapping[str, int]:
        """The datagrams that the endpoint has dropped, by reason."""
        return self._transport.drops

    def local_ufrags(self) -> list[str]:
        """Return our ICE user fragments, by which a check finds this connection."""
        return self._transport.local_ufrags()

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> None:
        """Handle a datagram of STUN or DTLS."""
        if not self._closing:
            with self._outbox:
                self._transport.handle_datagram(data, address, now, local)
                self._flush(now)

    def forget_address(self, address: Address, now: float) -> None:
        """Give up an address, where another connection's client has proved to be."""
        if not self._closing:
            with self._outbox:
                self._transport.forget_address(address)
                self._flush(now)

    def handle_rtcp(self, data: bytes, now: float) -> None:
        """Handle an authentic RTCP packet."""
        if self._closing:
            return
        with self._outbox:
            for fraction_lost in self._reporter.handle_rtcp(data, now):
                if self._feedback.gives_up(now):
                    self._budget.heed_reports(now)
                    self.touch()
                self._budget.handle_loss(fraction_lost, now)

    def handle_notice(self, notice: MediaNotice, now: float) -> None:
        """Handle the plane's notice of this connection's path, or of one of its Encodings or Subscriptions."""
        if not self._closing:
            with self._outbox:
                self._handle_notice(notice, now)

    def _handle_notice(self, notice: MediaNotice, now: float) -> None:
        if isinstance(notice, Estimate):
            if self._budget.handle_estimate(notice.rate_bps, now):
                self.touch()
        elif isinstance(notice, UplinkEstimate):
            self._reporter.tell_bound(notice.rate_bps)
        elif isinstance(notice, RepeatMissed):
            for subscription in self.subscriptions:
                if subscription.is_forwarded_by(notice.subscription):
                    subscription.handle_key_frame_request(now)
        else:
            self._published.handle_notice(notice, now)
            self.touch()

    def poll_timeout(self) -> float | None:
        """Return the connection's next deadline."""
        if self._closing:
            return None
        parts = (self._transport, self._reporter, self._budget, self._published)
        due = [deadline for part in parts if (deadline := part.poll_timeout()) is not None]
        return min(due, default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if not self._closing:
            with self._outbox:
                self._handle_timeout(now)

    def _handle_timeout(self, now: float) -> None:
        self._transport.handle_timeout(now)
        self._flush(now)
        if not self._closing:
            self._reporter.handle_timeout(now)
            self._budget.handle_timeout(now)
            self._published.handle_timeout(now)

    def handle_stall(self, now: float) -> None:
        """Extend the deadlines after this process stood still: what was not read in that time is not the client's
        fault.
        """
        if not self._closing:
            self._transport.handle_stall(now)

    def abort(self, now: float) -> None:
        """Close the connection after a defect of ours."""
        self.close("internal_error")

    # for the two kinds

    says_goodbye = True
    """Whether RTCP tells the client of an ended Subscription; where the next offer is ours, SDP can tell it."""

    @abc.abstractmethod
    def _release_section(self, subscription: Subscription) -> None:
        """Give up a closed Subscription's media section."""

    def _check_open(self) -> None:
        if self._closing:
            raise ConnectionClosedError(f"connection {self.id} is closed; open another one")

    def _agree_on_extensions(self, ids: Mapping[Extension, int], *, mixed: bool) -> None:
        """Take over the negotiated header extensions, and start the congestion control that they allow."""
        plane = self.shard.plane
        plane.set_extensions(self.row, ids, mixed=mixed)
        self.reads_dependencies = Extension.DEPENDENCY_DESCRIPTOR in ids
        if not self._context.environment.config.congestion_control:
            return
        self._feedback.agree(ids)
        self._budget.start(START_BPS if self._feedback.by_packets else None, self._clock())

    def _announce(self, tracks: Iterable[Track]) -> None:
        """Post what a successful negotiation has changed."""
        if self.state is ConnectionState.NEW:
            self._set_state(ConnectionState.CONNECTING)
        self._flush(self._clock())  # the client may have come faster than its answer
        self._published.announce(tracks)
        self.shard.update_ufrags(self)
        self.touch()

    def _outgoing(self, track: Track, msid: Msid | None = None) -> Outgoing:
        repair_ssrc = self._ssrcs.take() if track.kind == "video" else 0
        stream_id, track_id = msid or (track.stream_id, track.id)
        return Outgoing(self._ssrcs.take(), track.cname, stream_id, track_id, track.codec, repair_ssrc)

    def _add_subscription(self, track: Track, mid: str, outgoing: Outgoing) -> Subscription:
        subscription = Subscription(
            track,
            id=self._context.environment.new_id(),
            mid=mid,
            ssrc=outgoing.ssrc,
            repair_ssrc=outgoing.repair_ssrc,
            context=self._media,
            subscriber=self,
        )
        self._subscriptions[outgoing.ssrc] = subscription
        return subscription

    def _start_subscription(self, subscription: Subscription, codec: Codec) -> None:
        subscription.start(codec)

    def _flush(self, now: float) -> None:
        if self._transport.flush(self, now):
            self._set_state(ConnectionState.CONNECTED)
            self._reporter.start(now)
            for subscription in self.subscriptions:
                subscription.handle_connected(now)
        self.data.deliver()
        if self._transport.closed_reason:
            self.close(self._transport.closed_reason)

    def _take_data(self, section: DataSection | None) -> None:
        """Negotiation has brought a section for data channels, or none."""
        self.data.agree(section)
        self._transport.take_data(section is not None)

    def _send_data(self) -> None:
        """A data channel has something to send."""
        if not self._closing:
            self._transport.flush_data()
            self.data.deliver()
            self.touch()

    def _set_state(self, state: ConnectionState, reason: str = "") -> None:
        before, self.state = self.state, state
        if (before, state) != (ConnectionState.NEW, ConnectionState.CLOSED) or self._known:
            self._outbox.post(ConnectionStateChanged(self._context.room, self.peer, self.id, state, reason))

    @property
    def _known(self) -> bool:
        """Whether the Peer knows of the connection while its state is NEW."""
        return False
