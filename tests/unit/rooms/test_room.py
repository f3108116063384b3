"""Rooms, Peers and negotiation up to the point where ICE begins: who gets what, limits, and nothing left behind."""

from __future__ import annotations

import gc

import pytest

from sfu import Config, ConnectionState, LocalError, Server
from sfu.errors import (
    InvalidNameError,
    LimitError,
    NegotiationFailedError,
    NothingPublishedError,
    NotPermittedError,
    PeerExistsError,
    RoomFullError,
    ServerFullError,
    UnknownPublisherError,
)
from sfu.events import (
    ConnectionStateChanged,
    PeerJoined,
    PeerLeft,
    TrackEnded,
    TrackPublished,
)
from tests.unit.fakes import NO_ROWS
from tests.unit.offers import BOTH, RECEIVE_BOTH, make_answer, make_offer
from tests.unit.waiting_events import waiting

# rooms and Peers


def test_a_room_is_listed_while_it_has_peers(server: Server) -> None:
    room = server.room("lobby")
    assert dict(server.rooms) == {}
    peer = room.join("alice")
    assert dict(server.rooms) == {"lobby": room}
    assert server.room("lobby") is room
    peer.leave()
    peer.leave()
    assert dict(server.rooms) == {}


def test_an_unused_room_leaves_nothing_behind(server: Server) -> None:
    server.room("lobby")
    gc.collect()
    assert len(server._known) == 0


async def test_a_watched_room_stays_the_same_while_empty(server: Server) -> None:
    stream = server.room("lobby").events()
    gc.collect()
    server.room("lobby").join("alice").leave()
    assert await waiting(stream) == [PeerJoined("lobby", "alice"), PeerLeft("lobby", "alice")]


def test_names_are_unique_in_a_room_only(server: Server) -> None:
    server.room("lobby").join("alice")
    server.room("cellar").join("alice")
    with pytest.raises(PeerExistsError):
        server.room("lobby").join("alice")


@pytest.mark.parametrize("name", ["", "x" * 129, "a\nb", "\u202e", "all"])
def test_bad_names_are_refused(server: Server, name: str) -> None:
    with pytest.raises(InvalidNameError):
        server.room("lobby").join(name)
    assert dict(server.rooms) == {}


def test_limits_of_rooms_and_peers(server: Server) -> None:
    for name in "abcd":
        server.room("lobby").join(name)
    with pytest.raises(RoomFullError):
        server.room("lobby").join("e")
    server.room("cellar").join("a")
    with pytest.raises(ServerFullError) as caught:
        server.room("attic").join("a")
    assert (caught.value.status, caught.value.key) == (503, "max_rooms")
    assert sorted(server.rooms) == ["cellar", "lobby"]


async def test_a_server_that_does_not_run_says_so() -> None:
    server = Server()
    with pytest.raises(LocalError, match="not running"):
        server.room("lobby").join("alice")
    async with server:
        with pytest.raises(LocalError, match="running already"):
            await server.start()


async def test_a_port_in_use_is_named(server: Server) -> None:
    other = Server(Config(udp_port=server.udp_ports[0]))
    with pytest.raises(LocalError, match=f"UDP port {server.udp_ports[0]}"):
        await other.start()
    assert not other.running


# publishing


async def test_publishing_is_announced_in_order(server: Server) -> None:
    room = server.room("lobby")
    stream, all_rooms = room.events(), server.events()
    alice = room.join("alice")
    answered = alice.answer(make_offer(*BOTH))
    audio, video = alice.tracks
    assert (audio.kind, audio.codec.name, audio.peer) == ("audio", "opus", "alice")
    alice.leave()
    connection = answered.connection.id
    events = await waiting(stream)
    assert events == [
        PeerJoined("lobby", "alice"),
        ConnectionStateChanged("lobby", "alice", connection, ConnectionState.CONNECTING),
        TrackPublished("lobby", "alice", audio.id, "audio", "opus"),
        TrackPublished("lobby", "alice", video.id, "video", "VP8"),
        TrackEnded("lobby", "alice", audio.id),
        TrackEnded("lobby", "alice", video.id),
        ConnectionStateChanged("lobby", "alice", connection, ConnectionState.CLOSED, "left"),
        PeerLeft("lobby", "alice"),
    ]
    assert await waiting(all_rooms) == events
    assert audio.ended
    assert answered.connection.state is ConnectionState.CLOSED


