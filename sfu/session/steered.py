"""A connection on which the client makes the offers, and the program says which Tracks go into its sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sfu.errors import LimitError, LocalError
from sfu.events import NegotiationNeeded
from sfu.media.subscription import Subscription
from sfu.media.track import Track
from sfu.negotiation import Answerer, Kind
from sfu.session.answering import Answered, Answering, fits, new_answerer, read_offer
from sfu.session.connection import Msid
from sfu.session.context import ConnectionContext


class Steered(Answering):
    """Got by `Peer.steer`, for signalling of one's own by which the client can be asked to offer anew.

    `request` a Track: the next answer puts it into a section of its kind that is free. When that needs an offer,
    `NegotiationNeeded` says so, once until the client has offered; `lacking` says how many sections the offer should
    have more. It stays open whatever becomes of the Tracks.
    """

    # A BYE would end the section's receiver for good in some clients (aiortc), and the section is used again.
    says_goodbye = False

    def __init__(
        self, context: ConnectionContext, answerer: Answerer, requested: Mapping[Track, Msid | None], *, data: bool
    ) -> None:
        super().__init__(context, answerer, data=data)
        self._requested = dict(requested)
        self._refused: set[Track] = set()
        self._resting: set[str] = set()
        self._asked = True  # the first answer takes all that is requested before

    @classmethod
    def open(
        cls,
        context: ConnectionContext,
        offer: str,
        *,
        publish: bool,
        requested: Mapping[Track, Msid | None],
        prefer: Mapping[str, str],
        data: bool,
    ) -> Answered[Steered]:
        """Make a connection from the client's first offer; raises what `ClientOffered.open` does."""
        answerer = new_answerer(context, publish=publish, data=data)
        answerer.preferred = prefer
        diff = read_offer(answerer, offer)
        with context.outbox:
            return cls(context, answerer, requested, data=data)._apply(diff)

    @property
    def requested(self) -> tuple[Track, ...]:
        """The Tracks that it shall receive, in the order of the requests; those that ended are no more among them."""
        return tuple(track for track in self._requested if not track.ended)

    @property
    def refused(self) -> tuple[Track, ...]:
        """Those of them whose codec the client decodes in none of the sections that it offers for their kind."""
        return tuple(track for track in self.requested if track in self._refused)

    @property
    def lacking(self) -> Mapping[Kind, int]:
        """How many sections more the client should offer for what is requested, by kind; 0 for both: enough are there.

        What would be beyond `Config.max_media_per_connection` is not counted.
        """
        wanted = Counter(track.kind for track in self._list_waiting())
        free = Counter(slot.kind for slot in self._slots if not self._is_taken(slot.mid))
        left = self._context.environment.config.max_media_per_connection - len(self.mids)
        audio = min(max(0, wanted["audio"] - free["audio"]), left)
        return {"audio": audio, "video": min(max(0, wanted["video"] - free["video"]), left - audio)}

    def request(self, track: Track, *, msid: Msid | None = None) -> None:
        """Receive `track` from the next answer on.

        `msid`: how the answer calls its stream and the Track itself (RFC 8830); None: by the publisher's Peer and the
        Track's id.

        Raises:
            LimitError: so many Tracks are requested as there may be media sections.
            LocalError: the Track has ended, or is requested already.
            ConnectionClosedError: too late.
        """
        self._check_open()
        if track.ended:
            raise LocalError(f"{track!r} has ended")
        if track in self._requested:
            raise LocalError(f"connection {self.id} is to receive {track!r} already")
        self._requested = {each: named for each, named in self._requested.items() if not each.ended}
        most = self._context.environment.config.max_media_per_connection
        if len(self._requested) >= most:
            raise LimitError("max_media_per_connection", f"a connection has at most {most} media sections")
        self._requested[track] = msid
        self._check_negotiation()

    def prefer(self, codecs: Mapping[str, str]) -> None:
        """Have the client send in these codecs (`VP9`; `red` for redundant audio), by what its SDP calls each track
        (`Track.stated_id`), from the next answer on; one that it does not offer, or we do not take, is passed over.

        What is not named is sent in the codec that the client's offer has first. So name what is sent already, too: a
        section that changes its codec brings another Track.
        """
        self._answerer.preferred = dict(codecs)

    def release(self, track: Track) -> None:
        """Receive `track` no more. Its section is free for another one after the next answer. Idempotent."""
        self._requested.pop(track, None)
        self._refused.discard(track)
        subscription = self.find(track)
        if subscription is not None:
            subscription.close()

    def find(self, track: Track) -> Subscription | None:
        """The Subscription by which it receives `track`; None while there is none."""
        return next((held for held in self.subscriptions if held.track is track), None)

    def _fill(self) -> list[str]:
        """A section that was given up is answered as empty once, before it is used again: receivers tell by that."""
        resting, self._resting = self._resting, set()
        waiting = self._list_waiting(ignore_refusals=True)
        unfilled = []
        for slot in self._slots:
            if slot.filled:
                continue
            track = None
            if slot.mid not in resting:
                track = next((each for each in waiting if fits(each, slot)), None)
            if track is None:
                unfilled.append(slot.mid)
                continue
            waiting.remove(track)
            outgoing = self._outgoing(track, self._requested[track])
            codec = self._answerer.assign(slot.mid, outgoing)
            self._start_subscription(self._add_subscription(track, slot.mid, outgoing), codec)
        self._refused = {track for track in waiting if self._is_undecodable(track)}
        return unfilled

    def _note_answered(self) -> None:
        self._asked = False
        self._check_negotiation()

    def _is_undecodable(self, track: Track) -> bool:
        slots = [slot for slot in self._slots if slot.kind == track.kind]
        return bool(slots) and not any(fits(track, slot) for slot in slots)

    def _is_taken(self, mid: str) -> bool:
        return mid in self._resting or any(held.mid == mid for held in self.subscriptions)

    def _list_waiting(self, *, ignore_refusals: bool = False) -> list[Track]:
        there = {held.track for held in self.subscriptions}
        refused = () if ignore_refusals else self._refused
        return [track for track in self.requested if track not in there and track not in refused]

    def _check_negotiation(self) -> None:
        """Ask for an offer, once, when the answer to it would differ from the last."""
        if not self._asked and not self._closing and (self._resting or self._list_waiting()):
            self._asked = True
            self._outbox.post(NegotiationNeeded(self._context.room, self.peer, self.id))

    def _release_section(self, subscription: Subscription) -> None:
        super()._release_section(subscription)
        self._requested.pop(subscription.track, None)
        self._resting.add(subscription.mid)
        self._check_negotiation()
