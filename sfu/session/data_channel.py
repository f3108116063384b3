"""One data channel of a connection, as an embedding program uses it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from sfu.errors import ArgumentError, ConnectionClosedError
from sfu.events import DataChannelState
from sfu.transport import Channel, MessageArrived

MAX_UNREAD_LOSSY = 64 * 1024
"""Octets that wait for the reader of a channel that may lose messages; then the oldest are thrown away."""


class Carrier(Protocol):
    """What a channel asks its connection's `DataChannels`."""

    @property
    def max_message_size(self) -> int:
        """Octets of the largest message that can be sent."""
        ...

    def send(self, channel: Channel, content: bytes | str) -> bool:
        """Take a message, or not."""
        ...

    def release(self, arrived: MessageArrived) -> None:
        """A message is done with."""
        ...

    def note_unread(self) -> None:
        """Count a message that was thrown away unread."""
        ...

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call the embedding program; what it raises is logged."""
        ...

    def close_channel(self, channel: Channel) -> None:
        """Close a channel."""
        ...


class DataChannel:
    """Made by `DataChannels.open`, or by the client.

    Messages go to `on_message` as they come, or wait to be read by `messages`. What waits fills the window that the
    client has for all channels of its connection, so it sends no more: nothing of a reliable channel is lost, and
    memory is bounded. A channel that may lose messages (`max_retransmits`, `max_lifetime`) loses the oldest unread.
    """

    def __init__(self, channel: Channel, carrier: Carrier) -> None:
        self.low_mark = 64 * 1024
        """Octets of `buffered` at or below which `on_low` is called and `drained` returns."""
        self.on_low: Callable[[], None] | None = None
        """Is called when `buffered` has come down to `low_mark`."""
        self.on_open: Callable[[], None] | None = None
        """Is called when the client has a channel that we opened."""
        self.on_close: Callable[[], None] | None = None
        """Is called when the channel is closed, by either side or with its connection."""
        self._channel = channel
        self._carrier = carrier
        self._on_message: Callable[[bytes | str], None] | None = None
        self._unread: deque[MessageArrived] = deque()
        self._unread_octets = 0
        self._waiters: list[asyncio.Future[None]] = []
        self._was_low = True

    def __repr__(self) -> str:
        return f"<DataChannel {self.label!r} {self.id} {self.state.value}>"

    @property
    def id(self) -> int | None:
        """Its number; None until the connection has been negotiated, if we opened it and chose none."""
        return self._channel.id

    @property
    def label(self) -> str:
        """What its opener has called it."""
        return self._channel.label

    @property
    def protocol(self) -> str:
        """What it is used for, by a name that both sides know; empty without."""
        return self._channel.protocol

    @property
    def ordered(self) -> bool:
        """Whether messages come in the order in which they were sent."""
        return self._channel.ordered

    @property
    def max_retransmits(self) -> int | None:
        """How often a lost message is sent again; None: as often as it takes."""
        return self._channel.max_retransmits

    @property
    def max_lifetime(self) -> float | None:
        """Seconds for which a message is tried; None: as long as it takes."""
        return self._channel.max_lifetime

    @property
    def negotiated(self) -> bool:
        """Whether both sides have agreed on its id beforehand, so that neither tells the other of it."""
        return self._channel.negotiated

    @property
    def state(self) -> DataChannelState:
        """How far it got."""
        return self._channel.state

    @property
    def buffered(self) -> int:
        """Octets of messages that wait, or that the client has not acknowledged."""
        return self._channel.buffered

    @property
    def on_message(self) -> Callable[[bytes | str], None] | None:
        """Is called with each message, `str` or `bytes` as the client sent it; what has waited comes at once.

        It runs on the event loop of all media's control, so it has to be quick; what takes time reads `messages`.
        """
        return self._on_message

    @on_message.setter
    def on_message(self, handler: Callable[[bytes | str], None] | None) -> None:
        self._on_message = handler
        while self._on_message is not None and self._unread:
            self._carrier.call(self._on_message, self._pop())

    def send(self, message: bytes | str) -> bool:
        """Take a message for sending; False: the connection's buffer is full (`Config.max_data_buffer`).

        Then it was not taken. Wait for `drained` or `on_low` and send it again; on a channel that may lose messages,
        of which a quarter of the buffer may wait, let it go.

        Raises:
            ArgumentError: it is larger than the client takes (`DataChannels.max_message_size`), or half a character.
            ConnectionClosedError: the channel is closing or closed.
        """
        if self.state not in (DataChannelState.OPEN, DataChannelState.CONNECTING):
            raise ConnectionClosedError(f"data channel {self.label!r} is closed; open another one")
        most = self._carrier.max_message_size
        try:
            size = len(message.encode() if isinstance(message, str) else message)
        except UnicodeEncodeError as error:
            raise ArgumentError(f"the text cannot be sent: {error}") from error
        if size > most:
            raise ArgumentError(f"a message may have {most} octets, since the client takes no more, or our buffer")
        taken = self._carrier.send(self._channel, message)
        self._was_low = self.buffered <= self.low_mark
        return taken

    async def drained(self) -> None:
        """Return when `buffered` is at or below `low_mark`, or the channel is closed."""
        while self.buffered > self.low_mark and self.state is not DataChannelState.CLOSED:
            await self._wait()

    async def messages(self) -> AsyncIterator[bytes | str]:
        """Read the messages, until the channel closes; one reader, and no `on_message` beside it."""
        while True:
            while self._unread:
                yield self._pop()
            if self.state is DataChannelState.CLOSED:
                return
            await self._wait()

    def close(self) -> None:
        """Close it once what waits is sent. Idempotent."""
        self._carrier.close_channel(self._channel)

    # for its connection

    def handle_message(self, arrived: MessageArrived) -> None:
        """The client has sent a message."""
        if self._on_message is not None:
            self._carrier.call(self._on_message, arrived.content)
            self._carrier.release(arrived)
            return
        self._unread.append(arrived)
        self._unread_octets += len(arrived.content)
        while self._channel.lossy and self._unread_octets > MAX_UNREAD_LOSSY:
            self._pop()
            self._carrier.note_unread()
        self._wake()

    def handle_open(self) -> None:
        """The client has it."""
        if self.on_open is not None:
            self._carrier.call(self.on_open)

    def handle_drained(self) -> None:
        """The client has acknowledged something."""
        if self._was_low or self.buffered > self.low_mark:
            return
        self._was_low = True
        self._wake()
        if self.on_low is not None:
            self._carrier.call(self.on_low)

    def handle_close(self) -> None:
        """It is closed. The embedding program's handlers, which often hold what holds the channel, are let go."""
        self._wake()
        if self.on_close is not None:
            self._carrier.call(self.on_close)
        self.on_open = self.on_low = self.on_close = self._on_message = None

    def _pop(self) -> bytes | str:
        arrived = self._unread.popleft()
        self._unread_octets -= len(arrived.content)
        self._carrier.release(arrived)
        return arrived.content

    async def _wait(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
