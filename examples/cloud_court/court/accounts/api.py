"""Registration, log-in and log-out."""

from __future__ import annotations

import asyncio
import datetime

from argon2.exceptions import VerificationError
from fastapi import APIRouter, Request, Response
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from court.accounts.attempts import forget_attempts, spend_attempt
from court.accounts.login import Me, TheCourt, open_session
from court.accounts.models import Account, OneTimeCode, Session
from court.accounts.outbox import queue_sms
from court.accounts.schemas import (
    AccountOut,
    CodeRequest,
    HearingLogin,
    MeOut,
    PasswordLogin,
    Registration,
)
from court.cases.binding import bind_parties
from court.court import Court, Work
from court.errors import Refusal
from court.hearings.codes import claim_code

router = APIRouter(prefix="/api", tags=["accounts"])

LEAST_PASSWORD = 8
CODES_AN_HOUR = 5
CODE_TRIES = 20


@router.post("/register/code", status_code=202)
async def send_code(court: TheCourt, asked: CodeRequest) -> None:
    """Send a one-time code to a phone. The answer is the same whether the phone has an account or not."""
    await spend_attempt(court, f"code:{asked.phone}", CODES_AN_HOUR, 3600)
    code = court.draw("0123456789", 6)
    async with court.work() as work:
        await work.db.execute(
            delete(OneTimeCode).where(OneTimeCode.phone == asked.phone, OneTimeCode.purpose == "register")
        )
        work.db.add(
            OneTimeCode(
                phone=asked.phone,
                purpose="register",
                code_hash=court.seal(f"once:{asked.phone}", code),
                expires=work.now + datetime.timedelta(seconds=court.config.code_lifetime),
                attempts_left=court.config.code_attempts,
            )
        )
        text = f"【{court.config.name}】验证码 {code}，{court.config.code_lifetime // 60} 分钟内有效。请勿告知他人。"
        await queue_sms(work, f"code:{court.new_id()}", asked.phone, text)


async def _spend_code(court: Court, phone: str, code: str) -> None:
    """Count an attempt, also of a request that then fails."""
    async with court.database.write() as db:
        row = await db.get(OneTimeCode, (phone, "register"))
        good = row is not None and row.expires > court.now() and row.attempts_left > 0
        if row is not None:
            row.attempts_left -= 1
            good = good and row.code_hash == court.seal(f"once:{phone}", code)
    if not good:
        raise Refusal("code.wrong")


@router.post("/register", status_code=201)
async def register(court: TheCourt, asked: Registration, response: Response) -> MeOut:
    """Make an account, bind it to the parties whom the court registered for this person, and log in."""
    if len(asked.password) < LEAST_PASSWORD:
        raise Refusal("password.weak", least=LEAST_PASSWORD)
    await _spend_code(court, asked.phone, asked.code)
    if not await court.adapters.identity.check(asked.name, asked.identity_number, ""):
        raise Refusal("identity.failed")
    password_hash = await asyncio.to_thread(court.passwords.hash, asked.password)
    async with court.work() as work:
        if await work.db.scalar(select(Account).where(Account.phone == asked.phone)):
            raise Refusal("phone.taken")
        account = Account(
            id=court.new_id(),
            phone=asked.phone,
            name=asked.name,
            identity_number=asked.identity_number,
            password_hash=password_hash,
            office=asked.office,
            created=work.now,
        )
        work.db.add(account)
        await work.db.flush()
        await work.db.execute(delete(OneTimeCode).where(OneTimeCode.phone == asked.phone))
        bound = await bind_parties(work, account)
        work.audit("account", "register", account.id, bound=bound)
        return _tell(account, open_session(work, account, response))


@router.post("/login")
async def log_in(court: TheCourt, asked: PasswordLogin, response: Response) -> MeOut:
    """Log in by phone and password."""
    await spend_attempt(court, f"login:{asked.phone}")
    async with court.database.read() as db:
        account = await db.scalar(select(Account).where(Account.phone == asked.phone))
    if not await asyncio.to_thread(_is_password, court, account, asked.password) or account is None:
        raise Refusal("login.wrong")
    await forget_attempts(court, f"login:{asked.phone}")
    async with court.work() as work:
        await bind_parties(work, account)
        work.audit("account", "login", account.id)
        return _tell(account, open_session(work, account, response))


def _is_password(court: Court, account: Account | None, password: str) -> bool:
    if account is None or not account.password_hash:
        court.passwords.hash(password)  # so that the time does not tell who has an account
        return False
    try:
        return court.passwords.verify(account.password_hash, password)
    except VerificationError:
        return False


@router.post("/login/hearing")
async def log_in_by_code(court: TheCourt, asked: HearingLogin, request: Request, response: Response) -> MeOut:
    """Enter by hearing number and personal code. Identity is still to be confirmed before the room opens."""
    await _spend_try(court, asked.number, request)
    async with court.work() as work:
        account, hearing = await claim_code(work, asked.number, asked.code, None)
        return _tell(account, open_session(work, account, response, hearing.id))


async def _spend_try(court: Court, number: str, request: Request) -> None:
    """So many tries from one address, and so many more for a hearing, that nobody else locks its people out."""
    address = "" if request.client is None else request.client.host
    await spend_attempt(court, f"hearing:{number}:{address}", CODE_TRIES)
    await spend_attempt(court, f"hearing:{number}", 100 * CODE_TRIES)


@router.post("/claim")
async def claim(court: TheCourt, me: Me, asked: HearingLogin, request: Request) -> dict[str, str]:
    """Bind an invitation, by its code, to the account that is logged in."""
    await _spend_try(court, asked.number, request)
    async with court.work() as work:
        _, hearing = await claim_code(work, asked.number, asked.code, me.account)
        return {"hearing_id": hearing.id}


@router.post("/logout", status_code=204)
async def log_out(court: TheCourt, me: Me, response: Response) -> None:
    """End this session."""
    async with court.work() as work:
        await _end(work.db, me.session.id)
        work.audit("account", "logout", me.id)
    response.delete_cookie(court.config.cookie)


async def _end(db: AsyncSession, session: str) -> None:
    row = await db.get(Session, session)
    if row is not None:  # rows that name it stay: it only counts no more
        row.expires = row.created


@router.get("/me")
async def get_me(me: Me) -> MeOut:
    """Who is logged in."""
    return _tell(me.account, me.session)


def _tell(account: Account, session: Session) -> MeOut:
    return MeOut(account=AccountOut.model_validate(account), csrf=session.csrf, hearing_id=session.hearing_id)


async def end_sessions_of(work: Work, hearing_id: str) -> None:
    """Log-ins by code end with their hearing's sealing."""
    for session in await work.db.scalars(select(Session).where(Session.hearing_id == hearing_id)):
        session.expires = work.now
