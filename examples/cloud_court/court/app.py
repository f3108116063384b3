"""The court's ASGI app: its routers, its page, and beside them the media's door, in one process."""

from __future__ import annotations

import datetime
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from fastapi import APIRouter, FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from court import errors, info_api
from court.accounts import api as accounts
from court.accounts import handoff
from court.accounts.outbox import send_waiting
from court.adapters.adapters import Adapters
from court.cases import api as cases
from court.config import CourtConfig
from court.court import Court
from court.database.engine import Database
from court.exhibits import api as exhibits
from court.exhibits import uploads
from court.filings import api as filings
from court.hearings import api as hearings
from court.hearings import consultations, entry_api, people_api
from court.hearings.presence import follow_media
from court.live import api as live
from court.media.bridge import Media, NoMedia
from court.practice import practices
from court.records import api as records
from court.records import board_api, listening
from court.records.recovery import go_on, recover_records
from court.registers import api as registers
from court.transcripts import api as transcripts

ROUTERS: Sequence[APIRouter] = (
    info_api.router,
    accounts.router,
    cases.router,
    hearings.router,
    entry_api.router,
    people_api.router,
    consultations.router,
    exhibits.router,
    exhibits.checks,
    uploads.router,
    transcripts.router,
    records.router,
    listening.router,
    board_api.router,
    filings.router,
    registers.router,
    handoff.router,
    practices.router,
    live.router,
)
WEB = Path(__file__).parents[1] / "web" / "dist"


def utc_now() -> datetime.datetime:
    """The time."""
    return datetime.datetime.now(datetime.UTC)


def open_secret(folder: Path) -> bytes:
    """The key of all hashes of codes; made at the first start."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "secret.key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


def build_court(
    config: CourtConfig,
    *,
    media: Media | None = None,
    adapters: Adapters | None = None,
    clock: Callable[[], datetime.datetime] = utc_now,
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> Court:
    """One court by its configuration; what is not given is the real thing, but for the media."""
    secret = open_secret(config.folder)
    return Court(config, Database(config.database), adapters or Adapters(), media or NoMedia(), secret, clock, random)


class NoNul:
    """Answers 404 to an address with a NUL: no database of ours can be asked for one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and ("\0" in scope["path"] or b"%00" in scope["query_string"]):
            await errors.build_problem("not_found", *errors.CODES["not_found"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)


OpenMedia = Callable[[CourtConfig], Media]


def no_media(config: CourtConfig) -> Media:
    """A practice without rooms."""
    return NoMedia()


def open_practice(real: Court, media: OpenMedia, web: Path, folder: Path, path: str) -> tuple[Court, FastAPI]:
    """A court of its own in a folder, with nothing of the real one but its name, its clock and its rules."""
    config = real.config.model_copy(
        update={
            "folder": folder,
            "database_url": "",
            "mirrors": (),
            "practice": True,
            "cookie": "court_practice",
            "base_url": f"{real.config.base_url}{path}",
            "media_url": real.config.media_url or f"{real.config.base_url.replace('http', 'ws', 1)}/media",
        }
    )
    court = build_court(config, media=media(config), clock=real.clock, random=real.random)
    court.passwords = real.passwords
    follow_media(court)
    return court, create_app(court, web=web)


def create_app(court: Court, *, door: ASGIApp | None = None, media: OpenMedia = no_media, web: Path = WEB) -> FastAPI:
    """The app of one court. `door`: that of the media, below `/media`; `media`: makes those of a practice."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await court.database.migrate()
            stack.push_async_callback(court.database.close)
            stack.push_async_callback(court.players.close)
            follow_media(court)
            court.later(recover_records(court, await go_on(court)))
            court.later(send_waiting(court))
            stack.push_async_callback(app.state.practices.close)
            yield
            for task in list(court.tasks):
                task.cancel()

    app = FastAPI(
        title=court.config.name,
        version="1",
        lifespan=run,
        docs_url="/api/docs",
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=errors.RESPONSES,
    )
    app.add_middleware(NoNul)
    app.state.court = court
    app.state.practices = practices.Practices(partial(open_practice, court, media, web), court.clock)
    errors.install(app)
    errors.describe(app)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/practice", app.state.practices)
    if door is not None:

        @app.head("/media", include_in_schema=False)
        async def tell_alive() -> Response:
            """Clients of the media ask here, without a slash, whether their network is back."""
            return Response(headers={"Access-Control-Allow-Origin": "*"})

        app.mount("/media", door)
    if web.is_dir():
        pages = StaticFiles(directory=web, html=True)
        app.mount("/", GZipMiddleware(pages, compresslevel=6))  # what the court says stays as it is (BREACH)
    return app
