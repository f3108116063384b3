"""Attempts are counted before they are judged, in a transaction of their own: a refusal does not undo the count."""

from __future__ import annotations

import datetime
import hashlib
import math

from court.accounts.models import Attempts
from court.court import Court
from court.errors import Refusal


async def spend_attempt(court: Court, what: str, limit: int | None = None, window: int | None = None) -> None:
    """Count one; refuse when there were more than `limit` in `window` seconds. By default those of log-ins."""
    limit = court.config.login_attempts if limit is None else limit
    lasting = datetime.timedelta(seconds=court.config.lockout if window is None else window)
    key = hashlib.sha256(what.encode()).hexdigest()
    now = court.now()
    async with court.database.write() as db:
        row = await db.get(Attempts, key)
        if row is None:
            db.add(Attempts(key=key, count=1, since=now))
            return
        if now >= row.since + lasting:
            row.count, row.since = 0, now
        row.count += 1
        count, left = row.count, row.since + lasting - now
    if count > limit:
        raise Refusal("attempts.too_many", retry_after=math.ceil(left.total_seconds()))


async def forget_attempts(court: Court, what: str) -> None:
    """It was right: start anew."""
    async with court.database.write() as db:
        row = await db.get(Attempts, hashlib.sha256(what.encode()).hexdigest())
        if row is not None:
            await db.delete(row)
