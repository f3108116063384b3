from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.protocol.models import DataPacket
from livekit.protocol.room import SendDataRequest

from sfu.signaling.livekit.twirp import sending
from sfu.signaling.livekit.twirp.errors import TwirpError
from sfu.signaling.livekit.twirp.sending import MAX_DATA_BYTES, DataSender
from tests.unit.signaling.livekit.data.hall import Guest, Hall


class Room:
    """Has what a sender needs of a LiveKitRoom."""

    def __init__(self) -> None:
        self.hall = Hall()
        self.data = self.hall.exchange


async def send(room: Room, sender: DataSender | None = None, **fields: Any) -> None:
    await (sender or DataSender()).send(room, SendDataRequest(**({"data": b"x"} | fields)))  # type: ignore[arg-type]


async def test_data_go_to_those_who_are_named_or_to_all() -> None:
    room = Room()
    alice, bob, carol = guests = [room.hall.enter(name) for name in ("alice", "bob", "carol")]
    await send(room, topic="t")
    await send(room, destination_identities=["bob", "nobody"])
    await send(room, destination_sids=[carol.sid])
    assert [len(guest.heard) for guest in guests] == [1, 2, 2]
    first, second = bob.reliable.packets
    assert (first.user.payload, first.user.topic) == (b"x", "t")
    assert not (first.user.participant_sid or first.participant_sid or first.participant_identity or first.sequence)
    assert list(second.destination_identities) == list(second.user.destination_identities) == ["bob", "nobody"]
    assert not alice.lossy.got


async def test_lossy_data_wait_for_nobody() -> None:
    room = Room()
    full = Guest(room.hall, "full").open(room=0)
    Guest(room.hall, "joining")
    await send(room, kind=DataPacket.Kind.LOSSY)
    assert full.lossy.got == full.reliable.got == []
    assert room.hall.lost == {"lossy": 1, "no_channel": 1}


async def test_reliable_data_wait_for_who_is_slow_or_only_joining() -> None:
    room = Room()
    slow, joining, good = room.hall.enter("slow"), Guest(room.hall, "joining"), room.hall.enter("good")
    slow.fill()
    await send(room, destination_identities=["good"])
    task = asyncio.ensure_future(send(room))
    await asyncio.sleep(0.01)
    assert not task.done() and len(good.heard) == 1
    slow.reliable.acknowledge()
    await task
    assert slow.heard[-1] == good.heard[-1] == b"x"
    assert joining.open().heard == [b"x"]


async def test_who_does_not_take_reliable_data_in_time_keeps_it_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_PATIENCE_S", 0.05)
    room, sender = Room(), DataSender()
    stuck, good = room.hall.enter("stuck"), room.hall.enter("good")
    stuck.fill()
    with pytest.raises(TwirpError, match="sent to nobody") as refused:
        await send(room, sender, nonce=b"n" * 16)
    assert refused.value.code == "unavailable"
    assert not good.heard
    stuck.reliable.acknowledge()
    await send(room, sender, nonce=b"n" * 16)  # the same call again is no repetition
    assert good.heard == [b"x"]


async def test_who_leaves_is_not_waited_for() -> None:
    room = Room()
    leaving, good = room.hall.enter("leaving"), room.hall.enter("good")
    leaving.fill()
    task = asyncio.ensure_future(send(room))
    await asyncio.sleep(0)
    room.data.remove(leaving.participant)
    await task
    assert good.heard == [b"x"]


async def test_a_nonce_is_sent_once_in_its_room_and_remembered_for_a_while() -> None:
    room, other, sender = Room(), Room(), DataSender()
    alice, bob = room.hall.enter("alice"), other.hall.enter("bob")
    for number in (0, 0, 1, 0):
        await send(room, sender, nonce=bytes([number]) * 16)
    await send(other, sender, nonce=bytes(16))
    assert (len(alice.heard), len(bob.heard)) == (2, 1)
    for number in range(2, 102):
        await send(room, sender, nonce=bytes([number]) * 16)
    await send(room, sender, nonce=bytes(16))  # forgotten by now
    assert len(alice.heard) == 103


@pytest.mark.parametrize(
    "fields",
    [
        {"data": b"x" * (MAX_DATA_BYTES + 1)},
        {"nonce": b"n"},
        {"nonce": b"n" * 17},
        {"destination_identities": ["x"] * 1001},
        {"destination_sids": ["x"] * 1001},
    ],
)
async def test_what_is_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    room = Room()
    alice = room.hall.enter("alice")
    with pytest.raises(TwirpError) as refused:
        await send(room, **fields)
    assert refused.value.code == "invalid_argument"
    assert not alice.heard
