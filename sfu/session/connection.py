"""One transport between a Peer and us, with what it publishes and receives; how it is negotiated is left open here."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping

from sfu.errors import ConnectionClosedError, NegotiationFailedError
from sfu.events import ConnectionState
from sfu.media.encoding import Encoding
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import (
    Candidate,
    Codec,
    Incoming,
    NegotiationError,
    Outgoing,
    RemoteTransport,
    SdpLimits,
    parse_sdp_fragment,
)
from sfu.routing.plane import START_BPS, Estimate, RepeatMissed, UplinkEstimate
from sfu.session.bandwidth import BandwidthStats, Budget
from sfu.session.client_feedback import ClientFeedback
from sfu.session.context import Home
from sfu.session.rtcp import Reporter
from sfu.session.ssrc import SsrcSequence
from sfu.session.transport import Link
from sfu.shard.shard import MediaNotice, Shard
from sfu.transport import Address
from sfu.wire.extensions import Extension


class Connection(abc.ABC):
    """Comes as `ClientOffered` or `ServerOffered`. Closes by `close`, or when the client goes."""

    def __init__(self, home: Home) -> None:
        """Open its row; may raise ServerFullError."""
        environment = home.environment
        self.id = environment.new_id()
        self.peer = home.peer
        """Name of its Peer."""
        self.state = ConnectionState.NEW
        self._home = home
        self._clock = environment.clock
        self._link = Link(home.shard, environment)
        self._ssrcs = SsrcSequence(environment.rng)
        self._tracks: dict[str, Track] = {}
        self._subscriptions: dict[int, Subscription] = {}
        self._reporter = Reporter(self._link, self, ssrc=self._ssrcs.take(), cname=environment.new_id())
        self._budget = Budget(home.shard.plane, self)
        self._feedback = ClientFeedback(home.shard.plane, self.row, self._ssrcs.take())
        self._remote: RemoteTransport | None = None
        self.reads_dependencies = False
        """Whether the client has agreed to the dependency descriptor (AV1 RTP payload format, appendix A)."""
        self._closing = False
        home.shard.attach(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of {self.peer!r} {self.state.value}>"

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What it publishes."""
        return tuple(self._tracks.values())

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """What it receives, or will once the client agrees."""
        return tuple(self._subscriptions.values())

    @property
    @abc.abstractmethod
    def mids(self) -> tuple[str, ...]:
        """What names the media sections, in their order."""

    @property
    def connected(self) -> bool:
        """Whether media can flow."""
        return self._link.connected

    @property
    def bandwidth(self) -> BandwidthStats:
        """What is known of the path to the client, and what is made of it."""
        return self._budget.stats()

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Where its client reaches us."""
        return self.shard.candidates

    def add_remote_candidate(self, candidate: str) -> None:
        """Accept a trickled candidate; there is nothing to do with it.

        A lite agent sends no checks: it learns the client's addresses from the client's own (RFC 8445 section 2.5).
        """
        del candidate

    def handle_fragment(self, text: str) -> str | None:
        """Take the client's SDP fragment (RFC 8840 section 9): trickled candidates, or an ICE restart.

        Returns our fragment when ICE restarts.

        Raises:
            NegotiationFailedError: it is malformed, or `restart_ice_fragment` refuses it.
        """
        try:
            limits = SdpLimits.for_media(self._home.environment.config.max_media_per_connection)
            fragment = parse_sdp_fragment(text, limits)
        except NegotiationError as error:
            raise NegotiationFailedError(str(error), malformed=True) from error
        for candidate in fragment.candidates:
            self.add_remote_candidate(candidate)
        if fragment.ufrag is None or fragment.pwd is None:
            return None
        return self.restart_ice_fragment(fragment.ufrag, fragment.pwd)

    def would_restart_ice(self, ufrag: str, pwd: str) -> bool:
        """Whether these credentials of the client's are others than those in use."""
        return self._remote is None or (ufrag, pwd) != (self._remote.ufrag, self._remote.pwd)

    @abc.abstractmethod
    def restart_ice_fragment(self, ufrag: str, pwd: str) -> str | None:
        """Restart ICE on the client's request by SDP fragment (RFC 9725 section 4.3.3); return our fragment.

        None when these credentials are the ones in use, so that nothing restarts.

        Raises:
            NegotiationFailedError: they are no ICE credentials, or there is no session yet.
        """

    def close(self, reason: str = "closed") -> None:
        """End it: its Tracks, Subscriptions, rows. Idempotent."""
        if self._closing:
            return
        self._closing = True
        for mid in list(self._tracks):
            self._end_track(mid)
        for subscription in self.subscriptions:
            subscription.close()
        self.shard.detach(self)
        self._link.close(self._clock())
        self._set_state(ConnectionState.CLOSED, reason)

    # for its Tracks, Subscriptions and Reporter

    @property
    def row(self) -> int:
        """Its row in the plane."""
        return self._link.row

    @property
    def shard(self) -> Shard:
        """The shard that it lives on."""
        return self._home.shard

    @property
    def rtcp_ssrc(self) -> int:
        """The SSRC that our reports and feedback to the client come from."""
        return self._reporter.ssrc

    @property
    def subscriptions_by_ssrc(self) -> Mapping[int, Subscription]:
        """What it receives, by our SSRCs."""
        return self._subscriptions

    def now(self) -> float:
        """The server's clock."""
        return self._clock()

    def touch(self) -> None:
        """A deadline has changed."""
        self.shard.touch(self)

    def send_rtcp(self, packet: bytes) -> None:
        """Send feedback to the client, if it is connected."""
        self._reporter.send(packet)

    def send_sender_report(self, subscription: Subscription, now: float) -> None:
        """Pass a publisher's clock on to the client."""
        self._reporter.send_sender_report(subscription, now)

    def mute_changed(self, track: Track) -> None:
        """A Track of its has been muted or unmuted."""
        self._home.listener.handle_muted(track)

    def encoding_changed(self, track: Track, encoding: Encoding) -> None:
        """An Encoding of its has begun or stopped."""
        self._home.listener.handle_encoding(track, encoding)

    def wanted_changed(self, track: Track, encoding: Encoding) -> None:
        """An Encoding of its is taken again, or by nobody."""
        self._home.listener.handle_wanted(track, encoding)

    def loss_reported(self, fraction_lost: float, now: float) -> None:
        """The client's receiver report told what share (0..1) it has not got."""
        if self._feedback.gives_up(now):
            self._budget.heed_reports(now)
        self._budget.handle_loss(fraction_lost, now)

    def starved_changed(self, subscription: Subscription) -> None:
        """The path has become too narrow for a Subscription, or carries it again."""
        self._home.listener.handle_starved(subscription)

    def demand_changed(self) -> None:
        """What a Subscription could use has changed."""
        if not self._closing:
            self._budget.update(self._clock())
            self.touch()

    def track_ended(self, subscription: Subscription) -> None:
        """A Subscription's Track has ended, and with it the Subscription."""
        subscription.close()

    def end_subscription(self, subscription: Subscription) -> None:
        """A Subscription has closed: free its media section."""
        self._subscriptions.pop(subscription.ssrc, None)
        self._reporter.end_subscription(subscription, goodbye=self._says_goodbye)
        if not self._closing:
            self._release_section(subscription)

    # for its shard

    @property
    def drops(self) -> Mapping[str, int]:
        """What its endpoint has dropped, by reason."""
        return self._link.drops

    def local_ufrags(self) -> list[str]:
        """The ICE user fragments that checks for it carry."""
        return self._link.local_ufrags()

    def handle_datagram(self, data: bytes, address: Address, now: float) -> None:
        """Take STUN or DTLS."""
        if not self._closing:
            self._link.handle_datagram(data, address, now)
            self._flush(now)

    def forget_address(self, address: Address, now: float) -> None:
        """Another connection's client has proved to be there."""
        if not self._closing:
            self._link.forget_address(address)
            self._flush(now)

    def handle_rtcp(self, data: bytes, now: float) -> None:
        """Take an authentic RTCP packet."""
        if not self._closing:
            self._reporter.handle_rtcp(data, now)

    def handle_notice(self, notice: MediaNotice, now: float) -> None:
        """The plane tells of one of its Encodings or Subscriptions."""
        if self._closing:
            return
        if isinstance(notice, Estimate):
            self._budget.handle_estimate(notice.rate_bps, now)
            return
        if isinstance(notice, UplinkEstimate):
            self._reporter.tell_bound(notice.rate_bps)
            return
        if isinstance(notice, RepeatMissed):
            for subscription in self.subscriptions:
                if subscription.is_forwarded_by(notice.subscription):
                    subscription.handle_key_frame_request(now)
            return
        for track in self._tracks.values():
            for encoding in track.encodings:
                if encoding.row == notice.encoding:
                    track.handle_notice(encoding, notice, now)
                    self._reporter.start(now)

    def poll_timeout(self) -> float | None:
        """The next of its deadlines."""
        if self._closing:
            return None
        deadlines = [self._link.poll_timeout(), self._reporter.poll_timeout(), self._budget.poll_timeout()]
        deadlines.extend(track.poll_timeout() for track in self._tracks.values())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self._closing:
            return
        self._link.handle_timeout(now)
        self._flush(now)
        if not self._closing:
            self._reporter.handle_timeout(now)
            self._budget.handle_timeout(now)
            for track in self.tracks:
                track.handle_timeout(now)

    def handle_stall(self, now: float) -> None:
        """We stood still: nobody is given up for what could not be read."""
        if not self._closing:
            self._link.handle_stall(now)

    def abort(self, now: float) -> None:
        """Close after a defect of ours."""
        self.close("internal_error")

    # for the two kinds

    _says_goodbye = True
    """Whether an ended Subscription is told by RTCP; SDP tells it too where the next offer is ours."""

    @abc.abstractmethod
    def _release_section(self, subscription: Subscription) -> None:
        """Give up a closed Subscription's media section."""

    def _check_open(self) -> None:
        if self._closing:
            raise ConnectionClosedError(f"connection {self.id} is closed; open another one")

    def _agree_on_extensions(self, ids: Mapping[Extension, int], *, mixed: bool) -> None:
        """Take over what negotiation has found, and with it how congestion is controlled."""
        plane = self.shard.plane
        plane.set_extensions(self.row, ids, mixed=mixed)
        self.reads_dependencies = Extension.DEPENDENCY_DESCRIPTOR in ids
        if not self._home.environment.config.congestion_control:
            return
        self._feedback.agree(ids)
        self._budget.start(START_BPS if self._feedback.by_packets else None, self._clock())

    def _settle(self, incoming: Iterable[Incoming], ended: Iterable[str]) -> list[Track]:
        """Open and end Tracks so that they are what the client sends by now; return the new ones, unannounced.

        Raises:
            LimitError: too many Tracks.
        """
        wanted = {item.mid: item for item in incoming}
        changed = [mid for mid, track in self._tracks.items() if mid in wanted and not track.continues(wanted[mid])]
        for mid in [*ended, *changed]:
            self._end_track(mid)
        for mid, track in self._tracks.items():
            if mid in wanted:
                track.update(wanted[mid])
        added = [item for mid, item in wanted.items() if mid not in self._tracks]
        if added:
            self._home.listener.check_tracks(len(added))
        for item in added:
            self._tracks[item.mid] = self._open_track(item)
        return [self._tracks[item.mid] for item in added]

    def _open_track(self, incoming: Incoming) -> Track:
        home = self._home
        return Track(
            incoming,
            id=home.environment.new_id(),
            peer=home.peer,
            stream_id=home.stream_id,
            cname=home.cname,
            publisher=self,
            shard=home.shard,
            connection=self.row,
            keyframe_interval=home.environment.config.keyframe_interval,
        )

    def _end_track(self, mid: str) -> None:
        track = self._tracks.pop(mid, None)
        if track is not None:
            track.close()
            self._home.listener.handle_ended(track)

    def _announce(self, tracks: Iterable[Track]) -> None:
        """Negotiation has succeeded: let it be known."""
        if self.state is ConnectionState.NEW:
            self._set_state(ConnectionState.CONNECTING)
        self._flush(self._clock())  # the client may have come faster than its answer
        for track in tracks:
            if not track.ended:
                self._home.listener.handle_published(track)
        self.shard.update_ufrags(self)
        self.touch()

    def _outgoing(self, track: Track) -> Outgoing:
        repair_ssrc = self._ssrcs.take() if track.kind == "video" else 0
        return Outgoing(self._ssrcs.take(), track.cname, track.stream_id, track.id, track.codec, repair_ssrc)

    def _add_subscription(self, track: Track, mid: str, outgoing: Outgoing) -> Subscription:
        subscription = Subscription(
            track,
            id=self._home.environment.new_id(),
            mid=mid,
            ssrc=outgoing.ssrc,
            repair_ssrc=outgoing.repair_ssrc,
            subscriber=self,
        )
        self._subscriptions[outgoing.ssrc] = subscription
        return subscription

    def _start_subscription(self, subscription: Subscription, codec: Codec) -> None:
        subscription.start(codec)
        self._reporter.add_subscription(subscription, self._clock())

    def _flush(self, now: float) -> None:
        if self._link.flush(self):
            self._set_state(ConnectionState.CONNECTED)
            self._reporter.start(now)
            for subscription in self.subscriptions:
                subscription.handle_connected(now)
        if self._link.closed_reason:
            self.close(self._link.closed_reason)

    def _set_state(self, state: ConnectionState, reason: str = "") -> None:
        before, self.state = self.state, state
        if (before, state) != (ConnectionState.NEW, ConnectionState.CLOSED) or self._known:
            self._home.listener.handle_state(self, reason)

    @property
    def _known(self) -> bool:
        """Whether the listener has it although it is new."""
        return False
