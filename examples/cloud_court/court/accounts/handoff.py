"""A log-in handed to another device by QR code, as to sign on the phone: once, within two minutes."""

from __future__ import annotations

import datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, StringConstraints
from sqlalchemy import delete, select

from court.accounts.attempts import spend_attempt
from court.accounts.login import Me, TheCourt, open_session
from court.accounts.models import Account, HandOff, Session
from court.accounts.schemas import AccountOut, Asked, MeOut
from court.court import ID_ALPHABET
from court.errors import Refusal
from court.hearings.models import IdentityCheck

router = APIRouter(prefix="/api/handoff", tags=["accounts"])

LIFETIME = datetime.timedelta(minutes=2)


class HandOffOut(BaseModel):
    """What the QR code shows."""

    url: str
    token: str
    expires: datetime.datetime


class HandOffClaimed(Asked):
    """What the other device read."""

    token: Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{40}$")]


@router.post("", status_code=201)
async def offer(court: TheCourt, me: Me) -> HandOffOut:
    """Offer this log-in to another device; an earlier offer counts no more."""
    token = court.draw(ID_ALPHABET, 40)
    async with court.work() as work:
        await work.db.execute(delete(HandOff).where(HandOff.session_id == me.session.id))
        expires = work.now + LIFETIME
        work.db.add(HandOff(token_hash=court.seal("handoff", token), session_id=me.session.id, expires=expires))
        work.audit("account", "offer_handoff", me.id)
    return HandOffOut(url=f"{court.config.base_url}/#/handoff/{token}", token=token, expires=expires)


@router.post("/claim")
async def claim(court: TheCourt, asked: HandOffClaimed, response: Response) -> MeOut:
    """Take it, on the other device: as the same person, with the same identity checks."""
    await spend_attempt(court, "handoff", 1000)
    async with court.work() as work:
        row = await work.db.get(HandOff, court.seal("handoff", asked.token))
        if row is None or row.expires <= work.now:
            raise Refusal("code.wrong")
        former = await work.db.get_one(Session, row.session_id)
        if former.expires <= work.now:
            raise Refusal("code.wrong")
        account = await work.db.get_one(Account, former.account_id)
        await work.db.delete(row)
        session = open_session(work, account, response, former.hearing_id)
        await work.db.flush()
        checks = select(IdentityCheck).where(IdentityCheck.session_id == former.id)
        for check in list(await work.db.scalars(checks)):
            work.db.add(
                IdentityCheck(hearing_id=check.hearing_id, session_id=session.id, account_id=account.id, at=check.at)
            )
        work.audit("account", "handoff", account.id)
        return MeOut(account=AccountOut.model_validate(account), csrf=session.csrf, hearing_id=session.hearing_id)
