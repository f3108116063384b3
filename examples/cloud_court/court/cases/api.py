"""Cases: all of one on one page, bound once by its password."""

from __future__ import annotations

import datetime

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.attempts import spend_attempt
from court.accounts.login import Login, Me, TheCourt
from court.accounts.models import Account
from court.accounts.outbox import queue_sms
from court.accounts.schemas import Page
from court.cases.binding import bind_by_password, may_see, sees_hearing
from court.cases.models import Case, CaseBinding, Material, Message, Party, Progress
from court.cases.schemas import (
    BindingOut,
    BindingsAsked,
    CaseFull,
    CaseMade,
    CaseOut,
    MaterialOut,
    MessageAsked,
    MessageOut,
    NewCase,
    PartyOut,
    ProgressAsked,
    ProgressOut,
)
from court.court import ALPHABET, Work
from court.errors import Refusal, not_found
from court.exhibits.files import hand_out_one
from court.hearings.api import Limit, Offset
from court.hearings.models import Hearing
from court.hearings.schemas import HearingOut

router = APIRouter(prefix="/api/cases", tags=["cases"])

PASSWORD_LENGTH = 8


@router.get("")
async def list_cases(court: TheCourt, me: Me, offset: Offset = 0, limit: Limit = 50) -> Page[CaseOut]:
    """My cases, the newest first."""
    mine = _mine(me)
    async with court.database.read() as db:
        total = await db.scalar(select(func.count()).select_from(mine.subquery())) or 0
        found = await db.scalars(mine.order_by(Case.created.desc(), Case.id).offset(offset).limit(limit))
        return Page(items=[CaseOut.model_validate(each) for each in found], total=total)


def _mine(me: Login) -> Select[Case]:
    mine = select(Case).where(may_see(me.account))
    if me.session.hearing_id is not None:
        of_hearing = select(Hearing.case_id).where(Hearing.id == me.session.hearing_id)
        mine = mine.where(Case.id.in_(of_hearing))
    return mine


async def find_mine(db: AsyncSession, me: Login, case_id: str) -> Case:
    """One of my cases; another's is not found."""
    case = await db.scalar(_mine(me).where(Case.id == case_id))
    if case is None:
        raise not_found()
    return case


async def open_case(work: Work, asked: NewCase, subject: str) -> tuple[Case, str]:
    """Enter a case into the registry, and send its parties the password, which is kept as a hash and returned, too."""
    court = work.court
    judge = await work.db.get(Account, asked.judge_id)
    if judge is None or judge.office != "judge":
        raise not_found()
    if await work.db.scalar(select(Case.id).where(Case.number == asked.number)):
        raise Refusal("case.bound")
    password = court.draw(ALPHABET, PASSWORD_LENGTH)
    case = Case(
        id=court.new_id(),
        number=asked.number,
        title=asked.title,
        cause=asked.cause,
        judge_id=judge.id,
        password_hash=court.seal(f"case:{asked.number}", password),
        created=work.now,
    )
    work.db.add(case)
    await work.db.flush()
    for each in asked.parties:
        work.db.add(Party(id=court.new_id(), case_id=case.id, account_id=None, **each.model_dump()))
        text = (
            f"【{court.config.name}】{each.name}：{case.number}（{case.title}）已立案，案件密码 {password}。"
            f"在 {court.config.base_url}/#/cases 凭案号与密码绑定一次，此后无需再输。"
        )
        await queue_sms(work, f"case:{case.id}:{each.phone}", each.phone, text)
    note_progress(work, case.id, "filed", f"立案：{asked.title}")
    work.audit("case", "open", subject, case=case.id, number=case.number)
    await work.db.flush()
    return case, password


def note_progress(work: Work, case_id: str, kind: str, text: str) -> None:
    """Something happened in a case."""
    work.db.add(Progress(id=work.court.new_id(), case_id=case_id, at=work.now, kind=kind, text=text))


@router.post("", status_code=201)
async def add(court: TheCourt, me: Me, asked: NewCase) -> CaseMade:
    """Open a case without a filing."""
    if me.account.office != "clerk":
        raise Refusal("role.denied")
    async with court.work() as work:
        case, password = await open_case(work, asked, me.id)
        return CaseMade(**CaseOut.model_validate(case).model_dump(), password=password)


@router.post("/bind")
async def bind(court: TheCourt, me: Me, asked: BindingsAsked) -> list[BindingOut]:
    """Bind cases by their passwords, once and for good; each says by itself what became of it."""
    if me.session.hearing_id is not None:
        raise Refusal("role.denied")
    told = []
    for each in asked.cases:
        try:
            await spend_attempt(court, f"case:{each.number}:{me.id}")
            async with court.work() as work:
                case = await work.db.scalar(select(Case).where(Case.number == each.number))
                secret = court.seal(f"case:{each.number}", each.password)
                await bind_by_password(work, case, secret, me.account, each.side)
                told.append(BindingOut(number=each.number, case_id=None if case is None else case.id, code=""))
        except Refusal as refusal:
            told.append(BindingOut(number=each.number, case_id=None, code=refusal.code))
    return told


