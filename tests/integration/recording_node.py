"""A real node's recording of the room *lobby*, and somebody who publishes there."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import httpx

from tests.integration.clients import client
from tests.integration.node_log import PATIENCE_S, Log
from tests.unit.node.process import node

RECORDING = "/rooms/lobby/recording"


@contextlib.asynccontextmanager
async def recording_node(*arguments: str) -> AsyncIterator[tuple[subprocess.Popen[str], Log, httpx.AsyncClient]]:
    """A node, its log, and who may ask it about the room."""
    with node("--log-format", "json", *arguments) as (process, url, token):
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_S) as http:
            yield process, Log(process), http


async def begin_recording(http: httpx.AsyncClient) -> dict[str, Any]:
    """Begin, and wait until something is written; what was told of the recording."""
    started: dict[str, Any] = (await http.post(RECORDING)).json()
    await written(http, 60_000)
    return started


@contextlib.asynccontextmanager
async def publishing(http: httpx.AsyncClient) -> AsyncIterator[None]:
    """Somebody publishes, and is gone without a word."""
    async with client() as alice:
        alice.send()
        made = await http.post(
            "/rooms/lobby/whip", content=await alice.offer(), headers={"Content-Type": "application/sdp"}
        )
        assert made.status_code == 201, made.text
        await alice.take_answer(made.text)
        yield


async def written(http: httpx.AsyncClient, more: int) -> None:
    async def bytes_now() -> int:
        return int((await http.get(RECORDING)).json()["recorders"][0]["bytes"])

    wanted = await bytes_now() + more
    async with asyncio.timeout(PATIENCE_S):
        while await bytes_now() < wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
