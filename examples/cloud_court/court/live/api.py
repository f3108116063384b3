"""One WebSocket for all news of one page."""

from __future__ import annotations

import asyncio
import contextlib

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy import select

from court.accounts.login import MaybeMe, TheCourt
from court.cases.binding import sees_hearing
from court.court import Court
from court.hearings.entering import sees_proceedings
from court.hearings.models import Hearing, Person
from court.live.hub import Listener

router = APIRouter(prefix="/api", tags=["live"])

NOT_LOGGED_IN, TOO_MANY, START_ANEW = 4401, 4429, 4408
"""Why the socket is closed, as WebSocket codes."""


@router.websocket("/live")
async def follow(websocket: WebSocket, court: TheCourt, me: MaybeMe) -> None:
    """Tell what changes in one's hearings and cases: `{topic, id, what, version, hearing}`; then ask for it."""
    origin = websocket.headers.get("origin", "")
    host = websocket.headers.get("host", "")
    if me is None or (origin and origin.split("://")[-1] != host):
        await websocket.close(NOT_LOGGED_IN)
        return
    hearings = await _list_hearings(court, me.id, me.session.hearing_id, me.account.office)
    listener = court.hub.listen(me.id, hearings)
    if listener is None:
        await websocket.close(TOO_MANY)
        return
    await websocket.accept()
    try:
        await websocket.send_json({"topic": "live", "id": me.id, "what": "ready", "version": 0})
        sending = asyncio.create_task(_send(websocket, listener))
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()  # pings of the page; what they say does not matter
        sending.cancel()
    finally:
        court.hub.leave(listener)


async def _send(websocket: WebSocket, listener: Listener) -> None:
    while True:
        news = await listener.queue.get()
        if news is None or listener.lost:
            await websocket.close(START_ANEW)
            return
        await websocket.send_json(
            {
                "topic": news.topic,
                "id": news.id,
                "what": news.what,
                "version": news.version,
                "hearing": news.hearing,
            }
        )


async def _list_hearings(court: Court, account: str, only: str | None, office: str) -> dict[str, bool]:
    from court.accounts.models import Account

    async with court.database.read() as db:
        me = await db.get_one(Account, account)
        seen = select(Hearing.id).where(sees_hearing(me))
        found = dict.fromkeys(await db.scalars(seen), office == "clerk")
        for person in await db.scalars(select(Person).where(Person.account_id == account)):
            found[person.hearing_id] = sees_proceedings(person)
    return found if only is None else {id: sees for id, sees in found.items() if id == only}
