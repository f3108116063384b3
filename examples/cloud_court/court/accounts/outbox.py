"""The SMS outbox: a message is written with what it tells of, and sent afterwards; a retry never sends twice."""

from __future__ import annotations

from sqlalchemy import select

from court.accounts.models import SmsMessage
from court.court import Court, Work

MOST_ATTEMPTS = 10


async def queue_sms(work: Work, reason: str, phone: str, text: str) -> None:
    """Put a message into the outbox, unless one for this reason is there already."""
    known = await work.db.scalar(select(SmsMessage).where(SmsMessage.reason == reason))
    if known is not None:
        return
    id = work.court.new_id()
    work.db.add(
        SmsMessage(
            id=id,
            reason=reason,
            phone=phone,
            text=text,
            created=work.now,
            sent=None,
            superseded=None,
            attempts=0,
        )
    )
    await work.db.flush()
    work.order(lambda: send_waiting(work.court))


async def supersede_sms(work: Work, reason_prefix: str) -> None:
    """What is older counts no more: what was not sent yet never is."""
    older = select(SmsMessage).where(SmsMessage.reason.startswith(reason_prefix), SmsMessage.superseded.is_(None))
    for message in await work.db.scalars(older):
        message.superseded = work.now


async def send_waiting(court: Court) -> None:
    """Send what waits. A message is marked before it goes out, so none goes twice."""
    async with court.database.read() as db:
        waiting = select(SmsMessage.id).where(
            SmsMessage.sent.is_(None), SmsMessage.superseded.is_(None), SmsMessage.attempts < MOST_ATTEMPTS
        )
        ids = list(await db.scalars(waiting.order_by(SmsMessage.created, SmsMessage.id)))
    for id in ids:
        async with court.database.write() as db:
            message = await db.get_one(SmsMessage, id)
            if message.sent is not None or message.superseded is not None:
                continue
            message.sent = court.now()
            message.attempts += 1
            phone, text = message.phone, message.text
        try:
            await court.adapters.sms.send(phone, text)
        except OSError:  # it did not go out: it waits for the next time
            async with court.database.write() as db:
                (await db.get_one(SmsMessage, id)).sent = None
