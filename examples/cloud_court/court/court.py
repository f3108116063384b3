"""What every part of one court is given: configuration, clock, randomness, database, adapters, media, news."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy.ext.asyncio import AsyncSession

from court.adapters.adapters import Adapters
from court.audit.trail import append_line
from court.config import CourtConfig
from court.database.engine import Database
from court.live.hub import Hub, News
from court.media.bridge import Media
from court.records.playing import Players
from court.records.tail import Tails

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Of codes that people type: nothing that looks like something else."""
ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
COURT = "court"
"""The audit's chain of what belongs to no hearing."""


@dataclass
class Court:
    """One court, real or for practice."""

    config: CourtConfig
    database: Database
    adapters: Adapters
    media: Media
    secret: bytes
    """Keys the hashes of codes and sessions."""
    clock: Callable[[], datetime.datetime]
    random: Callable[[int], bytes]
    passwords: PasswordHasher = field(default_factory=PasswordHasher)
    hub: Hub = field(default_factory=Hub)
    players: Players = field(default_factory=Players)
    tails: Tails = field(default_factory=Tails)
    recovering: set[str] = field(default_factory=set)
    """Recordings that broke off and are being closed."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def now(self) -> datetime.datetime:
        """The time, in UTC."""
        return self.clock()

    def new_id(self) -> str:
        """An identifier that nobody can guess."""
        return self.draw(ID_ALPHABET, 22)

    def draw(self, alphabet: str, length: int) -> str:
        """So many letters of an alphabet, all equally likely."""
        bound = 256 - 256 % len(alphabet)
        drawn = ""
        while len(drawn) < length:
            drawn += "".join(alphabet[byte % len(alphabet)] for byte in self.random(length) if byte < bound)
        return drawn[:length]

    def seal(self, what: str, value: str) -> str:
        """The keyed hash under which a code or a session's token is kept; `what` keeps kinds apart."""
        return hmac.new(self.secret, f"{what}:{value}".encode(), hashlib.sha256).hexdigest()

    def later(self, work: Awaitable[None]) -> None:
        """Do something without letting anybody wait for it."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Work]:
        """A unit of work: rows and audit in one transaction, then the news, then orders to the media. What the media
        have done already is taken back where the transaction fails.
        """
        async with AsyncExitStack() as undoing:
            async with self.database.write() as db:
                work = Work(self, db, self.now(), undoing)
                yield work
                for chain, kind, fields in work.events:
                    await append_line(db, chain, kind, work.now, fields)
            undoing.pop_all()
        for news in work.news:
            self.hub.publish(news)
        for order in work.orders:
            await order()


class Work:
    """What one request does. Nothing of it is seen before all of it is written."""

    def __init__(self, court: Court, db: AsyncSession, now: datetime.datetime, undoing: AsyncExitStack) -> None:
        self.court = court
        self._undoing = undoing
        self.db = db
        self.now = now
        self.events: list[tuple[str, str, dict[str, Any]]] = []
        self.news: list[News] = []
        self.orders: list[Callable[[], Awaitable[None]]] = []

    def audit(self, kind: str, act: str, subject: str | None, *, hearing: str | None = None, **fields: Any) -> None:
        """Write into the chain of a hearing, or the court's: who did what."""
        chain = COURT if hearing is None else hearing
        self.events.append((chain, kind, {"act": act, "subject": subject, **fields}))

    def tell(
        self,
        topic: str,
        id: str,
        what: str,
        *,
        hearing: str | None = None,
        to: frozenset[str] | None = None,
        proceedings: bool = False,
        version: int = 0,
    ) -> None:
        """Have the news told: to accounts, or to all of a hearing; `proceedings`: not to a witness who waits."""
        self.news.append(News(topic, id, what, version, hearing, to, proceedings))

    def take_back(self, undo: Callable[[], Awaitable[object]]) -> None:
        """What the media are told where not all is written, since they have done something already."""
        self._undoing.push_async_callback(undo)

    def order(self, order: Callable[[], Awaitable[None]]) -> None:
        """Have the media told once all is written."""
        self.orders.append(order)
