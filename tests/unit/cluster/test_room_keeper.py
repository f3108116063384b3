"""Rooms of one node: what is asked about each, and what late, lost and repeated answers make of it."""

from __future__ import annotations

import pytest

from sfu.cluster.news import RoomElsewhere, RoomOurs
from sfu.cluster.room_requests import Claim, Claimed, Move, Release
from sfu.errors import ArgumentError
from tests.unit.cluster.playing import Player, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


def build(stage: Stage, *names: str) -> list[Player]:
    """Nodes that may claim."""
    players = [Player(stage, name) for name in names]
    stage.go(4.0)
    return players


def meet(stage: Stage) -> tuple[Player, Player]:
    """Two nodes with people in the room `r`, the first of which is its home."""
    a, b = build(stage, "a", "b")
    for each in (a, b):
        each.attend("r")
        stage.go(0.1)
    return a, b


def test_a_room_that_has_no_home_is_claimed_and_the_others_learn_whose_it_is(stage: Stage) -> None:
    a, b = meet(stage)
    assert a.holds("r") and not b.holds("r")
    assert a.home("r") == b.home("r") == "a"
    assert any(isinstance(news, RoomOurs) and news.room == "r" for news in a.heard)
    assert any(isinstance(news, RoomElsewhere) and not news.was_ours for news in b.heard)


def test_a_room_that_is_over_is_given_up(stage: Stage) -> None:
    a, b = build(stage, "a", "b")
    a.attend("r")
    stage.go(0.1)
    a.leave("r")
    assert not a.holds("r")
    stage.go(0.1)
    assert stage.store.rooms == 0 and len(a.rooms) == 0
    b.attend("r")
    stage.go(0.1)
    assert b.holds("r")


def test_nothing_of_a_room_stays_that_was_left_before_it_was_claimed(stage: Stage) -> None:
    (a,) = build(stage, "a")
    a.connected = False
    stage.go(5.0)
    for number in range(1000):
        a.attend(f"r{number}")
        a.leave(f"r{number}")
        a.attend("again")
        a.leave("again")
    assert len(a.rooms) == 0 and len(a.rooms._queue) < 300


def test_a_claim_without_an_answer_is_asked_for_again(stage: Stage) -> None:
    (a,) = build(stage, "a")
    a.attend("r")
    (claim,) = a.poll("claim")
    a.do(claim)
    a.fail(claim)
    assert not a.holds("r")
    stage.go(0.6)
    assert a.holds("r")


def test_a_claim_without_an_answer_for_a_room_that_was_left_is_looked_up_and_given_up(stage: Stage) -> None:
    (a,) = build(stage, "a")
    a.attend("r")
    (claim,) = a.poll("claim")
    a.do(claim)
    a.leave("r")
    a.fail(claim)
    assert stage.store.rooms == 1
    stage.go(1.3)
    assert stage.store.rooms == 0 and len(a.rooms) == 0


def test_a_room_that_is_attended_again_does_not_fall_to_a_release_that_comes_late(stage: Stage) -> None:
    (a,) = build(stage, "a")
    a.attend("r")
    stage.go(0.1)
    a.leave("r")
    (release,) = a.poll("release")
    a.fail(release)  # it is on its way all the same
    a.attend("r")
    stage.go(0.6)
    assert a.holds("r")
    assert a.do(release) == 0
    assert stage.store.rooms == 1


def test_a_claim_that_is_answered_in_another_life_of_the_lease_counts_for_nothing(stage: Stage) -> None:
    a, b = build(stage, "a", "b")
    a.attend("r")
    (claim,) = a.poll("claim")
    late = a.do(claim)
    a.connected = False
    stage.go(3.5)
    b.attend("r")
    stage.go(0.5)
    assert b.holds("r")
    a.connected = True
    stage.go(1.2)
    assert isinstance(claim.request, Claim)
    a.answer(claim, late)
    assert not a.holds("r") and b.holds("r")
    stage.go(1.0)
    assert a.home("r") == "b"


def test_while_the_store_is_away_a_node_is_not_sure_of_its_rooms_but_keeps_them(stage: Stage) -> None:
    a, _ = build(stage, "a", "b")
    a.attend("r")
    stage.go(0.1)
    a.connected = False
    stage.go(2.5)
    assert not a.holds("r") and a.rooms.find_token("r") > 0
    a.heard.clear()
    a.connected = True
    stage.go(1.2)
    assert a.holds("r") and any(isinstance(news, RoomOurs) for news in a.heard)


def test_who_comes_back_after_another_took_over_learns_it(stage: Stage) -> None:
    a, b = meet(stage)
    a.connected = False
    stage.go(4.0)
    assert b.holds("r") and not a.holds("r")
    a.connected = True
    stage.go(1.2)
    assert a.home("r") == "b"
    (taken,) = [news for news in a.heard if isinstance(news, RoomElsewhere)]
    assert taken.was_ours and taken.home.node == "b"