@router.get("/{case_id}")
async def get_case(court: TheCourt, me: Me, case_id: str) -> CaseFull:
    """All of a case on one page. What is shown to a recipient counts as delivered."""
    async with court.work() as work:
        db = work.db
        case = await find_mine(db, me, case_id)
        judge = await db.get_one(Account, case.judge_id)
        binding = await db.get(CaseBinding, (case_id, me.id))
        parties = await db.scalars(
            select(Party).where(Party.case_id == case_id).order_by(Party.side.desc(), Party.name)
        )
        hearings = await db.scalars(
            select(Hearing).where(Hearing.case_id == case_id, sees_hearing(me.account)).order_by(Hearing.start)
        )
        events = await db.scalars(
            select(Progress).where(Progress.case_id == case_id).order_by(Progress.at, Progress.id)
        )
        return CaseFull(
            **CaseOut.model_validate(case).model_dump(),
            role=me.account.office if binding is None else binding.role,
            judge_name=judge.name,
            parties=[PartyOut.model_validate(each) for each in parties],
            hearings=[HearingOut.model_validate(each) for each in hearings],
            progress=[ProgressOut.model_validate(each) for each in events],
            messages=await _deliver(work, case_id, me.id),
            materials=await list_materials(db, me, case_id),
        )


async def list_materials(db: AsyncSession, me: Login, case_id: str) -> list[MaterialOut]:
    """One's own; the court sees all."""
    query = select(Material).where(Material.case_id == case_id).order_by(Material.received, Material.id)
    if not me.account.is_staff:
        query = query.where(Material.account_id == me.id)
    return [MaterialOut.model_validate(each) for each in await db.scalars(query)]


@router.get("/{case_id}/materials/{material_id}/file")
async def get_material(court: TheCourt, me: Me, case_id: str, material_id: str) -> StreamingResponse:
    """What was handed in, for who did and for the court."""
    async with court.database.read() as db:
        await find_mine(db, me, case_id)
        row = await db.get(Material, material_id)
    if row is None or row.case_id != case_id or not (me.account.is_staff or row.account_id == me.id):
        raise not_found()
    return hand_out_one(court.config, row.name, row.sha256)


async def _deliver(work: Work, case_id: str, account: str) -> list[MessageOut]:
    query = select(Message).where(
        Message.case_id == case_id, (Message.sender_id == account) | (Message.recipient_id == account)
    )
    found = list(await work.db.scalars(query.order_by(Message.sent, Message.id)))
    for message in found:
        if message.recipient_id == account and message.delivered is None:
            message.delivered = work.now
            work.tell("messages", message.id, "delivered", to=frozenset({message.sender_id}))
    return [MessageOut.model_validate(each) for each in found]


@router.get("/{case_id}/progress")
async def list_progress(court: TheCourt, me: Me, case_id: str) -> list[ProgressOut]:
    """What happened in a case, dated."""
    async with court.database.read() as db:
        await find_mine(db, me, case_id)
        found = await db.scalars(select(Progress).where(Progress.case_id == case_id).order_by(Progress.at, Progress.id))
        return [ProgressOut.model_validate(each) for each in found]


@router.post("/{case_id}/progress", status_code=201)
async def add_progress(court: TheCourt, me: Me, case_id: str, asked: ProgressAsked) -> None:
    """The registry enters an event."""
    if not me.account.is_staff:
        raise Refusal("role.denied")
    async with court.work() as work:
        await find_mine(work.db, me, case_id)
        note_progress(work, case_id, asked.kind, asked.text)
        work.audit("case", "progress", me.id, case=case_id, event=asked.kind)
        bound = select(CaseBinding.account_id).where(CaseBinding.case_id == case_id)
        work.tell("case", case_id, "progress", to=frozenset(await work.db.scalars(bound)))


@router.get("/{case_id}/messages")
async def list_messages(court: TheCourt, me: Me, case_id: str) -> list[MessageOut]:
    """One's own messages of a case; to be shown them is to have them delivered."""
    async with court.work() as work:
        await find_mine(work.db, me, case_id)
        return await _deliver(work, case_id, me.id)


@router.post("/{case_id}/messages", status_code=201)
async def send_message(court: TheCourt, me: Me, case_id: str, asked: MessageAsked) -> MessageOut:
    """Write to the judge of the case; the judge answers to somebody of it."""
    async with court.work() as work:
        case = await find_mine(work.db, me, case_id)
        to = case.judge_id
        if me.id == case.judge_id:
            bound = (
                None if asked.recipient_id is None else await work.db.get(CaseBinding, (case_id, asked.recipient_id))
            )
            if bound is None:
                raise not_found()
            to = bound.account_id
        elif await work.db.get(CaseBinding, (case_id, me.id)) is None:
            raise Refusal("role.denied")
        today = work.now - datetime.timedelta(days=1)
        count = select(func.count()).where(Message.case_id == case_id, Message.sender_id == me.id, Message.sent > today)
        if (await work.db.scalar(count) or 0) >= court.config.messages_a_day:
            raise Refusal("messages.too_many", limit=court.config.messages_a_day)
        message = Message(
            id=court.new_id(),
            case_id=case_id,
            sender_id=me.id,
            recipient_id=to,
            text=asked.text,
            sent=work.now,
            delivered=work.now if court.hub.count(to) else None,
            read=None,
        )
        work.db.add(message)
        work.audit("message", "send", me.id, case=case_id, message=message.id)
        work.tell("messages", message.id, "sent", to=frozenset({to, me.id}))
        return MessageOut.model_validate(message)


@router.post("/{case_id}/messages/{message_id}/read")
async def read_message(court: TheCourt, me: Me, case_id: str, message_id: str) -> MessageOut:
    """Its recipient has read it."""
    async with court.work() as work:
        await find_mine(work.db, me, case_id)
        message = await work.db.get(Message, message_id)
        if message is None or message.case_id != case_id or message.recipient_id != me.id:
            raise not_found()
        message.delivered = message.delivered or work.now
        message.read = message.read or work.now
        work.tell("messages", message.id, "read", to=frozenset({message.sender_id}))
        return MessageOut.model_validate(message)
