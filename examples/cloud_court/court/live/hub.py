"""News on their way to whoever listens: each listener has a bounded queue, and one that is too slow starts anew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

MAX_QUEUED = 256
MAX_LISTENERS = 20_000
MAX_LISTENERS_PER_ACCOUNT = 20


@dataclass(frozen=True, slots=True)
class News:
    """Something changed: what it is, not how it looks now, which its reader asks for by his own rights."""

    topic: str
    id: str
    what: str
    version: int = 0
    hearing: str | None = None
    """Whose persons are told."""
    to: frozenset[str] | None = None
    """The accounts that are told; None: all of the hearing."""
    proceedings: bool = False
    """It tells of what is said and shown: a witness who waits does not hear of it."""


@dataclass(eq=False)
class Listener:
    """One open page."""

    account: str
    hearings: dict[str, bool] = field(default_factory=dict)
    """Those that it follows, and whether it may know what is said there."""
    queue: asyncio.Queue[News | None] = field(default_factory=lambda: asyncio.Queue(MAX_QUEUED))
    lost: bool = False

    def concerns(self, news: News) -> bool:
        """Whether the news are for this one."""
        if news.to is not None:
            return self.account in news.to
        return news.hearing in self.hearings and (self.hearings[news.hearing] or not news.proceedings)


class Hub:
    """All listeners of one court."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    def listen(self, account: str, hearings: dict[str, bool]) -> Listener | None:
        """Begin to listen; None where there are too many."""
        own = sum(1 for each in self._listeners if each.account == account)
        if own >= MAX_LISTENERS_PER_ACCOUNT or len(self._listeners) >= MAX_LISTENERS:
            return None
        listener = Listener(account, hearings)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """It is closed."""
        self._listeners.discard(listener)

    def count(self, account: str) -> int:
        """How many pages an account has open."""
        return sum(1 for each in self._listeners if each.account == account)

    def admit(self, account: str, hearing: str, proceedings: bool) -> None:
        """What an account may know of a hearing has changed."""
        for each in self._listeners:
            if each.account == account:
                each.hearings[hearing] = proceedings

    def publish(self, news: News) -> None:
        """Tell everybody whom it concerns."""
        for listener in list(self._listeners):
            if not listener.concerns(news):
                continue
            if listener.queue.full():
                listener.lost = True
                self._listeners.discard(listener)
                listener.queue.get_nowait()
                listener.queue.put_nowait(None)
            else:
                listener.queue.put_nowait(news)
