"""One process: the court's pages and, mounted beside them, the media's door."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial

import uvicorn
from starlette.applications import Starlette

import sfu
from court.app import build_court, create_app
from court.config import CourtConfig
from court.media.live_media import KEY, LiveMedia
from sfu.signaling.livekit import create_app as create_door


def serve(config: CourtConfig, *, host: str, port: int, demo: bool) -> None:
    """Run until it is interrupted."""
    asyncio.run(_serve(config, host, port, demo))


def open_media(
    config: CourtConfig, server: sfu.Server, door: Starlette, secret: str, admitted: set[tuple[str, str]]
) -> LiveMedia:
    """The media of a court over a server that runs; its signing key is made at the first start."""
    records = config.folder / "records"
    records.mkdir(parents=True, exist_ok=True)
    key, _ = sfu.load_or_create_signing_key(config.folder / "record-key.pem")
    (config.folder / "record-public.pem").write_bytes(key.public.pem)
    return LiveMedia(
        server,
        door,
        secret,
        records,
        key,
        sfu.Journal(config.folder / "journal.jsonl"),
        token_lifetime=config.token_lifetime,
        admitted=admitted,
    )


async def _serve(config: CourtConfig, host: str, port: int, demo: bool) -> None:
    config = config.model_copy(update={"base_url": f"http://{host}:{port}"}) if config.base_url == BASE else config
    async with sfu.Server(sfu.Config(host=host)) as server:
        secret = secrets.token_urlsafe(32)
        admitted: set[tuple[str, str]] = set()
        door = create_door(server, {KEY: secret}, admits=lambda room, identity: (room, identity) in admitted)
        open_own = partial(open_media, server=server, door=door, secret=secret, admitted=admitted)
        media = open_own(config)
        court = build_court(config, media=media)
        if demo:
            from court.demo.seed import seed

            for line in await seed(court):
                print(line, flush=True)
        following = asyncio.create_task(media.follow())
        http = uvicorn.Server(
            uvicorn.Config(
                create_app(court, door=door, media=open_own),
                host=host,
                port=port,
                timeout_graceful_shutdown=3,
            )
        )
        print(f"{config.name}: {config.base_url}", flush=True)
        try:
            await http.serve()
        finally:
            following.cancel()
            await door.state.close()


BASE = CourtConfig.model_fields["base_url"].default
