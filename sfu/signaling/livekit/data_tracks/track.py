"""A data track that is published, and who receives it."""

from __future__ import annotations

import collections
from typing import Protocol

from livekit.protocol.models import DataTrackInfo

from sfu import DataChannel, DataChannelState
from sfu.errors import ArgumentError
from sfu.signaling.livekit.data_tracks.packet import Packet

_USABLE = (DataChannelState.CONNECTING, DataChannelState.OPEN)
_MOST_WAITING = 128 * 1024
"""Octets that wait in a subscriber's channel, or are on their way, beyond which no frame is begun: half of what it
takes by default, so that a frame that is begun comes whole, and late ones do not pile up.
"""


class Publisher(Protocol):
    """Whose data track it is."""

    identity: str
    sid: str

    def allows(self, identity: str, sid: str) -> bool:
        """Whether it lets somebody have what it publishes under an id."""
        ...


class Receiver(Protocol):
    """Who wants it."""

    @property
    def channel(self) -> DataChannel | None:
        """That by which it is sent packets; None while there is none."""
        ...

    def review(self, track: DataTrack) -> None:
        """It may be allowed now, or not any more."""
        ...

    def forget(self, track: DataTrack) -> None:
        """It is there no more."""
        ...


class DataTrack:
    """Made when its publisher announces it; there are no media to wait for."""

    def __init__(self, publisher: Publisher, info: DataTrackInfo) -> None:
        self.publisher = publisher
        self.info = info
        self.subscriptions: dict[Receiver, DataSubscription] = {}
        """Those that want it, allowed or not."""

    def __repr__(self) -> str:
        return f"<DataTrack {self.sid} {self.info.name!r} of {self.publisher.identity!r}>"

    @property
    def sid(self) -> str:
        """Its id."""
        return self.info.sid

    def forward(self, packet: Packet, losses: collections.Counter[str]) -> None:
        """Pass a packet on. `losses`: counts the subscriptions that do not get it, by reason."""
        for subscription in self.subscriptions.values():
            if subscription.allowed:
                fault = subscription.forward(packet)
                if fault:
                    losses[fault] += 1


class DataSubscription:
    """One participant's, to one data track."""

    def __init__(self, track: DataTrack, receiver: Receiver, handle: int) -> None:
        """`handle`: by which the receiver knows the packets."""
        self.track = track
        self.handle = handle
        self.allowed = False
        """Whether packets are sent."""
        self.denied = False
        """Whether the receiver was told that the publisher does not let it have the data track."""
        self._receiver = receiver
        self._broken: int | None = None

    def forward(self, packet: Packet) -> str:
        """Send a packet, and say why not, if it is not sent. Of a frame that has lost one the rest is of no use any
        more: what the channel could take of it is kept for the next frame.
        """
        if packet.starts:
            self._broken = None
        elif packet.frame == self._broken:
            return "data_track_frame_broken"
        fault = self._send(packet)
        if fault:
            self._broken = packet.frame
        return fault

    def _send(self, packet: Packet) -> str:
        channel = self._receiver.channel
        if channel is None or channel.state not in _USABLE:
            return "data_track_no_channel"
        if packet.starts and channel.buffered > _MOST_WAITING:
            return "data_track_behind"
        try:
            taken = channel.send(packet.address(self.handle))
        except ArgumentError:  # the client says that it takes smaller messages only
            return "data_track_too_large"
        return "" if taken else "data_track_channel_full"
