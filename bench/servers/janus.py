"""Janus with its video room, driven over one WebSocket."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.client import sdp
from bench.client.connect import Client
from bench.errors import BenchError
from bench.links import Link
from bench.process import ServerProcess
from bench.servers.base import Server
from bench.servers.janus_config import FIRST_ROOM, WEBSOCKET_PORT, write_config
from bench.servers.planning import agreed_transport_sequence, offered_sections, plan_encodings, plan_streams

_SUBPROTOCOL = Subprotocol("janus-protocol")
_REPLY_S = 20.0
_START_S = 10.0
_KEEPALIVE_S = 20.0

Json = dict[str, Any]


class Janus(Server):
    """Debian's Janus; a peer is one handle that publishes and one that subscribes."""

    name = "janus"

    @property
    def version(self) -> str:
        """As Janus states it over its API."""
        return self._version

    async def start(self) -> None:
        """Write a configuration, start, open the WebSocket and a session."""
        around = self.surroundings
        write_config(around.directory, around.network.server_host, around.rooms)
        self._feeds: dict[str, int] = {}
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._events: dict[int, asyncio.Queue[Json]] = {}
        self._process = ServerProcess(
            ["janus", "-F", str(around.directory)],
            network=around.network,
            core=around.core,
            log=around.directory / "janus.log",
        )
        self._socket = await self._open()
        self._reader = asyncio.create_task(self._read())
        self._session = 0
        self._version = str((await self._request({"janus": "info"}))["version_string"])
        self._session = (await self._request({"janus": "create"}))["data"]["id"]
        self._keeper = asyncio.create_task(self._keep_alive())

    async def _open(self) -> ClientConnection:
        url = f"ws://{self.surroundings.network.server_host}:{WEBSOCKET_PORT}"
        deadline = asyncio.get_running_loop().time() + _START_S
        while True:
            self.process.check_alive()
            try:
                return await connect(
                    url, subprotocols=[Subprotocol("janus-protocol")], ping_interval=None, max_queue=None
                )
            except OSError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise BenchError(f"janus does not listen: {self.process.log_tail()}") from error
                await asyncio.sleep(0.1)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_KEEPALIVE_S)
            await self._request({"janus": "keepalive"})

    async def _read(self) -> None:
        async for text in self._socket:
            message = json.loads(text)
            if message["janus"] == "event":
                # An event names its request's transaction too, and may overtake the request's `ack`.
                if message.get("sender") in self._events:
                    self._events[message["sender"]].put_nowait(message)
                continue
            waiting = self._waiting.pop(message.get("transaction", ""), None)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)

    async def _request(self, message: Json) -> Json:
        """Send one API request; its direct reply (`success` or `ack`)."""
        transaction = secrets.token_hex(6)
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = waiting
        whole = {**message, "transaction": transaction}
        if self._session:
            whole["session_id"] = self._session
        await self._socket.send(json.dumps(whole))
        reply = await asyncio.wait_for(waiting, _REPLY_S)
        if reply["janus"] == "error":
            raise BenchError(f"janus refused {message['janus']}: {reply['error']['reason']}")
        return reply

    async def _attach(self) -> int:
        reply = await self._request({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        handle: int = reply["data"]["id"]
        self._events[handle] = asyncio.Queue()
        return handle

    async def _ask(self, handle: int, body: Json, jsep: Json | None = None) -> Json:
        """Send a message to the plugin and wait for its event."""
        message: Json = {"janus": "message", "handle_id": handle, "body": body}
        if jsep is not None:
            message["jsep"] = jsep
        await self._request(message)
        while True:
            event = await asyncio.wait_for(self._events[handle].get(), _REPLY_S)
            data = event["plugindata"]["data"]
            if "error" in data:
                raise BenchError(f"janus refused {body['request']}: {data['error']}")
            # Others' publishing is announced to every publisher; that is not the answer.
            if "jsep" in event or data.get("videoroom") == "joined" or "started" in data:
                return event

    async def publish(self, room: int, peer: str, kinds: Sequence[str]) -> Link:
        """Join as a publisher; our offer is `active`, so that Janus is the DTLS server and takes GCM."""
        around = self.surroundings
        handle = await self._attach()
        join = {"request": "join", "ptype": "publisher", "room": FIRST_ROOM + room, "display": peer}
        joined = await self._ask(handle, join)
        self._feeds[peer] = joined["plugindata"]["data"]["id"]
        client = Client.create(around.network.client_host, around.identity)
        sections = offered_sections(kinds, feedback=around.feedback)
        offer = sdp.build(client.local, sections, setup="active")
        event = await self._ask(handle, {"request": "publish"}, {"type": "offer", "sdp": offer})
        answer = sdp.parse(event["jsep"]["sdp"])
        return await client.connect(answer, encodings=plan_encodings(sections, answer))

    async def subscribe(self, room: int, peer: str, publishers: Sequence[str], kinds: Sequence[str]) -> Link:
        """Subscribe to the publishers' feeds in one connection; Janus offers, we answer `active`."""
        around = self.surroundings
        handle = await self._attach()
        streams = [{"feed": self._feeds[name]} for name in publishers]
        body = {"request": "join", "ptype": "subscriber", "room": FIRST_ROOM + room, "streams": streams}
        event = await self._ask(handle, body)
        offer = sdp.parse(event["jsep"]["sdp"])
        client = Client.create(around.network.client_host, around.identity)
        sections = [sdp.answered_section(section, feedback=around.feedback) for section in offer.sections]
        answer = sdp.build(client.local, sections, setup="active")
        await self._ask(handle, {"request": "start"}, {"type": "answer", "sdp": answer})
        return await client.connect(
            offer,
            streams=plan_streams(sections, offer),
            transport_sequence_id=agreed_transport_sequence(sections, offer),
        )

    async def close(self) -> None:
        """Close the WebSocket, then the process."""
        for task in (getattr(self, "_keeper", None), getattr(self, "_reader", None)):
            if task is not None:
                task.cancel()
        if getattr(self, "_socket", None) is not None:
            await self._socket.close()
        await super().close()
