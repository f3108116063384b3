"""Names that credentials give are their subject's own (`Room.join`)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sfu import Config, LocalError, Room, Server
from sfu.errors import InvalidNameError, NameHeldError, PeerExistsError, RoomFullError
from sfu.events import PeerJoined, PeerLeft

LOOK_ALIKE = "ju\u0501ge"


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    async with Server(Config(max_peers_per_room=3, max_held_names=2)) as server:
        room = server.room("court")
        room.join("usher")
        yield room


@pytest.mark.parametrize("name", ["judge", "Judge", LOOK_ALIKE])
@pytest.mark.parametrize("subject", [None, "token:1"])
@pytest.mark.parametrize("present", [True, False])
def test_a_held_name_and_its_look_alikes_are_refused_to_others(
    room: Room, name: str, subject: str | None, present: bool
) -> None:
    judge = room.join("judge", subject="judge", named=True)
    if not present:
        judge.leave()
    with pytest.raises(NameHeldError, match="someone else"):
        room.join(name, subject=subject)
    with pytest.raises(NameHeldError):
        room.join(name, subject="clerk", named=True)
    assert ("judge" in room.peers) is present


def test_the_subject_comes_again(room: Room) -> None:
    room.join("judge", subject="judge", named=True)
    with pytest.raises(PeerExistsError):
        room.join("judge", subject="judge", named=True)
    room.peers["judge"].leave()
    assert room.join("judge", subject="judge", named=True).named


@pytest.mark.parametrize("name", ["judge", "JUDGE", LOOK_ALIKE])
async def test_who_has_credentials_gets_the_place_of_who_has_none(room: Room, name: str) -> None:
    squatter = room.join(name, subject="token:1")
    bystander = room.join("bystander")
    stream = room.events()
    judge = room.join("judge", subject="judge", named=True)  # though the room is full
    assert squatter.left
    assert not bystander.left
    assert room.peers["judge"] is judge
    stream.close()
    assert [event async for event in stream] == [PeerLeft("court", name), PeerJoined("court", "judge")]


def test_nobody_is_displaced_for_who_cannot_come_in(room: Room) -> None:
    squatter = room.join("Judge", subject="token:1")
    room.join("clerk", subject="clerk", named=True)
    with pytest.raises(RoomFullError):
        room.join("witness", subject="witness", named=True)
    assert not squatter.left


async def test_the_only_peer_is_displaced_and_the_room_stays_listed() -> None:
    async with Server(Config(max_rooms=1)) as server:
        room = server.room("court")
        room.join("judge")
        judge = room.join("judge", subject="judge", named=True)
        assert dict(server.rooms) == {"court": room}
        assert list(room.peers.values()) == [judge]


def test_what_is_held_is_bounded_and_who_is_there_keeps_his_name(room: Room) -> None:
    room.join("judge", subject="judge", named=True)
    for name in ("ann", "ben", "cid"):
        room.join(name, subject=name, named=True).leave()
    room.join("ann").leave()  # the oldest of those who have left gave way
    for name in ("judge", "cid"):
        with pytest.raises(NameHeldError):
            room.join(name)


async def test_a_room_of_its_own_has_its_own_names(room: Room) -> None:
    room.join("judge", subject="judge", named=True)
    async with Server() as server:
        server.room("court").join("judge")


def test_a_name_is_held_for_somebody(room: Room) -> None:
    with pytest.raises(LocalError, match="subject"):
        room.join("judge", named=True)


@pytest.mark.parametrize("name", ["ju\u200bdge", "judge\u3164", " judge", "\u202ejudge", "all", "\uff41ll"])
def test_the_api_refuses_what_http_does(room: Room, name: str) -> None:
    with pytest.raises(InvalidNameError):
        room.join(name)


def test_the_api_has_one_spelling_for_one_name(room: Room) -> None:
    assert room.join("Jose\u0301").name == "Jos\u00e9"
    with pytest.raises(PeerExistsError):
        room.join("Jos\u00e9")
