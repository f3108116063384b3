"""Data channels over real sockets: an aiortc client and a Server of this process, each making the offers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiortc import RTCDataChannel

from sfu import Config, DataChannel, DataChannelState, Server
from sfu.errors import ArgumentError, ConnectionClosedError, LimitError, LocalError
from tests.integration.clients import PATIENCE_S, client, until
from tests.unit.fakes import NO_ROWS


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config(max_data_channels=8, max_data_buffer=256 * 1024)) as running:
        yield running
        for room in list(running.rooms.values()):
            room.close()
        assert running.rows_in_use() == NO_ROWS
        assert "drop_internal_error" not in running.counters()


class Inbox:
    """What one side is told."""

    def __init__(self) -> None:
        self.messages: list[bytes | str] = []
        self.channels: list[RTCDataChannel] = []

    def take(self, channel: RTCDataChannel) -> None:
        self.channels.append(channel)
        channel.on("message", self.messages.append)


async def test_the_client_offers_and_both_sides_open_channels(server: Server) -> None:
    async with client() as alice:
        theirs = alice.pc.createDataChannel("chat")
        agreed = alice.pc.createDataChannel("agreed", negotiated=True, id=100)
        inbox, told = Inbox(), list[DataChannel]()
        alice.pc.on("datachannel", inbox.take)
        agreed.on("message", inbox.messages.append)
        theirs.on("message", inbox.messages.append)
        answered = server.room("r").join("alice").answer(await alice.offer(), data=True)
        assert "m=application" in answered.sdp and "a=max-message-size:262144" in answered.sdp
        data = answered.connection.data
        assert data.negotiated
        data.on_channel = told.append
        ours = data.open("agreed", negotiated=100)
        got: list[bytes | str] = []
        ours.on_message = got.append
        await alice.take_answer(answered.sdp)
        await until(lambda: bool(told) and ours.state is DataChannelState.OPEN)
        chat = told[0]
        assert (chat.label, chat.ordered, chat.max_retransmits, chat.negotiated) == ("chat", True, None, False)
        in_band = data.open("lossy", ordered=False, max_retransmits=0)
        await until(lambda: in_band.state is DataChannelState.OPEN and bool(inbox.channels))
        assert (inbox.channels[0].label, inbox.channels[0].maxRetransmits) == ("lossy", 0)
        agreed.send("to the agreed one")
        await until(lambda: got == ["to the agreed one"])
        for message in ("text", b"octets", "", b"", b"x" * 64_000):
            assert chat.send(message)
        await until(lambda: inbox.messages == ["text", b"octets", "", b"", b"x" * 64_000])
        for size in (1, 64_000, 200_000):
            theirs.send(bytes(size))
        read = chat.messages()
        async with asyncio.timeout(PATIENCE_S):
            assert [len(await anext(read)) for _ in range(3)] == [1, 64_000, 200_000]
        theirs.close()
        await until(lambda: chat.state is DataChannelState.CLOSED and theirs.readyState == "closed")
        with pytest.raises(ConnectionClosedError):
            chat.send("too late")
        with pytest.raises(StopAsyncIteration):
            await anext(read)


async def test_we_offer_and_open_channels_before_the_client_is_there(server: Server) -> None:
    async with client() as bob:
        inbox, told = Inbox(), list[DataChannel]()
        bob.pc.on("datachannel", inbox.take)
        connection = server.room("r").join("bob").offer(subscribe=None, data=True)
        connection.data.on_channel = told.append
        reliable = connection.data.open("_reliable")
        lossy = connection.data.open("_lossy", ordered=False, max_retransmits=0)
        assert reliable.send("at once") and reliable.id is None and lossy.state is DataChannelState.CONNECTING
        connection.accept(await bob.answer(connection.offer()))
        await until(lambda: len(inbox.channels) == 2 and inbox.messages == ["at once"])
        await until(lambda: lossy.state is DataChannelState.OPEN and reliable.buffered == 0)
        back = bob.pc.createDataChannel("back")
        await until(lambda: bool(told) and back.readyState == "open")
        connection.data.channels[0].close()
        await until(lambda: reliable.state is DataChannelState.CLOSED)
        assert len(connection.data.channels) == 2
    await until(lambda: lossy.state is DataChannelState.CLOSED)


async def test_a_full_buffer_refuses_and_drains(server: Server) -> None:
    async with client() as alice:
        theirs, inbox = alice.pc.createDataChannel("bulk"), Inbox()
        theirs.on("message", inbox.messages.append)
        answered = server.room("r").join("alice").answer(await alice.offer(), data=True)
        told: list[DataChannel] = []
        answered.connection.data.on_channel = told.append
        await alice.take_answer(answered.sdp)
        await until(lambda: bool(told))
        channel, sent, refused = told[0], 0, 0
        low: list[int] = []
        channel.on_low = lambda: low.append(channel.buffered)
        async with asyncio.timeout(60):
            while sent < 60:
                if channel.send(sent.to_bytes(2) * 10_000):
                    sent += 1
                else:
                    refused += 1
                    assert channel.buffered > channel.low_mark
                    await channel.drained()
        await until(lambda: len(inbox.messages) == 60)
        assert refused and low and max(low) <= channel.low_mark
        assert inbox.messages == [number.to_bytes(2) * 10_000 for number in range(60)]


async def test_a_connection_that_takes_no_data_declines_the_section(server: Server) -> None:
    async with client() as alice:
        alice.pc.createDataChannel("chat")
        alice.receive("audio")
        answered = server.room("r").join("alice").answer(await alice.offer())
        assert "m=application 0 " in answered.sdp
        with pytest.raises(LocalError, match="data=True"):
            answered.connection.data.open("x")


async def test_arguments_and_limits(server: Server) -> None:
    data = server.room("r").join("bob").offer(subscribe=None, data=True).data
    for wrong in (
        {"label": "x" * 1025},
        {"label": "x", "max_retransmits": 1, "max_lifetime": 1.0},
        {"label": "x", "max_retransmits": -1},
        {"label": "x", "max_lifetime": 100.0},
        {"label": "x", "negotiated": 1024},
    ):
        with pytest.raises(ArgumentError):
            data.open(**wrong)  # type: ignore[arg-type]
    data.open("x", negotiated=3)
    with pytest.raises(LocalError, match="open already"):
        data.open("x", negotiated=3)
    for number in range(7):
        channel = data.open(str(number))
    with pytest.raises(LimitError):
        data.open("one too many")
    with pytest.raises(ArgumentError):
        channel.send(bytes(262_145))
    channel.close()
    assert channel.state is DataChannelState.CLOSED and len(data.channels) == 7
