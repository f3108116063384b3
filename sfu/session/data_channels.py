"""The data channels of one connection."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from sfu.clock import Clock
from sfu.errors import ArgumentError, ConnectionClosedError, LimitError, LocalError
from sfu.negotiation import DataSection
from sfu.session.data_channel import DataChannel
from sfu.shard.environment import Environment
from sfu.transport import (
    BufferDrained,
    Channel,
    ChannelClosed,
    ChannelOpened,
    ChannelReady,
    DataLimits,
    DataTransport,
    MessageArrived,
    TransportEnded,
)

_log = logging.getLogger("sfu.session.data_channels")

_MAX_TEXT = 1024
_MAX_ID = 1023


class DataChannels:
    """`Connection.data`. What can be opened depends on negotiation: see `negotiated`."""

    def __init__(self, environment: Environment, *, taken: bool) -> None:
        """`taken`: whether the connection takes data channels at all."""
        config = environment.config
        self.on_channel: Callable[[DataChannel], None] | None = None
        """Is called with each channel that the client opens. Set it before the client can be connected."""
        self.taken = taken
        """Whether the connection takes data channels: what `data` said when it was opened, else
        `Config.data_channels`."""
        self.drops: Counter[str] = Counter()
        """What was dropped, by reason."""
        self._clock: Clock = environment.clock
        self._most_channels = config.max_data_channels
        self._changed = _change_nothing
        self._transport = DataTransport(
            DataLimits(config.max_data_channels, config.max_data_message, config.max_data_buffer),
            randbytes=environment.rng.randbytes,
            drops=self.drops,
        )
        self._section: DataSection | None = None
        self._channels: dict[Channel, DataChannel] = {}
        self._delivering = False

    @property
    def negotiated(self) -> bool:
        """Whether the client has agreed to data channels, so that those opened will come to be."""
        return self._section is not None

    @property
    def channels(self) -> tuple[DataChannel, ...]:
        """Those that are not closed, the client's included."""
        return tuple(self._channels.values())

    @property
    def max_message_size(self) -> int:
        """Octets of the largest message that can be sent: what the client takes, at most `Config.max_data_buffer`."""
        return self._transport.most_sent

    def open(
        self,
        label: str,
        *,
        protocol: str = "",
        ordered: bool = True,
        max_retransmits: int | None = None,
        max_lifetime: float | None = None,
        negotiated: int | None = None,
    ) -> DataChannel:
        """Open a channel; the client hears of it as soon as it is connected, and messages are taken at once.

        Args:
            label: what it is called, 1,024 octets of UTF-8 at most.
            protocol: what it is used for, by a name that both sides know.
            ordered: whether messages come in order.
            max_retransmits: how often a lost message is sent again; None: as often as it takes.
            max_lifetime: for how many seconds a message is tried; None: as long as it takes. Not both of them.
            negotiated: the id, 0 to 1,023, under which the client opens it, too; None: we tell it.

        Raises:
            ArgumentError: an argument is out of range.
            LocalError: the connection takes no data channels, or the id is in use.
            LimitError: it has `Config.max_data_channels`.
            ConnectionClosedError: its data channels have ended.
        """
        if not self.taken:
            raise LocalError("this connection takes no data channels: open it with data=True, or set data_channels")
        if max(len(label.encode()), len(protocol.encode())) > _MAX_TEXT:
            raise ArgumentError(f"a label and a protocol's name take {_MAX_TEXT} octets")
        if max_retransmits is not None and max_lifetime is not None:
            raise ArgumentError("a channel is bounded by max_retransmits or by max_lifetime, not by both")
        if max_retransmits is not None and not 0 <= max_retransmits <= 0xFFFF:
            raise ArgumentError(f"max_retransmits is 0 to 65535, not {max_retransmits}")
        if max_lifetime is not None and not 0.0 < max_lifetime <= 65.535:
            raise ArgumentError(f"max_lifetime is more than 0 and at most 65.535 s, not {max_lifetime}")
        if negotiated is not None and not 0 <= negotiated <= _MAX_ID:
            raise ArgumentError(f"negotiated is 0 to {_MAX_ID}, not {negotiated}")
        if self._transport.ended:
            raise ConnectionClosedError("the connection's data channels have ended; open another connection")
        if len(self._channels) >= self._most_channels:
            raise LimitError("max_data_channels", f"a connection has {self._most_channels} data channels; close one")
        channel = Channel(
            label,
            protocol,
            ordered,
            max_retransmits,
            max_lifetime,
            negotiated=negotiated is not None,
            id=negotiated,
        )
        opened = self._channels[channel] = DataChannel(channel, self)
        if not self._transport.open(channel, self._clock()):
            del self._channels[channel]
            raise LocalError(f"data channel {negotiated} is open already")
        self._changed()
        return opened

    # for its channels

    def send(self, channel: Channel, content: bytes | str) -> bool:
        """See `DataChannel.send`."""
        taken = self._transport.send(channel, content, self._clock())
        if taken:
            self._changed()
        return taken

    def release(self, arrived: MessageArrived) -> None:
        """A message is done with."""
        self._transport.release(arrived.message, self._clock())
        if not self._delivering:
            self._changed()

    def note_unread(self) -> None:
        """Count a message that was thrown away unread."""
        self.drops["data_unread"] += 1

    def call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call the embedding program: a defect of its own ends no connection."""
        try:
            function(*arguments)
        except Exception:  # noqa: BLE001 - whatever it is, it is logged, and media go on
            _log.exception("a handler of data channels failed")
            self.drops["data_handler_failed"] += 1

    def close_channel(self, channel: Channel) -> None:
        """See `DataChannel.close`."""
        self._transport.close(channel, self._clock())
        self._changed()

    # for its connection

    def attach(self, changed: Callable[[], None]) -> None:
        """Call `changed` when there is something to send, until `end`."""
        self._changed = changed

    @property
    def transport(self) -> DataTransport:
        """The protocol's side of it."""
        return self._transport

    @property
    def section(self) -> DataSection | None:
        """What the client's SDP says."""
        return self._section

    def agree(self, section: DataSection | None) -> None:
        """Negotiation is over: it has brought a section for data channels, or none. Once they have one, another
        description without it ends them.
        """
        if section is not None:
            self._section = self._section or section
        elif self._section is not None:
            self.end("withdrawn")

    def deliver(self) -> None:
        """Tell the embedding program what has happened."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while (event := self._transport.poll_event()) is not None:
                if isinstance(event, TransportEnded):
                    if self.negotiated:
                        _log.info("data channels ended", extra={"reason": event.reason, "detail": event.detail})
                elif isinstance(event, ChannelOpened):
                    opened = self._channels[event.channel] = DataChannel(event.channel, self)
                    if self.on_channel is not None:
                        self.call(self.on_channel, opened)
                else:
                    self._tell(event)
        finally:
            self._delivering = False

    def end(self, reason: str) -> None:
        """Close them all, and let the connection go, and the embedding program."""
        self._transport.end(reason)
        self.deliver()
        self._changed = _change_nothing
        self.on_channel = None

    def _tell(self, event: MessageArrived | ChannelReady | BufferDrained | ChannelClosed) -> None:
        channel = self._channels.get(event.channel)
        if channel is None:
            return
        if isinstance(event, MessageArrived):
            channel.handle_message(event)
        elif isinstance(event, ChannelReady):
            channel.handle_open()
        elif isinstance(event, BufferDrained):
            channel.handle_drained()
        else:
            del self._channels[event.channel]
            channel.handle_close()


def _change_nothing() -> None: ...
