"""A room's exchange of data, and clients whose channels are played."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, cast

from livekit.protocol.models import DataPacket, ParticipantInfo, ParticipantPermission, UserPacket

from sfu import Connection, DataChannel, Peer
from sfu.errors import ArgumentError, ConnectionClosedError
from sfu.signaling.livekit.data.channels import LOSSY, RELIABLE, Channels
from sfu.signaling.livekit.data.exchange import Exchange
from sfu.signaling.livekit.data.outbox import Parcel
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import Participant

FILLER = DataPacket(user=UserPacket(payload=b"f" * 60_000)).SerializeToString()
"""What channels are filled with; not told of."""


class PlayedChannel:
    """What `sfu.DataChannel` is to its embedder. The client acknowledges when the test says so."""

    def __init__(self, label: str, room: int = 1 << 20, largest: int = 262_144) -> None:
        self.label = label
        self.got: list[bytes] = []
        """What the client has been sent."""
        self.low_mark = 64 * 1024
        self.on_low: Callable[[], None] | None = None
        self.on_open: Callable[[], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self.buffered = 0
        self.acknowledges = True
        self._room, self._largest = room, largest
        self._closed = False
        self._was_low = True
        self._unread: collections.deque[bytes] = collections.deque()
        self._on_message: Callable[[bytes | str], None] | None = None

    @property
    def packets(self) -> list[DataPacket]:
        return [DataPacket.FromString(message) for message in self.got if message != FILLER]

    @property
    def payloads(self) -> list[bytes]:
        return [packet.user.payload for packet in self.packets]

    @property
    def unread(self) -> int:
        """What the client has sent and nobody takes."""
        return len(self._unread)

    @property
    def on_message(self) -> Callable[[bytes | str], None] | None:
        return self._on_message

    @on_message.setter
    def on_message(self, handler: Callable[[bytes | str], None] | None) -> None:
        self._on_message = handler
        while self._on_message is not None and self._unread:
            self._on_message(self._unread.popleft())

    def send(self, message: bytes) -> bool:
        if self._closed:
            raise ConnectionClosedError("closed")
        if len(message) > self._largest:
            raise ArgumentError("too large")
        taken = self.buffered + len(message) <= self._room
        if taken:
            self.got.append(message)
            if not self.acknowledges:
                self.buffered += len(message)
        self._was_low = self.buffered <= self.low_mark
        return taken

    # what the client does

    def come(self, packet: DataPacket | bytes) -> None:
        """The client sends something."""
        message = packet if isinstance(packet, bytes) else packet.SerializeToString()
        if self._on_message is None:
            self._unread.append(message)
        else:
            self._on_message(message)

    def acknowledge(self, octets: int | None = None) -> None:
        """The client has it: all, or so much."""
        self.buffered -= self.buffered if octets is None else min(octets, self.buffered)
        if not self._was_low and self.buffered <= self.low_mark:
            self._was_low = True
            if self.on_low is not None:
                self.on_low()

    def close(self) -> None:
        self._closed = True
        self.buffered = 0
        if self.on_close is not None:
            self.on_close()


class PlayedConnection:
    """What `Connection.data` is to its embedder."""

    def __init__(self) -> None:
        self.data = self
        self.on_channel: Callable[[DataChannel], None] | None = None
        self.opened: list[PlayedChannel] = []

    def open(self, label: str, **_: object) -> PlayedChannel:
        self.opened.append(PlayedChannel(label))
        return self.opened[-1]

    def come(self, channel: PlayedChannel) -> PlayedChannel:
        """The client opens a channel."""
        assert self.on_channel is not None
        self.on_channel(cast(DataChannel, channel))
        return channel

    @property
    def as_connection(self) -> Connection:
        return cast(Connection, self)


class Guest:
    """A client of one connection, whose own channels go both ways."""

    def __init__(self, hall: Hall, identity: str, **permission: bool) -> None:
        self.hall = hall
        peer = cast(Peer, None)
        kind = ParticipantInfo.Kind.STANDARD
        self.participant = Participant(peer, identity=identity, joined_at=0.0, kind=kind)
        self.participant.permission = ParticipantPermission(**{"can_publish_data": True, **permission})
        self.channels = Channels()
        self.connection = PlayedConnection()
        self.channels.follow(self.connection.as_connection, answers=True)
        hall.exchange.add(self.participant, self.channels)

    @property
    def sid(self) -> str:
        return self.participant.sid

    def open(self, **options: int) -> Guest:
        """Its channels are there."""
        self.reliable = self.connection.come(PlayedChannel(RELIABLE, **options))
        self.lossy = self.connection.come(PlayedChannel(LOSSY, **options))
        return self

    def say(self, payload: bytes, sequence: int = 0, *to: str, **fields: Any) -> None:
        """Send user data by the reliable channel."""
        user = UserPacket(payload=payload, **fields)
        self.reliable.come(DataPacket(user=user, sequence=sequence, destination_identities=to))

    def fill(self) -> None:
        """Acknowledge nothing, until its channel takes nothing more."""
        self.reliable.acknowledges = False
        port = self.hall.exchange.find(self.participant.identity)
        assert port is not None
        while not port.outbox.full:
            port.outbox.send(Parcel(FILLER), self.hall.now)

    @property
    def heard(self) -> list[bytes]:
        return self.reliable.payloads


class Hall:
    """The exchange of one room, at a time that stands still until it is moved."""

    def __init__(self, **options: Any) -> None:
        self.now = 1_000_000.0
        self.losses: collections.Counter[str] = collections.Counter()
        self.cut: list[str] = []
        self.options = LiveKitOptions(**options)
        self.exchange = Exchange(
            self.options, self.losses, lambda: self.now, lambda participant: self.cut.append(participant.identity)
        )

    def enter(self, identity: str, **permission: bool) -> Guest:
        """A client comes, whose channels are open."""
        return Guest(self, identity, **permission).open()

    def pass_time(self, seconds: float) -> None:
        """Second by second."""
        for _ in range(round(seconds)):
            self.now += 1.0
            self.exchange.handle_tick(self.now)

    @property
    def lost(self) -> dict[str, int]:
        return {reason: count for reason, count in self.losses.items() if count}
