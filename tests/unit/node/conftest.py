"""A node in development, without a listener: its server, its app, and a client with a token for the lobby."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette

import sfu
from sfu.node.app import create_node_app
from sfu.node.config.settings import Settings
from sfu.node.config.sources import load_settings
from sfu.node.tokens import DEV_KEY_ID, issue_token


@pytest.fixture
def settings() -> Settings:
    return load_settings({"dev": True}, None)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[sfu.Server]:
    async with sfu.Server(settings.build_config()) as server:
        yield server


@pytest.fixture
async def app(server: sfu.Server, settings: Settings) -> AsyncIterator[Starlette]:
    app = create_node_app(server, settings)
    yield app
    await app.state.signaling.close()


@pytest.fixture
async def http(app: Starlette, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    secret = settings.secrets()[DEV_KEY_ID]
    token = issue_token(DEV_KEY_ID, secret, room="lobby", now=time.time(), ttl=60, publish=True, subscribe=True)
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://sfu.test", headers=headers) as http:
        yield http
