"""The node of this project, over WHIP and WHEP as any client would."""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import secrets
import socket
import sys
import time
from collections.abc import Sequence

import httpx
import jwt

from bench.client import sdp
from bench.client.connect import Client
from bench.errors import BenchError
from bench.links import Link
from bench.network import Loopback
from bench.process import ServerProcess
from bench.servers.base import Server
from bench.servers.planning import agreed_transport_sequence, offered_sections, plan_encodings, plan_streams
from sfu.version import read_version

_PORT = 8080
_ROOM = "bench"
_KEY_ID = "bench"
# All viewers come from one address, with one token.
_ALL_FROM_HERE = "kept_for_named = 0.0\n" + "".join(
    f"{key} = 4000\n"
    for key in (
        "max_peers_per_room",
        "max_peers_per_token",
        "max_peers_per_address",
        "max_half_open_per_token",
        "max_half_open_per_address",
    )
)
# Who measures a node at its limit wants nobody turned away.
_WHATEVER_THE_LOAD = "max_plane_load = 1.0\nmax_control_load = 1.0\n"
# The first start compiles the kernels.
_START_S = 300.0


def _free_port(host: str) -> int:
    """On loopback others may have theirs; a namespace of its own is empty."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def room_name(room: int) -> str:
    """The name of the room of this number."""
    return f"{_ROOM}-{room}"


class Ours(Server):
    """`sfu serve` with one shard."""

    name = "sfu"
    interprets = True
    #: Whether each peer comes with a token of its own, which holds its name.
    named = False
    #: Settings of how many peers one address may bring: the viewers all come from here.
    quotas = _ALL_FROM_HERE

    @property
    def version(self) -> str:
        """The installed distribution's, or the source tree's."""
        try:
            return read_version()
        except importlib.metadata.PackageNotFoundError:
            return "source tree"

    async def start(self) -> None:
        """Write a configuration with a key of its own, start, wait for /healthz."""
        around = self.surroundings
        port = _PORT if around.network.name != Loopback.name else _free_port(around.network.server_host)
        self._secret = secrets.token_hex(32)
        path = around.directory / "sfu.toml"
        path.write_text(
            f'host = "{around.network.server_host}"\nport = {port}\nshards = 1\npage = false\n'
            f'log_level = "warning"\n{_WHATEVER_THE_LOAD}{self.quotas}{self.settings()}'
            f'[keys]\n{_KEY_ID} = "{self._secret}"\n',
            encoding="ascii",
        )
        self._process = ServerProcess(
            [sys.executable, "-c", "from sfu.node.cli import main; main()", "serve", "--config", str(path)],
            network=around.network,
            core=around.core,
            log=around.directory / "sfu.log",
            environment={"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        self._http = httpx.AsyncClient(
            base_url=f"http://{around.network.server_host}:{port}",
            headers={"Authorization": f"Bearer {self.token(record=True)}", "Content-Type": "application/sdp"},
            timeout=30.0,
            trust_env=False,
            # The node closes what is idle for 5 s: sooner, or a request meets the end of its connection.
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=2.0),
        )
        await self._wait_healthy()

    def token(self, **claims: object) -> str:
        """A token that may publish and subscribe everywhere; with `sub` it is that peer's."""
        rights = {"room": "*", "publish": True, "subscribe": True, "exp": int(time.time()) + 3600}
        return jwt.encode(rights | claims, self._secret, algorithm="HS256", headers={"kid": _KEY_ID})

    def settings(self) -> str:
        """More lines of the configuration."""
        return ""

    @property
    def http(self) -> httpx.AsyncClient:
        """Asks the running node."""
        return self._http

    async def _wait_healthy(self) -> None:
        deadline = time.monotonic() + _START_S
        while True:
            self.process.check_alive()
            try:
                if (await self._http.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            if time.monotonic() > deadline:
                raise BenchError(f"sfu does not answer /healthz: {self.process.log_tail()}")
            await asyncio.sleep(0.1)

    async def _post(self, path: str, parameters: dict[str, str], offer: str) -> sdp.Description:
        headers = {"Authorization": f"Bearer {self.token(sub=parameters['peer'])}"} if self.named else {}
        reply = await self._http.post(path, params=parameters, content=offer, headers=headers)
        if reply.status_code != 201:
            raise BenchError(f"sfu answered {path} with {reply.status_code}: {reply.text[:300]}")
        return sdp.parse(reply.text)

    async def publish(self, room: int, peer: str, kinds: Sequence[str]) -> Link:
        """POST an offer to WHIP."""
        around = self.surroundings
        client = Client.create(around.network.client_host, around.identity)
        sections = offered_sections(kinds, feedback=around.feedback)
        offer = sdp.build(client.local, sections, setup="actpass")
        answer = await self._post(f"/rooms/{room_name(room)}/whip", {"peer": peer}, offer)
        return await client.connect(answer, encodings=plan_encodings(sections, answer))

    async def subscribe(self, room: int, peer: str, publishers: Sequence[str], kinds: Sequence[str]) -> Link:
        """POST an offer to WHEP with one section per track; one connection for all publishers."""
        around = self.surroundings
        client = Client.create(around.network.client_host, around.identity)
        wanted = [kind for _publisher in publishers for kind in kinds]
        sections = [
            sdp.offered_section(kind, str(index), "recvonly", feedback=around.feedback)
            for index, kind in enumerate(wanted)
        ]
        offer = sdp.build(client.local, sections, setup="actpass")
        parameters = {"peer": peer}
        if len(publishers) == 1:
            parameters["publisher"] = publishers[0]
        answer = await self._post(f"/rooms/{room_name(room)}/whep", parameters, offer)
        return await client.connect(
            answer,
            streams=plan_streams(sections, answer),
            transport_sequence_id=agreed_transport_sequence(sections, answer),
        )

    async def close(self) -> None:
        """Close the HTTP client, then the process."""
        if getattr(self, "_http", None) is not None:
            await self._http.aclose()
        await super().close()
