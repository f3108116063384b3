"""Connections on which the client makes the offers, whoever decides what goes into their sections."""

from __future__ import annotations

import abc
import contextlib
from dataclasses import dataclass, replace
from typing import Generic, Self, TypeVar

from sfu.errors import CodecMismatchError, NegotiationFailedError, NotPermittedError
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import (
    Answerer,
    NegotiationError,
    NoCommonCodecError,
    NothingReceivedError,
    OfferDiff,
    OutgoingSlot,
    RemoteTransport,
    SdpError,
    SdpFragment,
    build_sdp_fragment,
)
from sfu.session.connection import Connection
from sfu.session.context import ConnectionContext

ConnectionT = TypeVar("ConnectionT", bound=Connection)


@dataclass(frozen=True)
class Answered(Generic[ConnectionT]):
    """The result of an offer."""

    sdp: str
    """Our answer, as SDP."""
    connection: ConnectionT
    unfilled: tuple[str, ...]
    """Mids of the sections that can receive but found no Track; answered `inactive`, `recvonly` or, where the client
    decodes nothing that we forward, with port 0.
    """


class Answering(Connection):
    """The part that all connections have in common on which the client makes the offers."""

    def __init__(self, context: ConnectionContext, answerer: Answerer, *, data: bool) -> None:
        super().__init__(context, data=data)
        self._answerer = answerer
        self._sections: dict[str, str] = {}
        self._slots: tuple[OutgoingSlot, ...] = ()

    @property
    def mids(self) -> tuple[str, ...]:
        """See `Connection.mids`."""
        return self._answerer.mids

    def answer(self, offer: str) -> Answered[Self]:
        """Answer a later offer, in which media come or go, or ICE restarts.

        Raises:
            CodecMismatchError, NegotiationFailedError, NotPermittedError: the offer is refused, and all stays as it
                was.
            LimitError, ServerFullError: a limit is reached, and the connection closes, since its former state cannot be
                restored.
            ConnectionClosedError: the connection has closed.
        """
        self._check_open()
        with self._outbox:
            return self._apply(read_offer(self._answerer, offer))

    def restart_ice_fragment(self, ufrag: str, pwd: str) -> str | None:
        """See `Connection.restart_ice_fragment`."""
        self._check_open()
        try:
            if not self._answerer.note_restart(SdpFragment(ufrag, pwd)) or self._remote is None:
                return None
        except NegotiationError as error:
            raise NegotiationFailedError(str(error)) from error
        self._take_remote(replace(self._remote, ufrag=ufrag, pwd=pwd))
        mids = list(self._sections) or ["0"]
        return build_sdp_fragment(self._transport.local, mids=mids, kind=self._sections.get(mids[0], "audio"))

    def _apply(self, diff: OfferDiff) -> Answered[Self]:
        try:
            self._take_remote(diff.remote)
            self._agree_on_extensions(self._answerer.extension_ids, mixed=self._answerer.mixed_extensions)
            self._take_data(diff.data)
            for mid in diff.withdrawn:
                self._close_subscription(mid)
            added = self._published.settle(diff.incoming, diff.ended)
            self._slots = tuple(diff.slots)
            unfilled = self._fill()
            self._sections = {slot.mid: slot.kind for slot in diff.slots}
            self._sections.update((item.mid, item.kind) for item in diff.incoming)
            if diff.data is not None:
                self._sections[diff.data.mid] = "application"
            sdp = self._answerer.build_answer(self._transport.local)
        except BaseException:
            self.close("refused")
            raise
        self._announce(added)
        self._note_answered()
        return Answered(sdp, self, tuple(unfilled))

    @abc.abstractmethod
    def _note_answered(self) -> None:
        """Note that an offer was answered, and that its Tracks were announced."""

    @abc.abstractmethod
    def _fill(self) -> list[str]:
        """Put Tracks into the sections that the offer leaves to us; return the mids of those that stay empty."""

    def _take_remote(self, remote: RemoteTransport) -> None:
        """Take over the client's side; if its ICE credentials are new, choose new ones, too (RFC 8839 section
        4.4.1.1.1).
        """
        before = self._remote
        if before is not None and (before.ufrag, before.pwd) != (remote.ufrag, remote.pwd):
            self._transport.restart_ice()
            self.shard.update_ufrags(self)
        self._transport.set_remote(remote)
        self._remote = remote

    def _close_subscription(self, mid: str) -> None:
        for subscription in self.subscriptions:
            if subscription.mid == mid:
                subscription.close()

    def _release_section(self, subscription: Subscription) -> None:
        with contextlib.suppress(KeyError):  # the client's offer has withdrawn the section
            self._answerer.assign(subscription.mid, None)


def new_answerer(context: ConnectionContext, *, publish: bool, data: bool) -> Answerer:
    """Return the Answerer of one connection, set up as the server is configured."""
    config = context.environment.config
    return Answerer(
        max_media=config.max_media_per_connection,
        preferences=config.codecs,
        rng=context.environment.rng,
        publish=publish,
        transport_cc=config.congestion_control,
        data_size=config.max_data_message if data else None,
    )


def fits(track: Track, slot: OutgoingSlot) -> bool:
    """Whether the client can decode `track` in the section `slot`."""
    return any(codec.takes(track.codec) for codec in slot.codecs)


def read_offer(answerer: Answerer, offer: str) -> OfferDiff:
    """Read an offer, the first or a later one. Raises what `Answering.answer` raises for an offer that is refused."""
    try:
        return answerer.handle_offer(offer)
    except NoCommonCodecError as error:
        raise CodecMismatchError(str(error)) from error
    except NothingReceivedError as error:
        raise NotPermittedError(str(error)) from error
    except NegotiationError as error:
        raise NegotiationFailedError(str(error), malformed=isinstance(error, SdpError)) from error
