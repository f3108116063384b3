from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.protocol.models import DataPacket
from livekit.protocol.room import SendDataRequest

from sfu.errors import ConnectionClosedError
from sfu.signaling.livekit.twirp import sending
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.sending import MAX_DATA_BYTES, DataSender


class Channel:
    """A data channel that takes so many messages until it is drained."""

    def __init__(self, free: int = 100, drains: bool = True, closed: bool = False) -> None:
        self.sent: list[DataPacket] = []
        self._free, self._drains, self._closed = free, drains, closed

    def send(self, message: bytes) -> bool:
        if self._closed:
            raise ConnectionClosedError("closed")
        if self._free == 0:
            return False
        self._free -= 1
        self.sent.append(DataPacket.FromString(message))
        return True

    async def drained(self) -> None:
        await asyncio.sleep(0 if self._drains else 1000)
        self._free = 1


class Client:
    def __init__(self, identity: str, **channels: Channel) -> None:
        self.identity, self.sid = identity, f"PA_{identity}"
        self.peer = self
        self.transports = self
        self.left = False
        self.channels = {f"_{label}": channel for label, channel in channels.items()}


class Room:
    def __init__(self, *clients: Client) -> None:
        self.clients = clients


async def send(room: Room, sender: DataSender | None = None, **fields: Any) -> None:
    await (sender or DataSender()).send(room, SendDataRequest(**({"data": b"x"} | fields)))  # type: ignore[arg-type]


async def test_data_go_to_those_who_are_named_or_to_all() -> None:
    alice, bob, carol = (Client(name, reliable=Channel()) for name in ("alice", "bob", "carol"))
    room = Room(alice, bob, carol)
    await send(room, topic="t")
    await send(room, destination_identities=["bob", "nobody"])
    await send(room, destination_sids=["PA_carol"])
    counts = [len(client.channels["_reliable"].sent) for client in room.clients]
    assert counts == [1, 2, 2]
    packet = bob.channels["_reliable"].sent[0]
    assert (packet.user.payload, packet.user.topic, packet.participant_identity) == (b"x", "t", "")


async def test_lossy_data_wait_for_nobody() -> None:
    full, none = Client("full", lossy=Channel(free=0)), Client("none")
    await send(Room(full, none), kind=DataPacket.Kind.LOSSY)
    assert full.channels["_lossy"].sent == []


async def test_reliable_data_wait_for_who_is_slow_or_only_joining() -> None:
    slow, joining = Client("slow", reliable=Channel(free=0)), Client("joining")
    task = asyncio.ensure_future(send(Room(slow, joining)))
    await asyncio.sleep(0.05)
    assert not task.done()
    joining.channels["_reliable"] = Channel()
    await task
    assert len(slow.channels["_reliable"].sent) == len(joining.channels["_reliable"].sent) == 1


async def test_who_does_not_take_reliable_data_in_time_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_PATIENCE_S", 0.05)
    stuck, good = Client("stuck", reliable=Channel(free=0, drains=False)), Client("good", reliable=Channel())
    with pytest.raises(TwirpError, match="1 of 2 participants") as refused:
        await send(Room(stuck, good))
    assert refused.value.code == "unavailable"
    assert len(good.channels["_reliable"].sent) == 1


async def test_who_leaves_or_whose_channel_has_closed_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    leaving, closed = Client("leaving"), Client("closed", reliable=Channel(closed=True), lossy=Channel(closed=True))
    task = asyncio.ensure_future(send(Room(leaving, closed)))
    await asyncio.sleep(0.05)
    leaving.left = True
    await task
    await send(Room(closed), kind=DataPacket.Kind.LOSSY)


async def test_a_nonce_is_sent_once_in_its_room_and_remembered_for_a_while() -> None:
    alice, bob = Client("alice", reliable=Channel(1000)), Client("bob", reliable=Channel(1000))
    room, other, sender = Room(alice), Room(bob), DataSender()
    for number in (0, 0, 1, 0):
        await send(room, sender, nonce=bytes([number]) * 16)
    await send(other, sender, nonce=bytes(16))
    assert (len(alice.channels["_reliable"].sent), len(bob.channels["_reliable"].sent)) == (2, 1)
    for number in range(2, 102):
        await send(room, sender, nonce=bytes([number]) * 16)
    await send(room, sender, nonce=bytes(16))  # forgotten by now
    assert len(alice.channels["_reliable"].sent) == 103


@pytest.mark.parametrize("fields", [{"data": b"x" * (MAX_DATA_BYTES + 1)}, {"nonce": b"n"}, {"nonce": b"n" * 17}])
async def test_what_is_out_of_bounds_is_refused(fields: dict[str, bytes]) -> None:
    alice = Client("alice", reliable=Channel())
    with pytest.raises(TwirpError) as refused:
        await send(Room(alice), **fields)
    assert refused.value.code == "invalid_argument"
    assert alice.channels["_reliable"].sent == []
