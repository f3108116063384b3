"""What everybody may know of this court, and the pages of its stand-ins."""

from __future__ import annotations

import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from sqlalchemy import select

from court.accounts.login import TheCourt
from court.accounts.models import Account, SmsMessage
from court.accounts.schemas import Told
from court.config import CourtTexts
from court.court import Court
from court.demo.people import PASSWORD, PEOPLE, STAFF
from court.errors import Refusal, not_found
from court.hearings.rules import PHASES

router = APIRouter(prefix="/api", tags=["court"])


class CourtOut(BaseModel):
    """The court: its name, limits, discipline, types."""

    name: str
    region: str
    languages: list[str]
    discipline: list[str]
    declaration: str
    translations: dict[str, CourtTexts]
    allowed_types: dict[str, str]
    max_file_bytes: int
    max_parts: int
    phases: list[str]
    countdown: int
    practice: bool
    standins: bool
    now: datetime.datetime


class SmsOut(Told):
    """A message, as the phone shows it."""

    id: str
    phone: str
    text: str
    created: datetime.datetime
    sent: datetime.datetime | None
    superseded: datetime.datetime | None


class DemoPerson(BaseModel):
    """Somebody of the demonstration, or of a practice, whom one may play."""

    role: str
    name: str
    phone: str
    password: str
    identity_number: str


@router.get("/court/key", response_class=PlainTextResponse)
async def get_key(court: TheCourt) -> str:
    """The court's public key, as PEM: with it anybody checks records and packages."""
    path = court.config.folder / "record-public.pem"
    if not path.is_file():
        raise not_found()
    return path.read_text()


@router.get("/demo")
async def list_demo(court: TheCourt) -> list[DemoPerson]:
    """Whom one may play here: nobody, where this court is no demonstration."""
    if not court.config.standins:
        return []
    async with court.database.read() as db:
        there = set(await db.scalars(select(Account.phone)))
    people = [(*each[:4],) for each in (*STAFF, *PEOPLE) if each[2] in there]
    return [
        DemoPerson(role=role, name=name, phone=phone, password=PASSWORD, identity_number=number)
        for role, name, phone, number in people
    ]


@router.get("/court")
async def get_court(court: TheCourt) -> CourtOut:
    """The court's configuration, as far as clients need it."""
    config = court.config
    return CourtOut(
        name=config.name,
        region=config.region,
        languages=list(config.languages),
        discipline=list(config.discipline),
        declaration=config.declaration,
        translations=config.translations,
        allowed_types=config.allowed_types,
        max_file_bytes=config.max_file_bytes,
        max_parts=config.max_parts,
        phases=list(PHASES),
        countdown=config.countdown,
        practice=config.practice,
        standins=config.standins,
        now=court.now(),
    )


def _require_standins(court: Court) -> None:
    if not court.config.standins:
        raise Refusal("standin.off")


@router.get("/standins/sms")
async def show_sms(court: TheCourt, phone: str = "") -> list[SmsOut]:
    """The SMS stand-in: what was sent, the newest first, for one phone or all."""
    _require_standins(court)
    query = select(SmsMessage).order_by(SmsMessage.created.desc(), SmsMessage.id).limit(100)
    if phone:
        query = query.where(SmsMessage.phone == phone)
    async with court.database.read() as db:
        return [SmsOut.model_validate(each) for each in await db.scalars(query)]


@router.get("/standins/identity")
async def show_identity(court: TheCourt) -> list[dict[str, Any]]:
    """The identity stand-in: what it was asked, masked."""
    _require_standins(court)
    asked = getattr(court.adapters.identity, "asked", [])
    return [{"name": name, "number": number, "passed": passed} for name, number, passed in reversed(asked)]


@router.get("/standins/certificates")
async def show_certificates(court: TheCourt) -> list[dict[str, Any]]:
    """The certificate stand-in: what it issued."""
    _require_standins(court)
    issued = getattr(court.adapters.certificates, "issued", [])
    return [{"name": name, "serial": serial} for name, serial in reversed(issued)]
