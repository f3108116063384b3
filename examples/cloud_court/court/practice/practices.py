"""Practice courts, each below a path of its own: nothing of them touches the real court's database or files."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import math
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from court.accounts.login import TheCourt
from court.court import Court
from court.demo.seed import seed
from court.errors import Refusal, not_found

router = APIRouter(prefix="/api/practice", tags=["practice"])

MOST = 20
LIFETIME = datetime.timedelta(hours=2)
STARTS_AN_HOUR = 60
HOUR = datetime.timedelta(hours=1)


class PracticeOut(BaseModel):
    """A practice court: its API stands below `base`; `base` + `/api/demo` says whom one can be in it."""

    id: str
    base: str
    expires: datetime.datetime


@dataclass
class Practice:
    """One that runs."""

    court: Court
    app: FastAPI
    folder: Path
    expires: datetime.datetime


Open = Callable[[Path, str], tuple[Court, FastAPI]]
"""Makes a practice court in a folder, below a path."""


class Practices:
    """All that run, as an ASGI app that hands requests on."""

    def __init__(self, open: Open, clock: Callable[[], datetime.datetime]) -> None:
        self._open = open
        self._clock = clock
        self._running: dict[str, Practice] = {}
        self._begun: collections.deque[datetime.datetime] = collections.deque(maxlen=STARTS_AN_HOUR)
        """When the newest ones were begun: known here alone, since a practice leaves nothing in the database."""

    async def start(self, id: str) -> Practice:
        """Begin one, seeded; the oldest ends where there are too many."""
        self._count()
        await self.end_expired()
        if len(self._running) >= MOST:
            await self.end(next(iter(self._running)))
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, "", "court-practice-"))
        court, app = self._open(folder, f"/practice/{id}")
        practice = Practice(court, app, folder, self._clock() + LIFETIME)
        self._running[id] = practice
        await seed(court)
        return practice

    def _count(self) -> None:
        now = self._clock()
        if len(self._begun) == STARTS_AN_HOUR and (left := self._begun[0] + HOUR - now) > datetime.timedelta():
            raise Refusal("attempts.too_many", retry_after=math.ceil(left.total_seconds()))
        self._begun.append(now)

    async def end(self, id: str) -> None:
        """Throw one away, with all that it has on disk."""
        practice = self._running.pop(id, None)
        if practice is None:
            raise not_found()
        for task in list(practice.court.tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await practice.court.media.end()
        await practice.court.players.close()
        await practice.court.database.close()
        await asyncio.to_thread(shutil.rmtree, practice.folder)

    async def end_expired(self) -> None:
        """Throw away what is over."""
        now = self._clock()
        for id in [id for id, each in self._running.items() if each.expires <= now]:
            await self.end(id)

    async def close(self) -> None:
        """Throw all away."""
        for id in list(self._running):
            await self.end(id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to its court."""
        path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        id = path.strip("/").partition("/")[0]
        practice = self._running.get(id)
        if practice is None:
            if scope["type"] == "http":
                await PlainTextResponse("this practice is over", 404)(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 4404})
            return
        below = {**scope, "root_path": f"{scope.get('root_path', '')}/{id}", "app_root_path": ""}
        await practice.app(below, receive, send)


@router.post("", status_code=201)
async def start(court: TheCourt, request: Request) -> PracticeOut:
    """Begin a practice: everybody may. Nothing that is done in it reaches this court."""
    if court.config.practice:
        raise Refusal("role.denied")
    practices: Practices = request.app.state.practices
    id = court.new_id()
    practice = await practices.start(id)
    return PracticeOut(id=id, base=f"/practice/{id}", expires=practice.expires)


@router.delete("/{practice_id}", status_code=204)
async def end(court: TheCourt, practice_id: str, request: Request) -> None:
    """Throw a practice away; who knows its id may."""
    practices: Practices = request.app.state.practices
    await practices.end(practice_id)
