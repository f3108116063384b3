"""What one client sends and is sent by its data channels."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterable
from typing import Protocol

from livekit.protocol.models import DataPacket

from sfu.signaling.livekit.allowance import Allowance
from sfu.signaling.livekit.data.channels import LOSSY, RELIABLE, Channels
from sfu.signaling.livekit.data.outbox import Outbox, Parcel, Patience
from sfu.signaling.livekit.data.packets import PacketError, attribute, read_packet
from sfu.signaling.livekit.participant import Participant

_LEAST_PAUSE = 0.05
"""Seconds for which who has sent too much waits at least, so that it is not woken for each packet."""


class PortRoom(Protocol):
    """Where its packets go."""

    def deliver(self, port: Port, packet: DataPacket, *, reliable: bool) -> int | None:
        """Send a packet to whom it is for, and say to how many; None: not now, one of them takes nothing more."""
        ...

    def note_freed(self) -> None:
        """Somebody takes packets again."""
        ...

    def list_lately(self, port: Port) -> Iterable[Parcel]:
        """The numbered packets that were to be sent to a client in the last seconds, in order."""
        ...


class Port:
    """Of one client, while it is in the room."""

    def __init__(
        self,
        room: PortRoom,
        participant: Participant,
        channels: Channels,
        *,
        allowance: Allowance,
        patience: Patience,
        losses: collections.Counter[str],
        clock: Callable[[], float],
    ) -> None:
        """`clock`: seconds since the Unix epoch."""
        self.participant = participant
        self.since = clock()
        self.last_sequence = 0
        """The number of the last reliable packet that was passed on; 0: none that had one."""
        self._room = room
        self._channels = channels
        self._allowance = allowance
        self._losses = losses
        self._clock = clock
        self._held: DataPacket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self.outbox = Outbox(patience, losses, room.note_freed, lambda: room.list_lately(self))
        channels.connect(RELIABLE, self._take_reliable, self.outbox.take_reliable)
        channels.connect(LOSSY, self._take_lossy, self.outbox.take_lossy)

    def __repr__(self) -> str:
        return f"<Port of {self.participant.identity!r}, {len(self.outbox)} packets wait>"

    def release(self) -> None:
        """Try again what could not be delivered, and take packets again if that goes."""
        packet, self._held = self._held, None  # meanwhile this may be called again
        if packet is None:
            return
        if self._deliver_reliable(packet):
            self._resume()

    def close(self) -> None:
        """The client has left: nothing more is taken from it, or sent to it."""
        self._closed = True
        self._held = None
        if self._timer is not None:
            self._timer.cancel()
        self.outbox.end()
        for label in (RELIABLE, LOSSY):
            self._channels.disconnect(label)

    def _take_lossy(self, message: bytes) -> None:
        if self._closed:
            return
        if self._allowance.take(self._clock()):
            self._losses["flood"] += 1
            return
        packet = self._read(message, reliable=False)
        if packet is not None:
            self._allowance.charge(self._room.deliver(self, packet, reliable=False) or 0)

    def _take_reliable(self, message: bytes) -> None:
        if self._closed:
            return
        packet = self._read(message, reliable=True)
        if packet is not None and not self._deliver_reliable(packet):
            self._channels.hold(RELIABLE)
        self._slow_down()

    def _read(self, message: bytes, *, reliable: bool) -> DataPacket | None:
        try:
            packet = read_packet(message)
            attribute(packet, self.participant, reliable=reliable, now=self._clock())
        except PacketError as error:
            self._losses[error.reason] += 1
            return None
        if packet.sequence and packet.sequence <= self.last_sequence:
            self._losses["repeated"] += 1
            return None
        return packet

    def _deliver_reliable(self, packet: DataPacket) -> bool:
        """Whether it has gone out; else it waits here."""
        count = self._room.deliver(self, packet, reliable=True)
        if count is None:
            self._held = packet
            return False
        self._allowance.charge(count)
        if packet.sequence:
            self.last_sequence = packet.sequence
        return True

    def _slow_down(self) -> None:
        """Pay for a packet. A client that has sent too much has to wait, with its window shut."""
        if self._timer is not None:
            return
        wait = self._allowance.take(self._clock())
        if wait:
            self._channels.hold(RELIABLE)
            self._timer = asyncio.get_running_loop().call_later(max(wait, _LEAST_PAUSE), self._end_pause)

    def _end_pause(self) -> None:
        self._timer = None
        self._slow_down()
        self._resume()

    def _resume(self) -> None:
        if self._held is None and self._timer is None and not self._closed:
            self._channels.release(RELIABLE)
