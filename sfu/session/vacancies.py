"""Media sections whose Track has ended, and which Track takes its place in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sfu.media.subscription import Subscription
from sfu.media.track import Track


class Vacancies:
    """The vacant Subscriptions of one connection, each with the time at which it became vacant.

    A Track of the same Peer may take the place at once. One of another Peer has to wait for `patience` seconds, since
    the former publisher may be about to return.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[Subscription, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._since))

    def add(self, subscription: Subscription, now: float) -> None:
        """Add a Subscription whose Track has ended."""
        self._since[subscription] = now

    def discard(self, subscription: Subscription) -> None:
        """Remove a Subscription that is vacant no more, or has closed."""
        self._since.pop(subscription, None)

    def match(
        self, tracks: Iterable[Track], fits: Callable[[Subscription, Track], bool], now: float
    ) -> list[tuple[Subscription, Track]]:
        """Return which of `tracks` goes on in which vacant Subscription. One of the same Peer and mid comes first, then
        one of the same Peer.
        """
        left = list(tracks)
        open_still = dict(self._since)
        found = []
        for suits in (_is_its_like, _is_of_its_peer, None):
            for subscription, since in list(open_still.items()):
                if suits is None and now < since + self._patience:
                    continue
                for track in left:
                    if (suits is None or suits(track, subscription.track)) and fits(subscription, track):
                        found.append((subscription, track))
                        left.remove(track)
                        del open_still[subscription]
                        break
        return found

    def poll_timeout(self, now: float) -> float | None:
        """Return when the next Subscription will have waited for its Peer long enough; None: there is none."""
        due = [since + self._patience for since in self._since.values()]
        return min((deadline for deadline in due if deadline > now), default=None)

    def are_over(self, now: float) -> bool:
        """Whether all vacant Subscriptions have waited long enough."""
        return all(now >= since + self._patience for since in self._since.values())


def _is_of_its_peer(track: Track, former: Track) -> bool:
    return track.peer == former.peer


def _is_its_like(track: Track, former: Track) -> bool:
    return track.peer == former.peer and track.mid == former.mid
