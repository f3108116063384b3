"""A connection on which the client offers, and the program says which Track goes into which section."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from sfu import Config, Room, Server, Steered, Track, events
from sfu.errors import LimitError, LocalError, NegotiationFailedError
from tests.unit.offers import make_offer

BOTH = (("audio", "sendonly"), ("video", "sendonly"))
RECEIVE = (("audio", "recvonly"), ("video", "recvonly"))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(Config(max_media_per_connection=4)) as running:
        yield running
        for room in list(running.rooms.values()):
            room.close()
        assert set(running.rows_in_use().values()) == {0}


@pytest.fixture
async def room(server: Server) -> Room:
    room = server.room("lobby")
    room.join("alice").answer(make_offer(*BOTH))
    return room


def steer(room: Room, name: str, *sections: tuple[str, str]) -> Steered:
    return room.join(name).steer(make_offer(*sections)).connection


def list_sections(sdp: str) -> list[tuple[str, str]]:
    """Direction and track id of each section."""
    found = []
    for section in sdp.split("\r\nm=")[1:]:
        direction = re.search(r"^a=(sendonly|recvonly|inactive|sendrecv)\r?$", section, re.MULTILINE)
        track = re.search(r"^a=msid:(\S+) (\S+?)\r?$", section, re.MULTILINE)
        found.append((direction[1] if direction else "", f"{track[1]} {track[2]}" if track else ""))
    return found


def count_asked(stream: object) -> int:
    waiting = stream._waiting  # type: ignore[attr-defined]
    return sum(isinstance(event, events.NegotiationNeeded) for event in waiting)


def tracks_of(room: Room) -> tuple[Track, Track]:
    audio, video = room.peers["alice"].tracks
    return audio, video


async def test_nothing_is_sent_that_was_not_requested(room: Room) -> None:
    answered = room.join("bob").steer(make_offer(*RECEIVE))
    assert list_sections(answered.sdp) == [("inactive", ""), ("inactive", "")]
    assert answered.unfilled == ("0", "1")
    assert answered.connection.lacking == {"audio": 0, "video": 0}


async def test_what_is_requested_comes_with_the_next_answer_under_the_name_that_it_was_given(room: Room) -> None:
    bob = steer(room, "bob", *RECEIVE)
    told = room.events()
    audio, video = tracks_of(room)
    bob.request(video, msid=("PA_x|camera", "TR_y"))
    bob.request(audio)
    assert count_asked(told) == 1
    assert bob.find(video) is None
    answered = bob.answer(make_offer(*RECEIVE))
    assert list_sections(answered.sdp) == [("sendonly", f"alice {audio.id}"), ("sendonly", "PA_x|camera TR_y")]
    assert count_asked(told) == 1, "nothing is left to ask for"
    found = bob.find(video)
    assert found is not None and (found.mid, found.track) == ("1", video)


async def test_the_first_answer_has_what_was_requested_with_the_offer(room: Room) -> None:
    audio, video = tracks_of(room)
    answered = room.join("bob").steer(make_offer(*RECEIVE), request={video: None, audio: ("s", "t")})
    assert list_sections(answered.sdp) == [("sendonly", "s t"), ("sendonly", f"alice {video.id}")]


async def test_it_says_how_many_sections_are_lacking(room: Room) -> None:
    room.join("carol").answer(make_offer(*BOTH))
    bob = steer(room, "bob", ("audio", "recvonly"))
    for track in room.tracks:
        bob.request(track)
    assert bob.lacking == {"audio": 1, "video": 2}
    bob.answer(make_offer(("audio", "recvonly"), ("audio", "recvonly"), ("video", "recvonly"), ("video", "recvonly")))
    assert bob.lacking == {"audio": 0, "video": 0}
    assert {held.track for held in bob.subscriptions} == set(room.tracks)


async def test_a_section_that_was_given_up_is_empty_once_before_it_is_used_again(room: Room) -> None:
    room.join("carol").answer(make_offer(*BOTH))
    bob = steer(room, "bob", *RECEIVE)
    alice, carol = (next(t for t in room.peers[name].tracks if t.kind == "video") for name in ("alice", "carol"))
    bob.request(alice)
    bob.answer(make_offer(*RECEIVE))
    told = room.events()
    bob.release(alice)
    bob.request(carol)
    assert count_asked(told) == 1
    assert bob.lacking == {"audio": 0, "video": 1}
    assert list_sections(bob.answer(make_offer(*RECEIVE)).sdp)[1] == ("inactive", "")
    assert count_asked(told) == 2, "the next answer can have it"
    assert bob.lacking == {"audio": 0, "video": 0}
    assert list_sections(bob.answer(make_offer(*RECEIVE)).sdp)[1] == ("sendonly", f"carol {carol.id}")


async def test_a_track_that_ends_frees_its_section_and_leaves_the_connection_open(room: Room) -> None:
    bob = steer(room, "bob", *RECEIVE)
    for track in tracks_of(room):
        bob.request(track)
    bob.answer(make_offer(*RECEIVE))
    told = room.events()
    room.peers["alice"].leave()
    assert bob.requested == () and bob.subscriptions == ()
    assert count_asked(told) == 1
    assert list_sections(bob.answer(make_offer(*RECEIVE)).sdp) == [("inactive", ""), ("inactive", "")]


async def test_what_ended_before_the_answer_is_not_waited_for(room: Room) -> None:
    bob = steer(room, "bob", ("audio", "recvonly"))
    bob.request(tracks_of(room)[1])
    room.peers["alice"].leave()
    assert bob.lacking == {"audio": 0, "video": 0}


async def test_a_codec_that_the_client_does_not_decode_is_refused_not_asked_for_again(room: Room) -> None:
    bob = steer(room, "bob", ("audio", "recvonly"))
    told = room.events()
    _, video = tracks_of(room)
    bob.request(video)
    assert bob.refused == ()
    bob.answer(make_offer(("audio", "recvonly"), ("VP9", "recvonly")))
    assert bob.refused == (video,)
    assert bob.lacking == {"audio": 0, "video": 0}
    assert count_asked(told) == 1
    bob.answer(make_offer(("audio", "recvonly"), ("VP9", "recvonly"), ("VP8 or VP9", "recvonly")))
    assert bob.refused == () and bob.find(video) is not None


async def test_requests_are_bounded_and_each_is_made_once(room: Room) -> None:
    room.join("carol").answer(make_offer(*BOTH))
    room.join("dave").answer(make_offer(*BOTH))
    bob = steer(room, "bob", ("audio", "recvonly"))
    first, *others = room.tracks
    bob.request(first)
    with pytest.raises(LocalError, match="already"):
        bob.request(first)
    for track in others[:3]:
        bob.request(track)
    with pytest.raises(LimitError, match="at most 4"):
        bob.request(others[3])
    assert sum(bob.lacking.values()) == 3
    bob.release(first)
    bob.release(first)
    room.peers["dave"].leave()
    with pytest.raises(LocalError, match="has ended"):
        bob.request(others[-1])


async def test_a_publisher_may_be_steered_too_and_its_track_says_what_the_client_calls_it(room: Room) -> None:
    dora = room.join("dora")
    answered = dora.steer(make_offer(("audio", "sendonly"), ("video", "recvonly")))
    (track,) = dora.tracks
    assert (track.stated_id, track.mid) == ("track", "0")
    answered.connection.answer(make_offer(("audio", "sendonly"), ("video", "recvonly")).replace("stream track", "s t2"))
    assert track.stated_id == "t2" and not track.ended


async def test_a_refused_offer_leaves_nothing(room: Room) -> None:
    erin = room.join("erin", leave_when_idle=True)
    with pytest.raises(NegotiationFailedError):
        erin.steer("v=0")
    assert "erin" not in room.peers


async def test_a_publisher_sends_in_the_codec_that_is_preferred_and_stays_with_it(room: Room) -> None:
    offer = make_offer(("VP8 or VP9", "sendonly"))
    answered = room.join("frank").steer(offer, prefer={"track": "vp9"})
    (track,) = answered.connection.tracks
    assert track.codec.name == "VP9"
    assert "98" in next(line for line in answered.sdp.splitlines() if line.startswith("m=video")).split()[3]
    answered.connection.prefer({track.stated_id: track.codec.name})
    answered.connection.answer(offer)
    assert answered.connection.tracks == (track,)
    answered.connection.prefer({})
    answered.connection.answer(offer)
    (other,) = answered.connection.tracks
    assert track.ended and other.codec.name == "VP8"
