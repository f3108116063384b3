"""Subscribing and publishing with our offers, up to the point where ICE begins."""

from __future__ import annotations

import pytest

from sfu import LocalError, Server
from sfu.errors import (
    NegotiationFailedError,
)
from sfu.events import (
    NegotiationNeeded,
)
from tests.unit.offers import BOTH, make_answer, make_offer
from tests.unit.waiting_events import waiting


async def test_our_offers_follow_what_is_published(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    stream = room.events()
    connection = bob.offer(subscribe="all")
    connection.accept(make_answer(connection.offer()))
    publishing = alice.answer(make_offer(*BOTH)).connection
    assert len(bob.subscriptions) == 2
    assert not bob.subscriptions[0].negotiated
    offer = connection.offer()
    assert offer.count("a=sendonly") == 2
    connection.accept(make_answer(offer))
    assert all(held.negotiated for held in bob.subscriptions)
    publishing.close()
    assert not bob.subscriptions
    assert connection.offer().count("a=inactive") == offer.count("m=")
    needed = [event for event in await waiting(stream) if isinstance(event, NegotiationNeeded)]
    assert needed == [NegotiationNeeded("lobby", "bob", connection.id)] * 2


async def test_a_subscriber_may_call_tracks_something_else_and_have_a_section_for_each(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    connection = bob.offer(subscribe=None, reuse_sections=False)
    connection.accept(make_answer(connection.offer()))
    for number in range(2):
        publishing = alice.answer(make_offer(("audio", "sendonly"))).connection
        connection.subscribe(alice.tracks[0], msid=("PA_x|camera", f"TR_{number}"))
        offer = connection.offer()
        assert f"a=msid:PA_x|camera TR_{number}" in offer
        connection.accept(make_answer(offer))
        publishing.close()
        connection.accept(make_answer(connection.offer()))
    assert connection.mids == ("0", "1")


async def test_changes_during_an_offer_are_asked_for_after_its_answer(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    connection = bob.offer(subscribe="all")
    offer = connection.offer()
    stream = room.events()
    alice.answer(make_offer(*BOTH))
    assert connection.offer() != offer  # a fresh offer replaces the one that was not answered
    second = connection.offer()
    room.join("carol").answer(make_offer(("audio", "sendonly")))
    connection.accept(make_answer(second))
    needed = [event for event in await waiting(stream) if isinstance(event, NegotiationNeeded)]
    assert needed == [NegotiationNeeded("lobby", "bob", connection.id)]
    assert [held.negotiated for held in bob.subscriptions] == [True, True, False]


async def test_what_the_client_rejects_is_dropped(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(make_offer(*BOTH))
    connection = bob.offer(subscribe="alice")
    connection.accept(make_answer(connection.offer(), direction="inactive"))
    assert not bob.subscriptions
    assert server.rows_in_use()["subscriptions"] == 0


async def test_a_client_may_publish_on_our_offer(server: Server) -> None:
    room = server.room("lobby")
    alice = room.join("alice")
    connection = alice.offer(subscribe="all", publish=("audio",))
    offer = connection.offer()
    assert "a=recvonly" in offer
    answer = make_answer(offer).replace("a=inactive", "a=sendonly")
    connection.accept(answer)
    assert [track.kind for track in alice.tracks] == ["audio"]


async def test_single_subscriptions(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(make_offer(*BOTH))
    with pytest.raises(LocalError, match=r"Peer\.offer"):
        bob.subscribe(alice.tracks[0])
    connection = bob.offer(subscribe=None)
    held = bob.subscribe(alice.tracks[0])
    with pytest.raises(LocalError, match="already"):
        bob.subscribe(alice.tracks[0])
    connection.accept(make_answer(connection.offer()))
    assert held.negotiated
    held.pause()
    held.pause()
    assert held.current is None
    held.resume()
    held.close()
    held.close()
    assert server.rows_in_use()["subscriptions"] == 0


async def test_an_answer_that_cannot_be_read_changes_nothing(server: Server) -> None:
    room = server.room("lobby")
    alice, bob = room.join("alice"), room.join("bob")
    alice.answer(make_offer(*BOTH))
    connection = bob.offer(subscribe="alice")
    answer = make_answer(connection.offer())
    with pytest.raises(NegotiationFailedError) as caught:
        connection.accept(answer.replace("a=setup:active", "a=setup:holdconn"))
    assert caught.value.status == 422
    connection.accept(answer)
    assert len(bob.subscriptions) == 2
