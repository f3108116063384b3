"""A node that speaks LiveKit, its receiver of webhooks, and participants by the SDK."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from livekit import api, rtc
from livekit.protocol.webhook import WebhookEvent

import sfu
from tests.interop.node_process import NodeProcess

KEY, SECRET = "devkey", "a-secret-of-livekit-tests-that-is-long-enough"


PATIENCE_S = 40.0


class Receiver:
    """The operator's server that webhooks go to."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []
        self.bodies: list[tuple[str, str]] = []
        """What came, each with its header Authorization."""
        self.refusals: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                outer.bodies.append((body, self.headers["authorization"]))
                try:
                    receiver = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET))
                    outer.events.append(receiver.receive(body, self.headers["authorization"]))
                except Exception as error:  # noqa: BLE001 - told by the test
                    outer.refusals.append(repr(error))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def names(self, room: str) -> list[str]:
        return [event.event for event in self.of(room)]

    def of(self, room: str) -> list[WebhookEvent]:
        """Of this room, each once: a node that ends while an event is taken sends it again, under its id."""
        once: dict[str, WebhookEvent] = {}
        for event in self.events:
            once.setdefault(event.id, event)
        return [
            event
            for event in once.values()
            if room in (event.room.name, event.egress_info.room_name, event.ingress_info.room_name)
        ]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Node(NodeProcess):
    """With a folder of its own, and the key that signs its records."""

    def __init__(self, folder: Path, key: sfu.SigningKey, variables: Mapping[str, str]) -> None:
        super().__init__(variables=variables)
        self.folder = folder
        self.key = key


def token(room: str, identity: str, **grants: Any) -> str:
    video = api.VideoGrants(room_join=True, room=room, **grants)
    return api.AccessToken(KEY, SECRET).with_identity(identity).with_name(identity.title()).with_grants(video).to_jwt()


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.05)


async def call(node: Node, method: str, request: Any) -> httpx.Response:
    """A call of RoomService as it is on the wire."""
    grants = api.VideoGrants(room_admin=True, room=request.room)
    bearer = api.AccessToken(KEY, SECRET).with_grants(grants).to_jwt()
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/protobuf"}
    async with httpx.AsyncClient(base_url=f"{node.url}/twirp/livekit.RoomService/", headers=headers) as client:
        return await client.post(method, content=request.SerializeToString())


async def count_subscriptions(node: Node, room: str) -> int:
    """How many receive what is published in a room."""
    headers = {"Authorization": f"Bearer {node.token(room)}"}
    async with httpx.AsyncClient() as client:
        peers = (await client.get(f"{node.url}/rooms/{room}/stats", headers=headers)).json()["peers"]
    return sum(track["subscriptions"] for peer in peers for track in peer["tracks"])


@contextlib.asynccontextmanager
async def entered(node: Node, room: str, identity: str, **grants: Any) -> AsyncIterator[rtc.Room]:
    client = rtc.Room()
    await client.connect(node.url.replace("http", "ws"), token(room, identity, **grants))
    try:
        yield client
    finally:
        await client.disconnect()


async def speak(room: rtc.Room) -> tuple[rtc.LocalTrackPublication, asyncio.Task[None]]:
    """Publish a microphone that is open."""
    source = rtc.AudioSource(48000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("mic", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await room.local_participant.publish_track(track, options)

    async def play() -> None:
        samples = bytes(range(240)) * 4
        while True:
            await source.capture_frame(rtc.AudioFrame(samples, 48000, 1, 480))

    return publication, asyncio.ensure_future(play())


@contextlib.asynccontextmanager
async def speaking(lk: api.LiveKitAPI, room: rtc.Room) -> AsyncIterator[rtc.LocalTrackPublication]:
    """While its microphone is published."""
    publication, task = await speak(room)
    me = api.RoomParticipantIdentity(room=room.name, identity=room.local_participant.identity)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not (await lk.room.get_participant(me)).tracks:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        yield publication
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
