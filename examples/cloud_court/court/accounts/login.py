"""Sessions: who asks. The token is in a cookie that scripts cannot read, its companion in the header X-CSRF."""

from __future__ import annotations

import datetime
import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Response
from sqlalchemy import select
from starlette.requests import HTTPConnection

from court.accounts.models import Account, Session
from court.court import ID_ALPHABET, Court, Work
from court.errors import Refusal, not_found

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Login:
    """Who asks, and by which session."""

    account: Account
    session: Session

    @property
    def id(self) -> str:
        """The account's."""
        return self.account.id


async def find_court(connection: HTTPConnection) -> Court:
    """The court that an app serves. A coroutine, or each request would wait for a thread."""
    court: Court = connection.app.state.court
    return court


TheCourt = Annotated[Court, Depends(find_court)]


async def find_login(connection: HTTPConnection, court: TheCourt) -> Login | None:
    """Who asks; None where nobody is logged in."""
    token = connection.cookies.get(court.config.cookie, "")
    if not token:
        return None
    async with court.database.read() as db:
        query = (
            select(Session, Account)
            .join(Account, Account.id == Session.account_id)
            .where(Session.token_hash == court.seal("session", token), Session.expires > court.now())
        )
        row = (await db.execute(query)).first()
    return None if row is None else Login(row[1], row[0])


async def require_login(connection: HTTPConnection, found: Annotated[Login | None, Depends(find_login)]) -> Login:
    """Who asks; refuses who is not logged in, and what another site made a browser send."""
    if found is None:
        raise Refusal("login.needed")
    if found.session.hearing_id is not None and not _is_within(connection.url.path, found.session.hearing_id):
        raise not_found()
    if connection.scope["type"] == "http" and connection.scope["method"] not in SAFE:
        said = connection.headers.get("x-csrf", "")
        if not hmac.compare_digest(said.encode(), found.session.csrf.encode()):
            raise Refusal("login.csrf")
    return found


def _is_within(path: str, hearing: str) -> bool:
    """Whether a log-in by code reaches a path: that is its own hearing, and what one needs for that."""
    within = path.partition("/api/")[2]
    return within == "hearings" or within.startswith((f"hearings/{hearing}", "uploads", "handoff", "me", "logout"))


MaybeMe = Annotated[Login | None, Depends(find_login)]
Me = Annotated[Login, Depends(require_login)]


async def require_staff(me: Me) -> Login:
    """Somebody of the court; for others there is nothing here."""
    if not me.account.is_staff:
        raise not_found()
    return me


Staff = Annotated[Login, Depends(require_staff)]


def open_session(work: Work, account: Account, response: Response, hearing_id: str | None = None) -> Session:
    """Log somebody in."""
    court = work.court
    token = court.draw(ID_ALPHABET, 40)
    session = Session(
        id=court.new_id(),
        token_hash=court.seal("session", token),
        csrf=court.new_id(),
        account_id=account.id,
        hearing_id=hearing_id,
        created=work.now,
        expires=work.now + datetime.timedelta(seconds=court.config.session_lifetime),
    )
    work.db.add(session)
    response.set_cookie(
        court.config.cookie,
        token,
        max_age=court.config.session_lifetime,
        httponly=True,
        samesite="lax",
        secure=court.config.secure_cookies,
    )
    return session
