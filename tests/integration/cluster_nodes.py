"""Real nodes of one cluster, and who asks them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

import httpx
from livekit import api

from sfu.node.tokens import issue_token
from tests.integration.node_log import PATIENCE_S, Log
from tests.unit.node.process import node
from tests.unit.offers import make_offer

SECRET = "k" * 32
LIVEKIT_SECRET = "s" * 40
SDP = {"Content-Type": "application/sdp"}
SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))


class ClusterNode:
    """One of them. Its public URL is that of its own listener, which it learns from the test."""

    def __init__(self, name: str, process: subprocess.Popen[str], url: str) -> None:
        self.name = name
        self.process = process
        self.url = url
        self.log = Log(process)

    async def ask(self, method: str, path: str, **more: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {make_token()}", **more.pop("headers", {})}  # type: ignore[dict-item]
        async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
            return await http.request(method, self.url + path, headers=headers, **more)  # type: ignore[arg-type]

    async def call(self, method: str, body: dict[str, object]) -> httpx.Response:
        """One of LiveKit's RoomService."""
        grants = api.VideoGrants(room_create=True, room_list=True, room_admin=True, room=str(body.get("room", "")))
        token = api.AccessToken("key", LIVEKIT_SECRET).with_grants(grants).to_jwt()
        path = f"/twirp/livekit.RoomService/{method}"
        return await self.ask("POST", path, json=body, headers={"Authorization": f"Bearer {token}"})

    async def publish(self, room: str, peer: str, offer: str = SEND) -> httpx.Response:
        """An offer, to this node alone: nothing is followed."""
        return await self.ask("POST", f"/rooms/{room}/whip?peer={peer}", content=offer, headers=SDP)


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_token() -> str:
    rights = {"publish": True, "subscribe": True, "admin": True}
    return issue_token("main", SECRET, room="*", now=time.time(), ttl=600, **rights)


@contextlib.contextmanager
def cluster_node(name: str, redis_url: str, port: int) -> Iterator[ClusterNode]:
    """`port`: a free one, since the node has to say at its start where clients reach it."""
    url = f"http://127.0.0.1:{port}"
    variables = {
        "SFU_CLUSTER_URL": redis_url,
        "SFU_CLUSTER_NODE": name,
        "SFU_CLUSTER_PUBLIC_URL": url,
        "SFU_KEYS": f"main:{SECRET}",
        "SFU_LIVEKIT_KEYS": f"key:{LIVEKIT_SECRET}",
        "SFU_UDP_PORT": "0",
    }
    before = "import os\n" + "".join(f"os.environ[{key!r}] = {value!r}\n" for key, value in variables.items())
    with node("--log-format", "json", "--port", str(port), before=before) as (process, found, _):
        assert found == url
        yield ClusterNode(name, process, url)


async def eventually(ask: Callable[[], Awaitable[httpx.Response]], *statuses: int) -> httpx.Response:
    """Ask until the answer has one of these statuses, and fail at the last one else."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := await ask()).status_code not in statuses:
        assert time.monotonic() < deadline, answer.text
        await asyncio.sleep(0.1)
    return answer


async def open_room(door: ClusterNode, room: str, nodes: Sequence[ClusterNode]) -> ClusterNode:
    """Have somebody open a room, who comes to that door first; return which of the nodes it is on. Who is led to any
    other one, as to one that has died, comes again.
    """
    deadline = time.monotonic() + PATIENCE_S
    at = door
    while (answer := await at.publish(room, "opener")).status_code != 201:
        assert time.monotonic() < deadline, answer.text
        led = [each for each in nodes if answer.headers.get("location", "").startswith(f"{each.url}/")]
        at = led[0] if led else door
        await asyncio.sleep(0.05)
    return at
