"""One process: the court's pages and, mounted beside them, the media's door."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette

import sfu
from court.app import build_court, create_app
from court.config import CourtConfig
from court.demo.seed import seed
from court.media.gate import Gate
from court.media.live_media import KEY, LiveMedia
from sfu.signaling.livekit import create_app as create_door

BASE = CourtConfig.model_fields["base_url"].default


def serve(config: CourtConfig, *, host: str, port: int, demo: bool) -> None:
    """Run until it is interrupted."""
    asyncio.run(_serve(config, host, port, demo))


def open_media(config: CourtConfig, server: sfu.Server, door: Starlette, secret: str, gate: Gate) -> LiveMedia:
    """The media of a court over a server that runs; its signing key is made at the first start."""
    records = config.folder / "records"
    for place in (records, *config.mirrors):
        place.mkdir(parents=True, exist_ok=True)
    key, _ = sfu.load_or_create_signing_key(config.folder / "record-key.pem")
    (config.folder / "record-public.pem").write_bytes(key.public.pem)
    return LiveMedia(
        server,
        door,
        secret,
        records,
        key,
        gate,
        sfu.Journal(config.folder / "journal.jsonl"),
        mirrors=config.mirrors,
        token_lifetime=config.token_lifetime,
    )


@asynccontextmanager
async def open_app(config: CourtConfig, host: str) -> AsyncIterator[FastAPI]:
    """The app of a court with its media, which end with it; `host`: the address that pages and media come to.

    A court on loopback is one to try out: there media take every interface, since Firefox never pairs a candidate on
    loopback.
    """
    media_host = "0.0.0.0" if ipaddress.ip_address(host).is_loopback else host
    async with sfu.Server(sfu.Config(host=media_host)) as server:
        gate = Gate()
        secret = secrets.token_urlsafe(32)
        door = create_door(server, {KEY: secret}, admits=gate.admits, shows=gate.shows)
        open_own = partial(open_media, server=server, door=door, secret=secret, gate=gate)
        media = open_own(config)
        following = asyncio.create_task(media.follow())
        try:
            yield create_app(build_court(config, media=media), door=door, media=open_own)
        finally:
            following.cancel()
            await door.state.close()


async def _serve(config: CourtConfig, host: str, port: int, demo: bool) -> None:
    if config.base_url == BASE:
        config = config.model_copy(update={"base_url": f"http://{host}:{port}"})
    async with open_app(config, host) as app:
        if demo:
            for line in await seed(app.state.court):
                print(line, flush=True)
        print(f"{config.name}: {config.base_url}", flush=True)
        for logger in ("uvicorn.access", "uvicorn.error"):
            logging.getLogger(logger).addFilter(hide_queries)
        await uvicorn.Server(uvicorn.Config(app, host=host, port=port, timeout_graceful_shutdown=3)).serve()


def hide_queries(record: logging.LogRecord) -> bool:
    """Take what stands behind `?` out of a line of the log: tokens do."""
    if isinstance(record.args, tuple):
        hidden = (re.sub(r"\?[^ ]*", "", each) if isinstance(each, str) else each for each in record.args)
        record.args = tuple(hidden)
    return True
