"""One process: the court's pages and, mounted beside them, the media's door."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.applications import Starlette

import sfu
from court.app import build_court, create_app
from court.config import CourtConfig
from court.demo.seed import seed
from court.media.gate import Gate
from court.media.live_media import KEY, LiveMedia
from sfu.node.http.limits import HttpLimits
from sfu.node.one_port import OnePort, PortOptions
from sfu.signaling.livekit import LiveKitOptions
from sfu.signaling.livekit import create_app as create_door

BASE = CourtConfig.model_fields["base_url"].default
PROXIES = ("127.0.0.1", "::1")
"""One that speaks TLS on this machine is believed."""
UPLOAD_S = 300.0
"""For a piece of an upload, of 4 MB, on a slow line."""


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
    journal = sfu.Journal(config.folder / "journal.jsonl")
    journal.check()  # makes it: one that is not there would keep a record from being recovered
    return LiveMedia(
        server,
        door,
        secret,
        records,
        key,
        gate,
        journal,
        mirrors=config.mirrors,
        token_lifetime=config.token_lifetime,
    )


@asynccontextmanager
async def open_court(config: CourtConfig, host: str, port: int) -> AsyncIterator[tuple[FastAPI, OnePort]]:
    """The app of a court with its media, and the port that shall serve it; both end here. `host`: the address that
    pages and media come to.

    A court on loopback is one to try out: there media take every interface, since Firefox never pairs a candidate on
    loopback.
    """
    media_host = "0.0.0.0" if ipaddress.ip_address(host).is_loopback else host
    options = PortOptions(
        host=host,
        port=port,
        tls_cert=config.tls_cert,
        tls_key=config.tls_key,
        trusted_proxies=PROXIES,
        limits=HttpLimits(request_timeout=UPLOAD_S),
        shutdown_s=3,
    )
    async with sfu.Server(sfu.Config(host=media_host, announce=config.announce)) as server:
        with OnePort(server, options) as one_port:
            secure = config.secure_cookies or bool(config.tls_cert)
            url = one_port.url if config.base_url == BASE else config.base_url
            config = config.model_copy(update={"secure_cookies": secure, "base_url": url})
            gate = Gate()
            secret = secrets.token_urlsafe(32)
            spoken = LiveKitOptions(own_turn=one_port.turn)
            door = create_door(server, {KEY: secret}, spoken, admits=gate.admits, shows=gate.shows)
            open_own = partial(open_media, server=server, door=door, secret=secret, gate=gate)
            media = open_own(config)
            following = asyncio.create_task(media.follow())
            try:
                yield create_app(build_court(config, media=media), door=door, media=open_own), one_port
            finally:
                following.cancel()
                await door.state.close()


async def _serve(config: CourtConfig, host: str, port: int, demo: bool) -> None:
    async with open_court(config, host, port) as (app, one_port):
        court = app.state.court
        if demo:
            for line in await seed(court):
                print(line, flush=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, one_port.stop)
        await one_port.serve(app, lambda: print(f"{court.config.name} is open: {court.config.base_url}", flush=True))
