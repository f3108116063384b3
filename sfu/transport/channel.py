"""What a data channel is, and what is told of it (RFC 8831)."""

from __future__ import annotations

from dataclasses import dataclass

from sfu.events import DataChannelState
from sfu.transport.sctp import Message


@dataclass(frozen=True)
class DataLimits:
    """What the channels of a connection may take: their number, octets of a message, and octets that wait to be sent
    or for their acknowledgement.
    """

    channels: int
    message: int
    buffer: int


@dataclass(eq=False)
class Channel:
    """A data channel. `id` is None until the transport has begun, unless both sides have agreed on it (`negotiated`).

    `protocol` is what it is used for, by a name that both sides know (RFC 8831 section 6.4); empty without.
    """

    label: str
    protocol: str = ""
    ordered: bool = True
    max_retransmits: int | None = None
    max_lifetime: float | None = None
    """Seconds."""
    negotiated: bool = False
    id: int | None = None
    state: DataChannelState = DataChannelState.CONNECTING
    buffered: int = 0
    """Octets that wait, or that the peer has not acknowledged yet."""
    acknowledged: bool = True
    """The peer has answered to its opening, or has opened it itself."""

    @property
    def lossy(self) -> bool:
        """Whether messages may be given up."""
        return self.max_retransmits is not None or self.max_lifetime is not None


@dataclass(frozen=True)
class ChannelOpened:
    """The peer has opened a channel."""

    channel: Channel


@dataclass(frozen=True)
class ChannelReady:
    """A channel of ours is open now."""

    channel: Channel


@dataclass(frozen=True)
class MessageArrived:
    """A message; tell `release` when it is done with."""

    channel: Channel
    content: bytes | str
    message: Message


@dataclass(frozen=True)
class BufferDrained:
    """Some of what a channel had waiting is with the peer."""

    channel: Channel


@dataclass(frozen=True)
class ChannelClosed:
    """A channel is gone."""

    channel: Channel


@dataclass(frozen=True)
class TransportEnded:
    """All channels are closed, and none can be opened any more."""

    reason: str
    detail: str = ""


DataEvent = ChannelOpened | ChannelReady | MessageArrived | BufferDrained | ChannelClosed | TransportEnded
