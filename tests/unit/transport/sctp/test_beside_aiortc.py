"""An association with aiortc's, in memory and in real time: it speaks SCTP by somebody else's reading."""

from __future__ import annotations

import asyncio
import random
import time

import pytest
from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport

from sfu.events import DataChannelState
from sfu.transport.channel import Channel
from tests.unit.transport.sctp.path import End


class Dtls:
    """What aiortc's association takes for its DTLS transport."""

    state = "connected"

    def __init__(self, role: str, send) -> None:
        self._role = role
        self._send = send

    def _register_data_receiver(self, receiver) -> None:
        pass

    def _unregister_data_receiver(self, receiver) -> None:
        pass

    async def _send_data(self, data: bytes) -> None:
        self._send(data)


class Pair:
    """Ours and aiortc's, with a path that loses and reorders by a seed."""

    def __init__(self, *, client: bool, loss: float, seed: int) -> None:
        self.rng = random.Random(seed)
        self.loss = loss
        self.ours = End(self.rng, client=client)
        self.theirs = RTCSctpTransport(Dtls("server" if client else "client", self._to_us))
        self._tasks: set[asyncio.Task] = set()
        self._pump = asyncio.ensure_future(self._run())

    async def start(self) -> None:
        await self.theirs.start(RTCSctpCapabilities(maxMessageSize=262144), 5000)
        self.ours.start(time.monotonic())

    async def until(self, condition) -> None:
        for _ in range(6000):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not come")

    async def stop(self) -> None:
        self._pump.cancel()
        await self.theirs.stop()
        await asyncio.gather(self._pump, *self._tasks, return_exceptions=True)

    def _to_us(self, data: bytes) -> None:
        self._later(lambda: self.ours.data.handle_record(data, time.monotonic()))

    def _later(self, action) -> None:
        # aiortc takes an INIT that comes late for a new association, so the path is bad from then on only.
        bad = self.loss if self.theirs.state == "connected" else 0.0
        if self.rng.random() >= bad:
            late = self.rng.choice((0.0, 0.0, 0.004)) if bad else 0.0
            asyncio.get_running_loop().call_later(late, action)

    async def _run(self) -> None:
        while True:
            now = time.monotonic()
            due = self.ours.data.poll_timeout()
            if due is not None and due <= now:
                self.ours.data.handle_timeout(now)
            while (packet := self.ours.data.poll_transmit()) is not None:
                self._later(lambda packet=packet: self._spawn(self.theirs._handle_data(packet)))
            while (event := self.ours.data.poll_event()) is not None:
                self.ours.take(event, now)
            await asyncio.sleep(0.001)

    def _spawn(self, coroutine) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@pytest.fixture(params=["we are the DTLS client", "we are the DTLS server"])
def client(request) -> bool:
    return request.param == "we are the DTLS client"


@pytest.mark.parametrize("loss", [0.0, 0.03])
async def test_messages_of_all_sizes_both_ways(client, loss):
    pair = Pair(client=client, loss=loss, seed=7)
    got: list[bytes | str] = []
    mine = Channel("mine")
    assert pair.ours.data.open(mine, 0.0)
    pair.theirs.on("datachannel", lambda channel: channel.on("message", got.append))
    theirs = RTCDataChannel(pair.theirs, RTCDataChannelParameters(label="theirs", protocol="told"))
    await pair.start()
    await pair.until(lambda: mine.state is DataChannelState.OPEN and theirs.readyState == "open")
    assert [(channel.label, channel.protocol) for channel in pair.ours.opened] == [("theirs", "told")]
    assert mine.id is not None and mine.id % 2 == (0 if client else 1)
    messages = [b"", "", "text äöü", *(pair.rng.randbytes(size) for size in (1, 1131, 1132, 1133, 64_000, 200_000))]
    for message in messages:
        assert pair.ours.data.send(mine, message, time.monotonic())
        theirs.send(message)
    await pair.until(lambda: len(got) == len(messages) and len(pair.ours.got) == len(messages))
    assert got == messages
    assert [content for _, content in pair.ours.got] == messages
    await pair.until(lambda: mine.buffered == 0)
    pair.ours.data.close(mine, time.monotonic())
    theirs.close()
    await pair.until(lambda: set(pair.ours.closed) == {"mine", "theirs"} and theirs.readyState == "closed")
    await pair.stop()


async def test_channels_under_an_agreed_id_that_lose_messages(client):
    pair = Pair(client=client, loss=0.1, seed=8)
    got: list[str] = []
    mine = Channel("data", ordered=False, max_retransmits=0, negotiated=True, id=101)
    reliable = Channel("sure", negotiated=True, id=100)
    theirs = RTCDataChannel(
        pair.theirs, RTCDataChannelParameters(label="data", ordered=False, maxRetransmits=0, negotiated=True, id=101)
    )
    sure = RTCDataChannel(pair.theirs, RTCDataChannelParameters(label="sure", negotiated=True, id=100))
    theirs.on("message", got.append)
    sure.on("message", got.append)
    assert pair.ours.data.open(mine, 0.0) and pair.ours.data.open(reliable, 0.0)
    await pair.start()
    await pair.until(lambda: mine.state is DataChannelState.OPEN and theirs.readyState == "open")
    for number in range(200):
        assert pair.ours.data.send(mine, f"to them {number}", time.monotonic())
        theirs.send(f"to us {number}")
        await asyncio.sleep(0.002)
    await pair.until(lambda: mine.buffered == 0)
    # What follows on a reliable channel is not held up by what was given up.
    assert pair.ours.data.send(reliable, "last of ours", time.monotonic())
    sure.send("last of theirs")
    await pair.until(lambda: "last of ours" in got and ("sure", "last of theirs") in pair.ours.got)
    ours = [content for label, content in pair.ours.got if label == "data"]
    assert 120 < len(ours) < 200 and len(set(ours)) == len(ours)
    assert 120 < len(got) - 1 < 200 and len(set(got)) == len(got)
    await pair.stop()
