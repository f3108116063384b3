"""A connection on which the client makes the offers, as in WHIP and WHEP."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sfu.errors import CodecMismatchError, ServerFullError
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import Answerer, OutgoingSlot
from sfu.session.answering import Answered, Answering, fits, new_answerer, read_offer
from sfu.session.context import ConnectionContext
from sfu.session.vacancies import Vacancies

Select = Callable[[], Sequence[Track]]
"""A function that returns the Tracks that the connection wants now."""


class ClientOffered(Answering):
    """Fills the sections in which the client can receive when it offers, in the order of the Tracks.

    An answer cannot be changed later (RFC 3264). So a section whose Track has ended goes on with the next wanted Track
    whose codec was answered there: at once with one of the same Peer (a publisher that returns under its name), and
    after `Config.return_timeout` with any. A section that found no Track when the client offered stays silent. Where
    only a new answer would help, the connection closes, with one of these reasons, so that the client offers anew:

    * `offer_again`: a Peer whose Tracks it receives, or has received, published one that only a new answer can hold,
      because of its codec or because there was no Track when the client offered;
    * `publisher_left`: all Tracks that it received have ended, and none followed within `Config.return_timeout`.

    A connection on which the client also publishes does not close for these reasons.
    """

    def __init__(self, context: ConnectionContext, answerer: Answerer, *, select: Select, data: bool) -> None:
        self._look_at: float | None = None  # asked for by the shard from the beginning
        super().__init__(context, answerer, data=data)
        self._select = select
        self._followed: set[str] = set()  # Peers of which something was received
        self._vacancies = Vacancies(context.environment.config.return_timeout)

    @classmethod
    def open(
        cls, context: ConnectionContext, offer: str, *, publish: bool, select: Select, data: bool
    ) -> Answered[ClientOffered]:
        """Make a connection from the client's first offer.

        Unless `publish`, the client may not send, and the offer is refused if the client decodes no Track of a kind
        that it wants and that is published: to get only the sound, say, would look like a failure of ours.

        Raises:
            CodecMismatchError, NegotiationFailedError, NotPermittedError: the offer is refused.
            LimitError, ServerFullError: there is no room for the connection. Nothing stays behind.
        """
        answerer = new_answerer(context, publish=publish, data=data)
        diff = read_offer(answerer, offer)
        if not publish:
            _check_decoders(diff.slots, select())
        with context.outbox:
            return cls(context, answerer, select=select, data=data)._apply(diff)

    def _note_answered(self) -> None:
        pass

    def handle_published(self, track: Track) -> None:
        """Look whether a Track that was published can go on in a section here."""
        if self._vacancies or (track.peer in self._followed and len(self._subscriptions) < len(self._slots)):
            self._look_soon()

    def track_ended(self, subscription: Subscription) -> None:
        """See `Subscriber.track_ended`."""
        if self._closing:
            subscription.close()
            return
        subscription.vacate()
        self._vacancies.add(subscription, self._clock())
        self._look_soon()

    def end_subscription(self, subscription: Subscription) -> None:
        """See `Subscriber.end_subscription`."""
        self._vacancies.discard(subscription)
        super().end_subscription(subscription)

    def poll_timeout(self) -> float | None:
        """Return the connection's next deadline."""
        deadlines = [super().poll_timeout(), None if self._closing else self._look_at]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        super().handle_timeout(now)
        if self._look_at is not None and now >= self._look_at and not self._closing:
            with self._outbox:
                self._look(now)

    def _look_soon(self) -> None:
        """Look for Tracks for the vacant sections once the current events are over: when one session replaces another,
        its Tracks come and end one by one.
        """
        self._look_at = self._clock()
        self.touch()

    def _look(self, now: float) -> None:
        wanted = self._list_wanted()
        try:
            for subscription, track in self._vacancies.match(wanted, self._carries, now):
                subscription.move(track)
                self._vacancies.discard(subscription)
                self._followed.add(track.peer)
                wanted.remove(track)
        except ServerFullError:
            self.close("refused")
            return
        self._look_at = self._vacancies.poll_timeout(now)
        if self._tracks:
            return
        if any(self._asks_for_an_offer(track) for track in wanted):
            self.close("offer_again")
        elif self._vacancies and len(self._vacancies) == len(self._subscriptions) and self._vacancies.are_over(now):
            self.close("publisher_left")

    def _carries(self, subscription: Subscription, track: Track) -> bool:
        """Whether the current answer allows `track` in the section of `subscription`."""
        return self._answerer.carries(subscription.mid, track.codec)

    def _asks_for_an_offer(self, track: Track) -> bool:
        """Whether a new offer would bring the client this Track, of a Peer whose Tracks it has received before."""
        taken = {held.mid for held in self.subscriptions if not held.vacant}
        return track.peer in self._followed and any(slot.mid not in taken and fits(track, slot) for slot in self._slots)

    def _list_wanted(self) -> list[Track]:
        there = {subscription.track for subscription in self.subscriptions}
        return [track for track in self._select() if track not in there]

    def _fill(self) -> list[str]:
        """Put wanted Tracks into the slots that are empty or vacant; return the mids that stay empty."""
        vacated = {subscription.mid for subscription in self._vacancies}
        for mid in vacated:
            self._close_subscription(mid)
        wanted = self._list_wanted()
        unfilled = []
        for slot in self._slots:
            if slot.filled and slot.mid not in vacated:
                continue
            track = next((track for track in wanted if fits(track, slot)), None)
            if track is None:
                unfilled.append(slot.mid)
                continue
            wanted.remove(track)
            self._followed.add(track.peer)
            outgoing = self._outgoing(track)
            codec = self._answerer.assign(slot.mid, outgoing)
            self._start_subscription(self._add_subscription(track, slot.mid, outgoing), codec)
        return unfilled


def _check_decoders(slots: Sequence[OutgoingSlot], tracks: Sequence[Track]) -> None:
    """Raise CodecMismatchError if the client wants a kind of media and decodes no published Track of that kind."""
    for kind in dict.fromkeys(slot.kind for slot in slots):
        ready = [slot for slot in slots if slot.kind == kind]
        there = [track for track in tracks if track.kind == kind]
        if there and not any(fits(track, slot) for track in there for slot in ready):
            published = ", ".join(dict.fromkeys(track.codec.describe() for track in there))
            known = [codec.describe() for slot in ready for codec in slot.codecs]
            taken = ", ".join(dict.fromkeys(known or [name for slot in ready for name in slot.offered]))
            raise CodecMismatchError(
                f"the {kind} that is published cannot be decoded by what is offered. Published: {published}. "
                f"Offered: {taken or 'none'}"
            )
