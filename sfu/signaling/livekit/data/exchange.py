"""The data packets of one room: from who sends them to whom they are for."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterable, Mapping

from livekit.protocol.models import DataPacket

from sfu.signaling.livekit.allowance import Allowance
from sfu.signaling.livekit.data.audience import Audience
from sfu.signaling.livekit.data.channels import Channels
from sfu.signaling.livekit.data.lately import Lately
from sfu.signaling.livekit.data.outbox import Parcel, Patience
from sfu.signaling.livekit.data.port import Port
from sfu.signaling.livekit.options import LiveKitOptions
from sfu.signaling.livekit.participant import Participant


class Exchange:
    """Nothing reliable is lost on the way to who has a channel: while it takes nothing more, those who send to it have
    their windows kept shut. A client that takes almost nothing for so long is cut off, so that it stops nobody.
    """

    def __init__(
        self,
        options: LiveKitOptions,
        losses: collections.Counter[str],
        clock: Callable[[], float],
        cut: Callable[[Participant], None],
    ) -> None:
        """`losses`: counts packets that are not passed on, by reason. `clock`: seconds since the Unix epoch. `cut`: is
        called with who is too slow, and gets nothing any more.
        """
        self._options = options
        self._losses = losses
        self._clock = clock
        self._cut = cut
        self._patience = Patience(
            joining_seconds=options.data_keep_seconds,
            joining_bytes=options.data_joining_bytes,
            slow_seconds=options.data_patience,
            slow_bytes=options.data_least_bytes,
        )
        self._ports: dict[str, Port] = {}
        self._by_sid: dict[str, Port] = {}
        self._held: dict[Port, None] = {}
        self._freed = asyncio.Event()
        self._lately = Lately(options.data_keep_seconds, options.data_keep_bytes)
        self.intercept: Callable[[Participant, DataPacket], bool] = lambda sender, packet: False
        """Is asked of each packet of a client; True: it was for the server."""
        self.passes: Callable[[str, str], bool] = lambda sender, receiver: True
        """Whether what one identity sends is for another one at all."""

    def add(self, participant: Participant, channels: Channels) -> None:
        """A client has come."""
        now = self._clock()
        port = Port(
            self,
            participant,
            channels,
            allowance=Allowance(self._options.data_rate, self._options.data_burst, now),
            patience=self._patience,
            losses=self._losses,
            clock=self._clock,
        )
        self._ports[participant.identity] = self._by_sid[participant.sid] = port

    def remove(self, participant: Participant) -> None:
        """It has left. Idempotent."""
        port = self._by_sid.pop(participant.sid, None)
        if port is None:
            return
        del self._ports[participant.identity]
        self._held.pop(port, None)
        port.close()
        for other in self._ports.values():
            other.outbox.forget(participant.sid)

    def find(self, identity: str) -> Port | None:
        """That of a client, if it is here."""
        return self._ports.get(identity)

    def resume(self, identity: str, received: Mapping[str, int]) -> None:
        """A client has come back, and has received packets of others (by their ids) up to these numbers."""
        port = self._ports.get(identity)
        if port is not None:
            port.outbox.resume(received)

    def handle_tick(self, now: float) -> None:
        """Do what is due; `now` in seconds since the Unix epoch."""
        self._lately.prune(now)
        for port in [port for port in self._ports.values() if port.outbox]:
            if not port.outbox.handle_tick(now):
                self._losses["cut_off"] += len(port.outbox)
                port.outbox.end()
                self._cut(port.participant)

    # packets

    def deliver(self, port: Port, packet: DataPacket, *, reliable: bool) -> int | None:
        """See `PortRoom.deliver`."""
        if self.intercept(port.participant, packet):
            return 0
        audience = Audience.of(packet)
        sender = port.participant.identity
        receivers = [each for each in self._find_receivers(audience) if self._passes(sender, each)]
        if reliable and any(each.outbox.full for each in receivers):
            self._held[port] = None
            return None
        self._held.pop(port, None)
        self._send(packet, audience, receivers, reliable=reliable)
        return len(receivers)

    async def send(self, packet: DataPacket, *, reliable: bool) -> None:
        """Send a packet of the server's, once all whom it is for take it."""
        audience = Audience.of(packet)
        receivers = self._find_receivers(audience)
        while reliable and any(each.outbox.full for each in receivers):
            await self._freed.wait()
            receivers = self._find_receivers(audience)
        self._send(packet, audience, receivers, reliable=reliable)

    def note_freed(self) -> None:
        """See `PortRoom.note_freed`. Who waits longest comes first."""
        self._freed.set()
        self._freed = asyncio.Event()
        for port in tuple(self._held):
            port.release()

    def list_lately(self, port: Port) -> Iterable[Parcel]:
        """See `PortRoom.list_lately`."""
        for parcel in self._lately.list_for(port.participant, port.since):
            sender = self._by_sid.get(parcel.sender_sid)
            if sender is None or self._passes(sender.participant.identity, port):
                yield parcel

    def _passes(self, sender: str, receiver: Port) -> bool:
        return self.passes(sender, receiver.participant.identity)

    def _send(self, packet: DataPacket, audience: Audience, receivers: Iterable[Port], *, reliable: bool) -> None:
        message = packet.SerializeToString()
        if not reliable:
            for each in receivers:
                each.outbox.send_lossy(message)
            return
        now = self._clock()
        parcel = Parcel(message, packet.participant_sid, packet.sequence)
        if parcel.sequence:
            self._lately.add(parcel, audience, now)
        for each in receivers:
            each.outbox.send(parcel, now)

    def _find_receivers(self, audience: Audience) -> list[Port]:
        if audience.metrics or audience.everybody:
            candidates: Iterable[Port | None] = self._ports.values()
        else:
            named = [self._ports.get(each) for each in audience.identities]
            candidates = dict.fromkeys([*named, *(self._by_sid.get(each) for each in audience.sids)])
        return [each for each in candidates if each is not None and audience.includes(each.participant)]
