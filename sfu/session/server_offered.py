"""A connection on which we make the offers, so that Subscriptions can follow what is published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sfu.errors import LimitError, LocalError, NegotiationFailedError
from sfu.events import NegotiationNeeded
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import (
    AnswerDiff,
    Kind,
    MediaLimitError,
    NegotiationError,
    Offerer,
    RemoteTransport,
    SdpError,
    build_sdp_fragment,
)
from sfu.negotiation.bundle import check_ice_credentials
from sfu.session.connection import Connection, Msid
from sfu.session.context import ConnectionContext
from sfu.session.selection import Selection, selects


class ServerOffered(Connection):
    """A connection whose Subscriptions come and go; `NegotiationNeeded` then asks for `offer` and `accept`.

    The first answer must come, and the transport be up, within the handshake time-out.
    """

    # A BYE would end the section's receiver for good in some clients (aiortc), and the section is used again.
    says_goodbye = False

    def __init__(
        self,
        context: ConnectionContext,
        *,
        selection: Selection,
        publish: Iterable[Kind],
        data: bool,
        reuse_sections: bool = True,
    ) -> None:
        """`publish`: the kinds of media that the client is invited to send, one Track each; `data`: whether data
        channels are offered.
        """
        super().__init__(context, data=data)
        config = context.environment.config
        self._selection = selection
        self._offerer = Offerer(
            max_media=config.max_media_per_connection,
            rng=context.environment.rng,
            preferences=config.codecs,
            transport_cc=config.congestion_control,
            reuse=reuse_sections,
            data_size=config.max_data_message,
        )
        self._asked = True  # the first offer needs no asking for
        for kind in publish:
            self._offerer.add_incoming(kind)
        if data:
            self._offerer.add_data()

    @property
    def mids(self) -> tuple[str, ...]:
        """See `Connection.mids`."""
        return self._offerer.mids

    @property
    def needs_offer(self) -> bool:
        """Whether `offer` has something to say that the client has not agreed to."""
        return self._offerer.pending or self._offerer.needs_offer

    def wants(self, track: Track) -> bool:
        """Whether the connection selects `track` and does not receive it yet."""
        mine = track.peer == self.peer or any(held.track is track for held in self.subscriptions)
        return not (mine or self._closing) and selects(self._selection, track)

    def subscribe(self, track: Track, *, msid: Msid | None = None) -> Subscription:
        """Receive `track` from the next negotiation on.

        `msid`: how the offer calls its stream and the Track itself (RFC 8830); None: by the publisher's Peer and the
        Track's id.

        Raises:
            LimitError: all media sections are in use.
            LocalError: the connection receives it already, or the Track has ended.
            ConnectionClosedError: the connection has closed.
        """
        self._check_open()
        if track.ended:
            raise LocalError(f"{track!r} has ended")
        if any(held.track is track for held in self.subscriptions):
            raise LocalError(f"connection {self.id} receives {track!r} already")
        outgoing = self._outgoing(track, msid)
        try:
            mid = self._offerer.add(outgoing)
        except MediaLimitError as error:
            raise LimitError("max_media_per_connection", str(error)) from error
        subscription = self._add_subscription(track, mid, outgoing)
        self._check_negotiation()
        return subscription

    def offer(self, *, restart_ice: bool = False) -> str:
        """Return an offer of what is to be received now. An earlier offer without an answer is void.

        Raises:
            ConnectionClosedError: the connection has closed.
        """
        self._check_open()
        if self._offerer.pending:
            self._offerer.rollback()
        if restart_ice and self._remote is not None:
            self._transport.restart_ice()
            self.shard.update_ufrags(self)
        self._asked = False
        return self._offerer.build_offer(self._transport.local)

    def accept(self, answer: str) -> None:
        """Take the client's answer to the last offer.

        Raises:
            NegotiationFailedError: the answer is refused, and all stays as it was.
            LimitError, ServerFullError: a limit is reached, and the connection closes.
            ConnectionClosedError: the connection has closed.
        """
        self._check_open()
        try:
            diff = self._offerer.handle_answer(answer)
        except NegotiationError as error:
            raise NegotiationFailedError(str(error), malformed=isinstance(error, SdpError)) from error
        with self._outbox:
            try:
                added = self._apply(diff)
            except BaseException:
                self.close("refused")
                raise
            self._announce(added)
            self._check_negotiation()

    def restart_ice_fragment(self, ufrag: str, pwd: str) -> str | None:
        """See `Connection.restart_ice_fragment`."""
        self._check_open()
        try:
            check_ice_credentials(ufrag, pwd)
        except NegotiationError as error:
            raise NegotiationFailedError(str(error)) from error
        if self._remote is None:
            raise NegotiationFailedError("the offer has no answer yet; answer it first")
        if (ufrag, pwd) == (self._remote.ufrag, self._remote.pwd):
            return None
        self._transport.restart_ice()
        self.shard.update_ufrags(self)
        self._take_remote(replace(self._remote, ufrag=ufrag, pwd=pwd))
        kinds: dict[str, str] = {held.mid: held.track.kind for held in self.subscriptions}
        kinds.update((track.mid, track.kind) for track in self.tracks)
        mids = sorted(kinds, key=int) or ["0"]
        return build_sdp_fragment(self._transport.local, mids=mids, kind=kinds.get(mids[0], "audio"))

    def _apply(self, diff: AnswerDiff) -> list[Track]:
        self._take_remote(diff.remote)
        self._take_data(diff.data)
        if self.data.taken and diff.data is None:
            self.data.end("refused")
        self._agree_on_extensions(self._offerer.extension_ids, mixed=self._offerer.mixed_extensions)
        for subscription in self.subscriptions:
            if subscription.mid in diff.rejected:
                subscription.close()
            elif subscription.mid in diff.accepted:
                self._start_subscription(subscription, diff.accepted[subscription.mid])
        return self._published.settle(diff.incoming, diff.ended)

    def _take_remote(self, remote: RemoteTransport) -> None:
        self._transport.set_remote(remote)
        self._remote = remote

    def _check_negotiation(self) -> None:
        """Post `NegotiationNeeded`, once, if there is something to offer and no offer is under way."""
        if self._asked or self._closing or self._offerer.pending:
            return
        if self._offerer.needs_offer:
            self._asked = True
            self._outbox.post(NegotiationNeeded(self._context.room, self.peer, self.id))

    def _release_section(self, subscription: Subscription) -> None:
        self._offerer.remove(subscription.mid)
        self._check_negotiation()

    @property
    def _known(self) -> bool:
        return True
