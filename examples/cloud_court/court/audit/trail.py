"""Lines are appended in the transaction of what they tell of; anybody can check the chain by its bytes."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from court.audit.models import AuditEvent
from sfu.recording import Chain

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
MICROSECOND = datetime.timedelta(microseconds=1)


async def append_line(db: AsyncSession, chain: str, kind: str, now: datetime.datetime, fields: dict[str, Any]) -> None:
    """Append to a chain; `t_us` of its lines counts from the Unix epoch. The caller is the only writer."""
    newest = select(AuditEvent).where(AuditEvent.chain == chain).order_by(AuditEvent.n.desc()).limit(1)
    last = await db.scalar(newest)
    made = Chain() if last is None else Chain(n=last.n + 1, prev=last.head, t_us=last.t_us)
    line = made.append(kind, (now - EPOCH) // MICROSECOND, **fields)
    db.add(AuditEvent(chain=chain, n=made.n - 1, head=made.prev, t_us=made.t_us, line=line))
    await db.flush()


async def read_chain(db: AsyncSession, chain: str) -> bytes:
    """All lines of a chain, as they stand in its package."""
    lines = await db.scalars(select(AuditEvent.line).where(AuditEvent.chain == chain).order_by(AuditEvent.n))
    return b"".join(lines)
