"""Webhooks over real HTTP, checked by the receiver of the server SDK, also when the process is killed in between."""

from __future__ import annotations

import asyncio
import http.server
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from livekit import api
from livekit.protocol.models import ParticipantInfo, Room
from livekit.protocol.webhook import WebhookEvent

from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.livekit.webhooks.backoff import Backoff
from sfu.signaling.livekit.webhooks.poster import Poster
from sfu.signaling.livekit.webhooks.webhooks import WebhookOptions, Webhooks

UNREACHED = (ConnectionError, TimeoutError)
KEYS = {"one": "s" * 40, "two": "t" * 40}


class Receiver:
    """An HTTP server that takes what the SDK's receiver takes."""

    def __init__(self) -> None:
        self.events: list[WebhookEvent] = []
        self.refusals: list[str] = []
        self.connections: set[int] = set()
        self.status = 200
        self.answer = b""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.connections.add(self.client_address[1])
                body = self.rfile.read(int(self.headers["content-length"]))
                if outer.status == 200:
                    outer.take(body.decode(), self.headers["authorization"], self.headers["content-type"])
                self.send_response(outer.status)
                self.send_header("content-length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def start(self) -> None:
        self._thread.start()

    def take(self, body: str, token: str, content_type: str) -> None:
        try:
            assert content_type == "application/webhook+json"
            self.events.append(api.WebhookReceiver(api.TokenVerifier("two", KEYS["two"])).receive(body, token))
        except Exception as error:  # noqa: BLE001 - told by the test
            self.refusals.append(repr(error))

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    poster = Poster(ApiKeys(KEYS, time.time), "two", timeout=2.0)
    yield poster
    await poster.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.02)


def make_event(number: int) -> WebhookEvent:
    room = Room(sid="RM_x", name="lobby", num_participants=number, metadata='{"ü": "\u2028"}')
    return WebhookEvent(event="participant_joined", room=room, participant=ParticipantInfo(identity="alice"))


async def test_the_sdks_receiver_takes_what_is_posted(tmp_path: Path, receiver: Receiver, poster: Poster) -> None:
    receiver.start()
    webhooks = Webhooks(WebhookOptions(tmp_path / "outbox", (receiver.url,)), poster)
    webhooks.start()
    for number in range(100):
        webhooks.tell(make_event(number), "lobby")
    await until(lambda: webhooks.results["delivered"] == 100)
    await webhooks.close()
    assert receiver.refusals == []
    assert [event.room.num_participants for event in receiver.events] == list(range(100))
    event = receiver.events[0]
    assert (event.event, event.participant.identity) == ("participant_joined", "alice")
    assert event.room.metadata == '{"ü": "\u2028"}'
    assert event.id.startswith("EV_") and abs(event.created_at - time.time()) < 60
    assert len({event.id for event in receiver.events}) == 100
    assert len(receiver.connections) == 1  # one is kept


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_only_a_status_of_success_counts(receiver: Receiver, poster: Poster, status: int) -> None:
    receiver.start()
    receiver.status = status
    assert await poster(receiver.url, b"{}") == status


async def test_a_long_answer_is_cut(receiver: Receiver, poster: Poster) -> None:
    receiver.start()
    receiver.answer = b"x" * (8 << 20)
    assert await poster(receiver.url, b"{}") == 200


async def test_who_is_not_there_or_never_answers_is_not_reached(poster: Poster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(UNREACHED):
            await poster(url, b"{}")
    with pytest.raises(UNREACHED):
        await poster(url, b"{}")
    for wrong in ("nowhere", "http://[", "ftp://127.0.0.1/"):
        with pytest.raises(UNREACHED):
            await poster(wrong, b"{}")


KILLED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from tests.integration.test_livekit_webhooks import KEYS, make_event
from sfu.signaling.livekit.tokens import ApiKeys
from sfu.signaling.livekit.webhooks.poster import Poster
from sfu.signaling.livekit.webhooks.webhooks import WebhookOptions, Webhooks

async def main(path, url):
    webhooks = Webhooks(WebhookOptions(Path(path), (url,)), Poster(ApiKeys(KEYS, time.time), "two"))
    webhooks.start()
    for number in range(50):
        webhooks.tell(make_event(number), "lobby")
    while webhooks.unstored:
        await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_process_has_told_is_delivered_by_the_next(
    tmp_path: Path, receiver: Receiver, poster: Poster
) -> None:
    path = tmp_path / "outbox"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(path), receiver.url)
    assert await process.wait() == -signal.SIGKILL
    receiver.start()
    webhooks = Webhooks(WebhookOptions(path, (receiver.url,), Backoff(first=0.05)), poster)
    webhooks.tell(make_event(50), "lobby")
    webhooks.start()
    await until(lambda: len(receiver.events) >= 51)
    await webhooks.close()
    assert receiver.refusals == []
    numbers = [event.room.num_participants for event in receiver.events]
    assert numbers == list(range(51))
