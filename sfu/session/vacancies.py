"""Media sections whose Track has ended, and which Track goes on in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sfu.media.subscription import Subscription
from sfu.media.track import Track


class Vacancies:
    """The vacant Subscriptions of one connection, each with the time since when.

    A Track of the same Peer goes on at once; one of another Peer, too, but not before `patience` seconds have passed:
    who left may be about to come again.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[Subscription, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._since))

    def add(self, subscription: Subscription, now: float) -> None:
        """The Track of a Subscription has ended."""
        self._since[subscription] = now

    def discard(self, subscription: Subscription) -> None:
        """It is vacant no more, or has closed."""
        self._since.pop(subscription, None)

    def match(
        self, tracks: Iterable[Track], fits: Callable[[Subscription, Track], bool], now: float
    ) -> list[tuple[Subscription, Track]]:
        """Which of `tracks` go on in which vacant Subscriptions: first each where its like has been."""
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
        """When a Subscription has waited for its Peer long enough."""
        due = [since + self._patience for since in self._since.values()]
        return min((deadline for deadline in due if deadline > now), default=None)

    def are_over(self, now: float) -> bool:
        """Whether all have waited long enough."""
        return all(now >= since + self._patience for since in self._since.values())


def _is_of_its_peer(track: Track, former: Track) -> bool:
    return track.peer == former.peer


def _is_its_like(track: Track, former: Track) -> bool:
    return track.peer == former.peer and track.mid == former.mid
