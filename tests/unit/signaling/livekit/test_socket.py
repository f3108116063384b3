"""The bounds of one WebSocket, whoever is at the other end."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import MutableMapping
from dataclasses import replace
from typing import Any

import pytest
from livekit.protocol.rtc import SignalResponse
from starlette.websockets import WebSocket

from sfu.signaling.livekit.frames import Frame
from sfu.signaling.livekit.socket import BYTES_A_TURN, NORMAL, POLICY, TOO_BIG, Socket, SocketLimits

LIMITS = SocketLimits(
    rate=1000.0, burst=10.0, max_frame_bytes=1 << 20, max_queued=4, max_queued_bytes=1000, send_timeout=5.0
)
FRAME = Frame(SignalResponse(pong=1))


class End:
    """The other end of a socket, in the same event loop."""

    def __init__(self, **limits: Any) -> None:
        self.incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.taken: list[MutableMapping[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.counts: collections.Counter[str] = collections.Counter()
        self.handled: list[bytes | str] = []
        self.websocket = WebSocket({"type": "websocket"}, self.incoming.get, self._take)
        self.limits = replace(LIMITS, **limits)

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        await self.reads.wait()
        self.taken.append(message)

    async def open(self) -> Socket:
        self.incoming.put_nowait({"type": "websocket.connect"})
        await self.websocket.accept()
        self.socket = Socket(self.websocket, self.limits, self.counts)
        self.running = asyncio.create_task(self.socket.run(self.handled.append))
        return self.socket

    def say(self, data: bytes | str) -> None:
        self.incoming.put_nowait({"type": "websocket.receive", "text" if isinstance(data, str) else "bytes": data})

    async def ended(self) -> None:
        async with asyncio.timeout(5):
            await self.running


async def test_what_waits_is_sent_before_the_close() -> None:
    end = End()
    socket = await end.open()
    for _ in range(3):
        socket.send(FRAME)
    socket.close(POLICY)
    socket.send(FRAME)
    await end.ended()
    assert [message["type"] for message in end.taken[1:]] == ["websocket.send"] * 3 + ["websocket.close"]
    assert end.taken[-1]["code"] == POLICY


@pytest.mark.parametrize("limits", [{"max_queued": 2}, {"max_queued_bytes": 2 * len(FRAME.binary)}])
async def test_who_lets_too_much_wait_is_cut_off(limits: dict[str, Any]) -> None:
    end = End(**limits)
    socket = await end.open()
    end.reads.clear()
    for _ in range(3):
        socket.send(FRAME)
    await end.ended()
    assert end.counts == {"slow_reader": 1} and len(socket) == 0


async def test_who_takes_nothing_is_cut_off_also_once_it_is_closed() -> None:
    end = End(send_timeout=0.05)
    socket = await end.open()
    end.reads.clear()
    socket.send(FRAME)
    socket.close()
    await end.ended()
    assert end.counts == {"slow_reader": 1}


async def test_each_message_has_its_whole_time_to_be_taken() -> None:
    end = End(send_timeout=0.1)
    socket = await end.open()
    socket.send(FRAME)
    await asyncio.sleep(0.05)
    end.reads.clear()
    began = asyncio.get_running_loop().time()
    socket.send(FRAME)
    await end.ended()
    assert asyncio.get_running_loop().time() - began >= 0.1
    assert end.counts == {"slow_reader": 1} and len(end.taken) == 2, "the first was taken"


async def test_who_takes_no_close_frame_is_not_waited_for() -> None:
    end = End(send_timeout=0.05)
    socket = await end.open()
    end.reads.clear()
    socket.close()
    await end.ended()


async def test_who_was_not_read_while_this_process_stood_still_is_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfu.signaling.livekit.socket._CATCH_UP_S", 0.01)
    end = End(silence=15.0)
    socket = await end.open()
    socket.note_ping()
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + 100.0)
    for _ in range(5):
        await asyncio.sleep(0)
    end.say(b"has waited in the system")
    await asyncio.sleep(0.05)
    assert not end.running.done() and not end.counts
    monkeypatch.setattr(loop, "time", lambda: now() + 200.0)
    await end.ended()
    assert end.counts == {"silent": 1}


async def test_a_large_frame_counts_as_several() -> None:
    end = End(rate=100.0)
    await end.open()
    began = asyncio.get_running_loop().time()
    for _ in range(2):
        end.say(bytes(20 * BYTES_A_TURN))  # more than the burst, so each is held back, however late it is read
    async with asyncio.timeout(5):
        while len(end.handled) < 2:  # noqa: ASYNC110 - a handler is a plain call
            await asyncio.sleep(0.005)
    assert asyncio.get_running_loop().time() - began >= (2 * 20 - 10) / 100.0 - 0.01
    assert end.counts["held_back"] == 2
    end.socket.close()
    await end.ended()
    assert end.taken[-1]["code"] == NORMAL


async def test_a_frame_that_is_too_large_is_not_handled() -> None:
    end = End(max_frame_bytes=10)
    await end.open()
    end.say("x" * 11)
    await end.ended()
    assert (end.handled, end.taken[-1]["code"], end.counts) == ([], TOO_BIG, {"too_big": 1})