async def test_a_refused_offer_leaves_nothing_behind(server: Server) -> None:
    room = server.room("lobby")
    stream = room.events()
    for offer, status in (("hello", 400), (make_offer(*BOTH, setup="holdconn"), 422)):
        with pytest.raises(NegotiationFailedError) as caught:
            room.join("alice", leave_when_idle=True).answer(offer)
        assert caught.value.status == status
        assert "alice" not in room.peers
    with pytest.raises(NotPermittedError):
        room.join("alice", leave_when_idle=True).answer(make_offer(*BOTH), publish=False)
    with pytest.raises(LimitError) as limited:
        room.join("alice", leave_when_idle=True).answer(make_offer(*BOTH, *BOTH))
    assert limited.value.key == "max_tracks_per_peer"
    assert server.rows_in_use() == NO_ROWS
    assert {type(event) for event in await waiting(stream)} == {PeerJoined, PeerLeft}


async def test_a_later_offer_adds_and_ends_tracks(server: Server) -> None:
    alice = server.room("lobby").join("alice")
    connection = alice.answer(make_offer(("audio", "sendonly"), ("video", "inactive"))).connection
    (audio,) = alice.tracks
    connection.answer(make_offer(*BOTH))
    assert [track.kind for track in alice.tracks] == ["audio", "video"]
    assert alice.tracks[0] is audio
    connection.answer(make_offer(("audio", "inactive"), ("video", "sendonly")))
    assert [track.kind for track in alice.tracks] == ["video"]
    assert audio.ended


async def test_a_later_offer_that_cannot_be_read_changes_nothing(server: Server) -> None:
    alice = server.room("lobby").join("alice")
    connection = alice.answer(make_offer(*BOTH)).connection
    with pytest.raises(NegotiationFailedError):
        connection.answer("v=0\r\n")
    assert len(alice.tracks) == 2
    assert connection.state is ConnectionState.CONNECTING


async def test_connections_of_a_peer_are_limited() -> None:
    async with Server(Config(max_connections_per_peer=1)) as server:
        alice = server.room("lobby").join("alice")
        alice.answer(make_offer(*BOTH))
        with pytest.raises(LimitError, match="close one first"):
            alice.offer()


# subscribing with the client's offer


