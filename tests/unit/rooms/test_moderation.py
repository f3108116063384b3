"""Who is put out of a room stays out, and what is blocked nobody gets (`Room.remove`, `close`, `block`)."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sfu import Config, Room, Server, SigningKey
from sfu.errors import ExcludedError, RoomClosedError, ServerFullError
from sfu.events import (
    Event,
    PeerLeft,
    PeerRemoved,
    RoomClosed,
    TrackBlocked,
    TrackMuted,
    TrackPublished,
    TrackUnblocked,
    TrackUnmuted,
)
from tests.unit.fakes import FakeClock
from tests.unit.offers import make_offer

SEND = make_offer(("audio", "sendonly"), ("video", "sendonly"))
RECEIVE = make_offer(("audio", "recvonly"), ("video", "recvonly"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server(clock: FakeClock) -> AsyncIterator[Server]:
    async with Server(Config(max_rooms=3), clock=clock) as server:
        yield server


@pytest.fixture
def room(server: Server) -> Room:
    return server.room("court")


def test_who_was_removed_is_kept_out_for_a_time(room: Room, clock: FakeClock) -> None:
    room.join("judge", subject="judge", named=True)
    heckler = room.join("heckler", subject="heckler", named=True)
    room.remove(heckler, keep_out=60.0)
    assert heckler.left
    for name in ("heckler", "another"):
        with pytest.raises(ExcludedError, match="60 s"):
            room.join(name, subject="heckler")
    room.join("clerk", subject="clerk", named=True)
    clock.now += 59.9
    with pytest.raises(ExcludedError):
        room.join("heckler", subject="heckler", named=True)
    clock.now += 0.1
    room.join("heckler", subject="heckler", named=True)


def test_an_empty_room_remembers_whom_it_keeps_out(server: Server, clock: FakeClock) -> None:
    server.room("court").remove(server.room("court").join("heckler", subject="heckler"), keep_out=60.0)
    gc.collect()
    with pytest.raises(ExcludedError):
        server.room("court").join("heckler", subject="heckler")
    server.room("cellar").join("heckler", subject="heckler")
    clock.now += 60.0
    server.room("attic").close(keep_out=1.0)  # whenever one is kept, those that need it no more are given up
    assert set(server._guarded) == {"attic"}


def test_rooms_that_keep_someone_out_are_bounded(server: Server) -> None:
    for number in range(20):
        server.room(f"room{number}").close(keep_out=60.0)
    gc.collect()
    assert len(server._known) == 3


def test_an_empty_room_stays_private_and_none_is_forgotten_for_another(server: Server) -> None:
    for number in range(3):
        server.room(f"chambers{number}").set_private(True)
    gc.collect()
    assert all(server.room(f"chambers{number}").private for number in range(3))
    with pytest.raises(ServerFullError):
        server.room("another").set_private(True)
    assert not server.room("another").private
    server.room("chambers1").set_private(False)
    server.room("court").close(keep_out=60.0)
    server.room("another").set_private(True)  # in place of one that is not private
    gc.collect()
    assert set(server._known) == {"chambers0", "chambers2", "another"}


def test_every_credential_that_a_peer_has_shown_is_kept_out(room: Room) -> None:
    heckler = room.join("heckler", subject="token:1")
    heckler.renew_subject("token:2")
    room.remove(heckler, keep_out=60.0)
    for subject in ("token:1", "token:2"):
        with pytest.raises(ExcludedError):
            room.join("another", subject=subject)


def test_who_has_no_credentials_is_kept_out_by_name(room: Room) -> None:
    room.remove(room.join("heckler"), keep_out=60.0)
    with pytest.raises(ExcludedError):
        room.join("heckler")
    room.join("judge")


def test_without_a_time_the_peer_may_come_again(room: Room) -> None:
    room.remove(room.join("alice", subject="alice"))
    room.join("alice", subject="alice")


async def test_a_removal_is_told(room: Room) -> None:
    heckler = room.join("heckler")
    stream = room.events()
    room.remove(heckler, keep_out=1.0)
    room.remove(heckler, keep_out=1.0)
    assert await _waiting(room, stream) == [PeerRemoved("court", "heckler"), PeerLeft("court", "heckler")]


async def test_a_closed_room_takes_nobody_until_its_time_or_until_it_is_opened(room: Room, clock: FakeClock) -> None:
    room.join("judge", subject="judge", named=True)
    stream = room.events()
    room.close(keep_out=60.0)
    assert await _waiting(room, stream) == [RoomClosed("court"), PeerLeft("court", "judge")]
    for subject in ("judge", None):
        with pytest.raises(RoomClosedError, match="60 s"):
            room.join("judge", subject=subject)
    room.close(keep_out=0.0)
    room.join("judge", subject="judge", named=True).leave()
    room.close(keep_out=60.0)
    clock.now += 60.0
    room.join("judge", subject="judge", named=True)


async def test_a_blocked_track_goes_to_nobody_until_it_is_unblocked(room: Room) -> None:
    alice = room.join("alice")
    alice.answer(SEND)
    bob, carol = room.join("bob"), room.join("carol")
    bob.answer(RECEIVE, subscribe="all")
    audio, video = alice.tracks
    stream = room.events()
    room.block(audio)
    room.block(audio)
    assert (audio.blocked, video.blocked) == (True, False)
    carol.answer(RECEIVE, subscribe="all")  # who comes later gets it no more than who was there
    for viewer in (bob, carol):
        assert [held.stopped for held in viewer.subscriptions] == [True, False]
    bob.subscriptions[0].pause()
    bob.subscriptions[0].resume()
    assert bob.subscriptions[0].stopped
    room.unblock(audio)
    room.unblock(audio)
    assert not any(held.stopped for viewer in (bob, carol) for held in viewer.subscriptions)
    told = [event for event in await _waiting(room, stream) if isinstance(event, TrackBlocked | TrackUnblocked)]
    assert told == [TrackBlocked("court", "alice", audio.id), TrackUnblocked("court", "alice", audio.id)]


async def test_what_is_muted_by_word_goes_to_nobody_until_that_is_taken_back(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(SEND)
    bob.answer(RECEIVE, subscribe="all")
    audio, video = alice.tracks
    stream = room.events()
    for muted in (True, True):
        room.set_track_muted(video, muted)
    assert (audio.muted, video.muted) == (False, True)
    assert [held.stopped for held in bob.subscriptions] == [False, True]
    for muted in (False, False):
        room.set_track_muted(video, muted)
    assert not any(held.stopped for held in bob.subscriptions)
    told = [event for event in await _waiting(room, stream) if isinstance(event, TrackMuted | TrackUnmuted)]
    assert told == [TrackMuted("court", "alice", video.id), TrackUnmuted("court", "alice", video.id)]


async def test_last_n_does_not_let_a_blocked_track_through(room: Room) -> None:
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(SEND)
    bob.answer(RECEIVE, subscribe="all")
    room.block(alice.tracks[1])
    room.set_last_n("video", 0)
    room.set_last_n("video", None)
    assert bob.subscriptions[1].stopped


async def test_to_publish_again_is_no_way_round_a_block(room: Room) -> None:
    room.join("bob")
    alice = room.join("alice")
    alice.answer(SEND)
    room.block(alice.tracks[0])
    alice.leave()
    again = room.join("alice")
    stream = room.events()
    again.answer(SEND)
    audio, video = again.tracks
    assert (audio.blocked, video.blocked) == (True, False)
    told = [event for event in await _waiting(room, stream) if isinstance(event, TrackPublished | TrackBlocked)]
    assert told[:2] == [
        TrackPublished("court", "alice", audio.id, "audio", "opus"),
        TrackBlocked("court", "alice", audio.id),
    ]
    room.unblock(audio)
    again.answer(SEND)
    assert not any(track.blocked for track in again.tracks)


async def test_a_recorder_gets_a_blocked_track_no_more_than_others(room: Room, tmp_path: Path) -> None:
    key = SigningKey.generate()
    alice = room.join("alice")
    alice.answer(SEND)
    audio, video = alice.tracks
    room.block(audio)
    recording = room.record(tmp_path / "record", key=key)
    assert (bool(audio._recorders), bool(video._recorders)) == (False, True)
    room.block(video)
    room.set_track_private(video, False)
    assert not video._recorders
    room.unblock(audio)
    assert audio._recorders
    await recording.stop()


async def _waiting(room: Room, stream: object) -> list[Event]:
    stream.close()  # type: ignore[attr-defined]
    return [event async for event in stream]  # type: ignore[attr-defined]