def test_after_a_flush_those_who_hold_go_on_without_a_gap(stage: Stage) -> None:
    a, b = meet(stage)
    token = a.rooms.find_token("r")
    stage.store.flush()
    for _ in range(60):
        stage.go(0.1)
        assert a.holds("r")
    assert a.rooms.find_token("r") == token and b.home("r") == "a" and stage.store.rooms == 1


def test_after_a_long_outage_and_a_flush_each_gets_back_what_it_had(stage: Stage) -> None:
    a, b = build(stage, "a", "b")
    for number in range(250):
        (a if number % 2 else b).attend(f"r{number}")
        stage.go(0.1)
        (b if number % 2 else a).attend(f"r{number}")
    a.connected = b.connected = False
    stage.store.flush()
    stage.go(600.0)
    a.connected = True
    stage.go(1.5)  # the other one comes later
    b.connected = True
    stage.go(5.0)
    for number in range(250):
        assert (a if number % 2 else b).holds(f"r{number}")


def test_a_room_goes_to_the_node_that_it_is_handed_to(stage: Stage) -> None:
    a, b = meet(stage)
    token = a.rooms.hand_over("r", stage.now)
    assert token and not a.holds("r")
    move = Move("a", a.membership.lease.epoch, "r", token, "b", b.membership.lease.epoch)
    assert stage.store.ask(move.script, move.arguments()) == 1
    b.rooms.doubt("r", stage.now)
    stage.go(1.5)
    assert b.holds("r") and a.home("r") == "b"
    assert a.rooms.hand_over("r", stage.now) == 0


def test_a_room_whose_heir_does_not_take_it_comes_back(stage: Stage) -> None:
    a, _ = build(stage, "a", "b")
    a.attend("r")
    stage.go(0.1)
    a.rooms.hand_over("r", stage.now)
    stage.go(1.5)
    assert a.holds("r")


def test_who_is_taken_for_a_home_and_is_none_gives_it_up(stage: Stage) -> None:
    a, b = build(stage, "a", "b")
    claim = Claim("a", a.membership.lease.epoch, a.membership.lease.incarnation, 1 << 50, False, (("r", 0),))
    stage.store.ask(claim.script, claim.arguments())
    b.attend("r")
    stage.go(0.5)
    assert b.home("r") == "a" and not a.holds("r")
    a.rooms.disown("r", stage.now)
    b.rooms.disown("r", stage.now)
    stage.go(7.0)
    assert b.holds("r") and len(a.rooms) == 0


def test_before_it_may_claim_a_node_learns_of_homes_and_waits_with_the_rest(stage: Stage) -> None:
    (a,) = build(stage, "a")
    a.attend("r")
    stage.go(0.1)
    b = Player(stage, "b")
    b.attend("r")
    b.attend("new")
    stage.go(0.1)
    assert b.home("r") == "a" and b.home("new") is None
    stage.go(3.5)
    assert b.holds("new")


def test_many_rooms_are_asked_for_in_few_requests(stage: Stage) -> None:
    (a,) = build(stage, "a")
    for number in range(1000):
        a.attend(f"r{number}")
    asked = a.poll("claim")
    assert 0 < len(asked) <= 4 and all(len(one.request.arguments()) <= 205 for one in asked)
    for one in asked:
        a.fail(one)
    stage.go(3.0)
    assert len(a.rooms.list_held(stage.now)) == 1000
    for number in range(1000):
        a.leave(f"r{number}")
    stage.go(1.0)
    assert stage.store.rooms == 0


@pytest.mark.parametrize("outcome", ["late", "reborn", "unleased"])
def test_a_claim_that_is_refused_for_now_is_tried_again(stage: Stage, outcome: str) -> None:
    (a,) = build(stage, "a")
    a.attend("r")
    (claim,) = a.poll("claim")
    a.answer(claim, (Claimed(outcome, None),))
    assert not a.holds("r")
    assert len(a.poll("renew")) == (outcome != "late")


def test_a_release_of_what_was_another_s_meanwhile_takes_nothing_away(stage: Stage) -> None:
    a, b = build(stage, "a", "b")
    a.attend("r")
    stage.go(0.1)
    a.connected = False
    stage.go(3.5)
    b.attend("r")
    stage.go(0.5)
    a.leave("r")
    a.connected = True
    stage.go(2.0)
    assert b.holds("r") and stage.store.rooms == 1 and len(a.rooms) == 0


def test_a_room_needs_a_name_that_fits(stage: Stage) -> None:
    (a,) = build(stage, "a")
    with pytest.raises(ArgumentError):
        a.attend("")
    assert len(a.rooms) == 0
    assert Release("a", 1, ()).arguments() == ("a", "1")