async def test_slots_are_filled_by_kind(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(make_offer(*BOTH))
    answered = bob.answer(make_offer(*RECEIVE_BOTH, ("video", "recvonly")), subscribe="alice")
    assert [held.track for held in bob.subscriptions] == list(alice.tracks)
    assert answered.unfilled == ("2",)
    assert answered.sdp.count("a=sendonly") == 2
    assert answered.sdp.count("a=inactive") == 1
    assert "a=msid:alice " in answered.sdp
    assert len({held.ssrc for held in bob.subscriptions}) == 2


async def test_nobody_gets_his_own_back(server: Server) -> None:
    alice = server.room("lobby").join("alice")
    answered = alice.answer(make_offer(("audio", "sendrecv")), subscribe="all")
    assert answered.unfilled == ("0",)
    assert not alice.subscriptions


async def test_an_unknown_or_silent_publisher_is_said_so(server: Server) -> None:
    room = server.room("lobby")
    room.join("carol")
    for publisher, error in (("nobody", UnknownPublisherError), ("carol", NothingPublishedError)):
        with pytest.raises(error):
            room.join("bob", leave_when_idle=True).answer(make_offer(*RECEIVE_BOTH), subscribe=publisher)
    assert list(room.peers) == ["carol"]


async def test_a_list_of_tracks_is_taken_literally(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(make_offer(*BOTH))
    bob.answer(make_offer(*RECEIVE_BOTH), subscribe=[alice.tracks[1]])
    assert [held.track.kind for held in bob.subscriptions] == ["video"]
    track = alice.tracks[0]
    alice.leave()
    with pytest.raises(LocalError, match="has ended"):
        bob.answer(make_offer(*RECEIVE_BOTH), subscribe=[track])


async def test_the_next_offer_fills_what_was_empty(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    connection = bob.answer(make_offer(*RECEIVE_BOTH), subscribe="all").connection
    assert not bob.subscriptions
    alice.answer(make_offer(*BOTH))
    assert not bob.subscriptions
    assert connection.answer(make_offer(*RECEIVE_BOTH)).unfilled == ()
    assert len(bob.subscriptions) == 2
    connection.answer(make_offer(*RECEIVE_BOTH))
    assert len(bob.subscriptions) == 2
    connection.answer(make_offer(("audio", "recvonly"), ("video", "inactive")))
    assert [held.track.kind for held in bob.subscriptions] == ["audio"]


async def test_a_track_takes_its_subscriptions_with_it(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    connection = alice.answer(make_offer(*BOTH)).connection
    bob.offer(subscribe="all")
    held = bob.subscriptions[0]
    connection.close()
    assert held.closed
    assert not bob.subscriptions
    assert server.rows_in_use() == NO_ROWS | {"connections": 1}


async def test_where_the_client_has_offered_they_wait_for_the_next_track(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    connection = alice.answer(make_offer(*BOTH)).connection
    bob.answer(make_offer(*RECEIVE_BOTH), subscribe="all")
    held = bob.subscriptions[0]
    connection.close()
    assert held.vacant
    assert not held.closed
    assert server.rows_in_use() == NO_ROWS | {"connections": 1, "subscriptions": 2}
    held.close()
    assert held.closed
    assert server.rows_in_use() == NO_ROWS | {"connections": 1, "subscriptions": 1}


# ICE restart


async def test_ice_restarts_by_offer_and_by_fragment(server: Server) -> None:
    alice = server.room("lobby").join("alice")
    answered = alice.answer(make_offer(*BOTH))
    connection = answered.connection

    def ufrag(sdp: str) -> str:
        return next(line for line in sdp.split("\r\n") if line.startswith("a=ice-ufrag:"))

    assert ufrag(connection.answer(make_offer(*BOTH)).sdp) == ufrag(answered.sdp)
    second = connection.answer(make_offer(*BOTH, ufrag="wxyz")).sdp
    assert ufrag(second) != ufrag(answered.sdp)
    fragment = connection.restart_ice_fragment("hijk", "z" * 22)
    assert fragment is not None
    assert ufrag(fragment) not in (ufrag(second), ufrag(answered.sdp))
    assert connection.restart_ice_fragment("hijk", "z" * 22) is None
    assert connection.handle_fragment("a=ice-ufrag:hijk\r\na=ice-pwd:" + "z" * 22 + "\r\n") is None
    assert connection.handle_fragment("a=end-of-candidates\r\n") is None
    again = connection.answer(make_offer(*BOTH, ufrag="hijk", pwd="z" * 22)).sdp
    assert ufrag(again) == ufrag(fragment)
    with pytest.raises(NegotiationFailedError):
        connection.restart_ice_fragment("x", "y")
    with pytest.raises(NegotiationFailedError) as caught:
        connection.handle_fragment("nonsense")
    assert caught.value.status == 400


async def test_ice_restarts_on_our_offers(server: Server) -> None:
    bob = server.room("lobby").join("bob")
    connection = bob.offer()
    with pytest.raises(NegotiationFailedError, match="no answer yet"):
        connection.restart_ice_fragment("hijk", "z" * 22)
    connection.accept(make_answer(connection.offer()))
    (before,) = connection.local_ufrags()
    offer = connection.offer(restart_ice=True)
    assert f"a=ice-ufrag:{before}" not in offer
    connection.accept(make_answer(offer, ufrag="ijkl"))
    assert connection.restart_ice_fragment("ijkl", "q" * 22) is None
    fragment = connection.restart_ice_fragment("mnop", "q" * 22)
    assert fragment is not None
    assert "a=mid:0" in fragment


async def test_two_shards_share_a_room() -> None:
    async with Server(Config(shards=2)) as server:
        room = server.room("lobby")
        alice, bob = room.join("alice"), room.join("bob")
        alice.answer(make_offer(*BOTH))
        subscribing = bob.answer(make_offer(*RECEIVE_BOTH), subscribe="all").connection
        assert alice.connections[0].shard is not subscribing.shard
        assert server.rows_in_use()["tracks"] == 4
        subscribing.close()
        assert server.rows_in_use()["tracks"] == 2
        alice.leave()
        assert server.rows_in_use() == NO_ROWS
