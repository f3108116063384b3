"""File a case online."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.login import Login, Me, TheCourt
from court.accounts.models import Account
from court.accounts.schemas import Asked, IdentityNumber, Line, Name, Phone, Text, Told
from court.cases.api import open_case
from court.cases.binding import bind_parties
from court.cases.materials import hand_in
from court.cases.schemas import NewCase, NewParty
from court.errors import Refusal, not_found
from court.exhibits.files import hand_out_one
from court.exhibits.models import Upload
from court.filings.models import Filing
from court.hearings.schemas import Id

router = APIRouter(prefix="/api/filings", tags=["filings"])

EDITABLE = frozenset({"draft", "sent_back"})


class OtherSide(Asked):
    """Whom one sues."""

    name: Name
    phone: Phone
    identity_number: IdentityNumber


class FilingAsked(Asked):
    """What one would bring before the court."""

    title: Line
    cause: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    claim: Text
    defendant: OtherSide


class Decision(Asked):
    """What the registry decides; what is not accepted has a reason."""

    decision: Literal["accept", "send_back", "reject"]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""
    judge_id: Id | None = None
    number: Annotated[str, StringConstraints(max_length=60)] = ""


class Judge(Told):
    """A judge, for the registry to choose."""

    id: str
    name: str


class FiledDocument(Told):
    """A document of a filing, by its upload."""

    id: str
    name: str
    size: int
    sha256: str


class FilingOut(Told):
    """A filing, as it stands."""

    id: str
    title: str
    cause: str
    claim: str
    state: str
    reason: str
    defendant: OtherSide
    files: list[FiledDocument] = Field(default_factory=list)
    case_id: str | None
    created: datetime.datetime
    filed: datetime.datetime | None
    decided: datetime.datetime | None


async def find_filing(db: AsyncSession, me: Login, id: str, *, editable: bool = False) -> Filing:
    """One's own; the registry finds all that were filed."""
    filing = await db.get(Filing, id)
    registry = me.account.office == "clerk" and filing is not None and filing.state != "draft"
    if filing is None or not (filing.account_id == me.id or registry):
        raise not_found()
    if editable and (filing.account_id != me.id or filing.state not in EDITABLE):
        raise Refusal("act.impossible", act="edit", state=filing.state)
    return filing


async def list_documents(db: AsyncSession, filing_id: str) -> list[Upload]:
    """Its documents, as far as they have come."""
    own = select(Upload).where(Upload.purpose == "filing", Upload.target_id == filing_id, Upload.sha256 != "")
    return list(await db.scalars(own.order_by(Upload.created, Upload.id)))


async def tell_filing(db: AsyncSession, filing: Filing) -> FilingOut:
    """A filing with its documents."""
    told = FilingOut.model_validate(filing)
    told.files = [FiledDocument.model_validate(each) for each in await list_documents(db, filing.id)]
    return told


@router.get("")
async def list_filings(court: TheCourt, me: Me) -> list[FilingOut]:
    """Mine; for the registry all that wait or were decided."""
    query = select(Filing).where(Filing.account_id == me.id)
    if me.account.office == "clerk":
        query = select(Filing).where(Filing.state != "draft")
    async with court.database.read() as db:
        found = await db.scalars(query.order_by(Filing.created.desc(), Filing.id).limit(200))
        return [await tell_filing(db, each) for each in list(found)]


@router.get("/judges")
async def list_judges(court: TheCourt, me: Me) -> list[Judge]:
    """Whom the registry may give a case to."""
    if me.account.office != "clerk":
        raise Refusal("role.denied")
    query = select(Account).where(Account.office == "judge").order_by(Account.name, Account.id)
    async with court.database.read() as db:
        return [Judge.model_validate(each) for each in await db.scalars(query)]


@router.get("/{filing_id}/files/{upload_id}")
async def get_document(court: TheCourt, me: Me, filing_id: str, upload_id: str) -> StreamingResponse:
    """One document of a filing."""
    async with court.database.read() as db:
        await find_filing(db, me, filing_id)
        found = [each for each in await list_documents(db, filing_id) if each.id == upload_id]
    if not found:
        raise not_found()
    return hand_out_one(court.config, found[0].name, found[0].sha256)


@router.post("", status_code=201)
async def begin(court: TheCourt, me: Me, asked: FilingAsked) -> FilingOut:
    """Begin a filing; then upload its documents (purpose `filing`), then file it."""
    if me.session.hearing_id is not None:
        raise Refusal("role.denied")
    async with court.work() as work:
        filing = Filing(
            id=court.new_id(),
            account_id=me.id,
            state="draft",
            reason="",
            case_id=None,
            created=work.now,
            filed=None,
            decided=None,
            **asked.model_dump(),
        )
        work.db.add(filing)
        return await tell_filing(work.db, filing)


@router.put("/{filing_id}")
async def edit(court: TheCourt, me: Me, filing_id: str, asked: FilingAsked) -> FilingOut:
    """Correct a draft, or what was sent back."""
    async with court.work() as work:
        filing = await find_filing(work.db, me, filing_id, editable=True)
        for name, value in asked.model_dump().items():
            setattr(filing, name, value)
        return await tell_filing(work.db, filing)


@router.post("/{filing_id}/file")
async def file(court: TheCourt, me: Me, filing_id: str) -> FilingOut:
    """Hand it in."""
    async with court.work() as work:
        filing = await find_filing(work.db, me, filing_id, editable=True)
        filing.state, filing.filed, filing.reason = "filed", work.now, ""
        work.audit("filing", "file", me.id, filing=filing.id)
        clerks = await work.db.scalars(select(Account.id).where(Account.office == "clerk"))
        work.tell("filing", filing.id, "filed", to=frozenset(clerks))
        return await tell_filing(work.db, filing)


@router.post("/{filing_id}/decision")
async def decide(court: TheCourt, me: Me, filing_id: str, asked: Decision) -> FilingOut:
    """Accept it, which opens the case; send it back, or reject it, with a reason."""
    if me.account.office != "clerk":
        raise Refusal("role.denied")
    async with court.work() as work:
        filing = await find_filing(work.db, me, filing_id)
        if filing.state != "filed":
            raise Refusal("act.impossible", act=asked.decision, state=filing.state)
        if asked.decision == "accept":
            if asked.judge_id is None or len(asked.number) < 4:
                raise Refusal("request.invalid")
            filer = await work.db.get_one(Account, filing.account_id)
            own = NewParty(
                side="plaintiff", name=filer.name, phone=filer.phone or "", identity_number=filer.identity_number
            )
            parties = [own, NewParty(side="defendant", **filing.defendant)]
            new = NewCase(
                number=asked.number, title=filing.title, cause=filing.cause, judge_id=asked.judge_id, parties=parties
            )
            case, _ = await open_case(work, new, me.id)
            filing.case_id = case.id
            known = select(Account).where(Account.identity_number.in_([each.identity_number for each in parties]))
            for account in list(await work.db.scalars(known)):
                await bind_parties(work, account)
            for upload in await list_documents(work.db, filing.id):
                hand_in(work, case.id, upload, "plaintiff")
        elif not asked.reason:
            raise Refusal("request.invalid")
        filing.state = {"accept": "accepted", "send_back": "sent_back", "reject": "rejected"}[asked.decision]
        filing.reason, filing.decided = asked.reason, work.now
        work.audit("filing", asked.decision, me.id, filing=filing.id, reason=asked.reason)
        work.tell("filing", filing.id, asked.decision, to=frozenset({filing.account_id}))
        return await tell_filing(work.db, filing)
