"""One node among others: its lease, whom it sees, and what it does while the directory is away."""

from __future__ import annotations

import dataclasses
import math
from random import Random

import pytest

from sfu.cluster.lease import LeaseState
from sfu.cluster.membership import Membership
from sfu.cluster.memory_store import MemoryStore
from sfu.cluster.news import Excluded, NodeGone, NodeThere
from sfu.cluster.node_requests import Renew
from sfu.cluster.records import MAX_RECORD_BYTES, NodeRecord
from sfu.cluster.timing import ALONE, CLUSTER
from sfu.errors import ArgumentError
from tests.unit.cluster.playing import Player, Stage


@pytest.fixture
def stage() -> Stage:
    return Stage()


def seen(player: Player) -> set[str]:
    return set(player.membership.view.nodes)


def gone(player: Player) -> list[str]:
    return [news.node.id for news in player.heard if isinstance(news, NodeGone)]


def test_a_node_registers_renews_each_second_and_may_claim_after_it_has_watched(stage: Stage) -> None:
    player = Player(stage, "a", region="eu")
    membership = player.membership
    assert membership.state(stage.now) is LeaseState.LOST and not membership.may_claim(stage.now)
    stage.go(0.1)
    assert membership.state(stage.now) is LeaseState.HOLDS and not membership.may_claim(stage.now)
    assert membership.next_at(stage.now) == pytest.approx(stage.now + 1.0, abs=0.01)
    stage.go(3.0)
    assert membership.may_claim(stage.now)


def test_nodes_see_each_other_and_what_they_say_of_themselves(stage: Stage) -> None:
    a, b = Player(stage, "a", region="eu"), Player(stage, "b")
    stage.go(2.0)
    assert seen(a) == {"b"} and seen(b) == {"a"} and b.membership.view.nodes["a"].region == "eu"
    a.membership.update(dataclasses.replace(a.membership.record, draining=True), stage.now)
    stage.go(2.0)
    assert b.membership.view.nodes["a"].draining
    assert [news.node.draining for news in b.heard if isinstance(news, NodeThere)] == [False, True]
    with pytest.raises(ArgumentError):
        a.membership.update(NodeRecord(id="a", region="x" * MAX_RECORD_BYTES), stage.now)


def test_a_node_that_dies_is_missed_within_three_seconds(stage: Stage) -> None:
    players = [Player(stage, name) for name in "abcd"]
    stage.go(5.0)
    players[1].connected = False
    stage.go(3.0)
    for player in players[:1] + players[2:]:
        assert gone(player) == ["b"]
    assert gone(players[1]) == [], "who is cut off keeps what it knows"
    players[1].connected = True
    stage.go(2.0)
    assert seen(players[0]) == {"b", "c", "d"}


def test_several_in_a_row_are_missed_soon(stage: Stage) -> None:
    players = [Player(stage, f"n{number:02}") for number in range(12)]
    stage.go(5.0)
    for player in players[2:9]:
        player.connected = False
    stage.go(4.5)
    assert sorted(gone(players[0])) == [f"n{number:02}" for number in range(2, 9)]


def test_in_a_store_that_has_lost_all_nobody_is_taken_for_gone_who_comes_back(stage: Stage) -> None:
    a, b, c = (Player(stage, name) for name in "abc")
    stage.go(5.0)
    c.connected = False
    stage.store.flush()
    for _ in range(24):
        stage.go(0.1)
        assert seen(a) == {"b", "c"}
    stage.go(4.0)
    assert seen(a) == {"b"} and seen(b) == {"a"} and gone(a) == gone(b) == ["c"]


def test_while_the_directory_is_away_everything_stays_and_it_is_asked_about_once_a_second(stage: Stage) -> None:
    a, b = Player(stage, "a"), Player(stage, "b")
    stage.go(5.0)
    a.connected = b.connected = False
    asked = 0
    for _ in range(600):
        stage.now += 0.1
        for one in a.poll():
            assert isinstance(one.request, Renew)
            asked += 1
            a.fail(one)
    assert 500 / 10 < asked < 1400 / 10 and seen(a) == {"b"} and gone(a) == []
    assert a.membership.state(stage.now) is LeaseState.LOST
    assert a.membership.next_at(stage.now) > stage.now - 0.1


def test_a_process_waits_for_the_lease_of_the_one_before_it(stage: Stage) -> None:
    first = Player(stage, "a")
    stage.go(5.0)
    stage.players.clear()
    second = Player(stage, "a")
    stage.go(1.0)
    assert second.membership.state(stage.now) is LeaseState.LOST
    stage.go(2.2)
    assert second.membership.state(stage.now) is LeaseState.HOLDS
    assert second.membership.lease.epoch > first.membership.lease.epoch
    assert not any(isinstance(news, Excluded) for news in second.heard)


def test_of_two_nodes_with_one_id_the_second_is_told_so(stage: Stage) -> None:
    first, second = Player(stage, "a"), Player(stage, "a")
    stage.go(20.0)
    assert first.membership.state(stage.now) is LeaseState.HOLDS
    (told,) = [news for news in second.heard if isinstance(news, Excluded)]
    assert "give each an id of its own" in told.reason


def test_who_is_superseded_by_a_registration_of_his_own_that_came_late_registers_anew(stage: Stage) -> None:
    player = Player(stage, "a")
    stage.go(5.0)
    player.attend("r")
    stage.go(0.1)
    player.connected = False
    stage.go(3.0)
    ghost = Renew("a", 0, 0.0, None)
    stage.store.ask(ghost.script, ghost.arguments())
    player.connected = True
    stage.go(1.2)
    assert player.membership.state(stage.now) is LeaseState.LOST and not player.holds("r")
    stage.go(7.0)
    assert player.membership.state(stage.now) is LeaseState.HOLDS and player.holds("r")


def test_a_node_of_another_protocol_is_told_and_served_once_the_others_are_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = Player(stage, "old")
    stage.go(4.0)
    monkeypatch.setattr("sfu.cluster.node_requests.PROTOCOL", 2)
    new = Player(stage, "new")
    stage.players.remove(old)
    for _ in range(3):
        stage.go(0.5)
        monkeypatch.setattr("sfu.cluster.node_requests.PROTOCOL", 1)
        old.play()
        monkeypatch.setattr("sfu.cluster.node_requests.PROTOCOL", 2)
    (told,) = [news for news in new.heard if isinstance(news, Excluded)]
    assert "speaks protocol 1" in told.reason
    stage.go(6.0)
    assert new.membership.state(stage.now) is LeaseState.HOLDS


def test_who_leaves_counts_on_nothing_and_is_missed_at_once(stage: Stage) -> None:
    a, b = Player(stage, "a"), Player(stage, "b")
    stage.go(5.0)
    a.attend("r")
    stage.go(0.1)
    b.attend("r")
    stage.go(0.1)
    leave = a.membership.leave(stage.now)
    assert leave is not None and not a.holds("r")
    assert a.poll() == [] and a.membership.next_at(stage.now) == math.inf
    assert stage.store.ask(leave.script, leave.arguments()) == 1
    stage.go(1.2)
    assert gone(b) == ["a"] and b.holds("r")
    assert a.membership.leave(stage.now) is None


def test_hints_make_it_look_but_not_all_the_time(stage: Stage) -> None:
    player = Player(stage, "a")
    stage.go(5.0)
    looks = 0
    for _ in range(1000):
        stage.now += 0.001
        player.membership.hint("nodes", stage.now)
        player.membership.hint("x" * 64, stage.now)
        for asked in player.poll("look"):
            looks += 1
            player.answer(asked, player.do(asked))
    assert looks in (2, 3)


def test_old_rooms_of_nodes_that_are_gone_are_swept_in_time(stage: Stage) -> None:
    a, b = Player(stage, "a"), Player(stage, "b")
    stage.go(5.0)
    for number in range(300):
        a.attend(f"r{number}")
    stage.go(0.5)
    stage.players.remove(a)
    stage.go(60.0)
    assert stage.store.rooms == 300
    stage.go(140.0)
    assert stage.store.rooms == 0 and b.membership.forgotten == 300


def test_alone_a_node_claims_at_once() -> None:
    now = 5.0
    store = MemoryStore(lambda: now, ALONE.lease_ms)
    membership = Membership(NodeRecord(id="a"), random=Random(1), timing=ALONE)
    membership.rooms.attend("r", now)
    while asked := membership.poll(now):
        for one in asked:
            reply = one.request.read(store.ask(one.request.script, one.request.arguments()))
            membership.answer(one, reply, now)
    assert membership.rooms.holds("r", now)


def test_what_is_no_answer_is_the_driver_s_fault(stage: Stage) -> None:
    player = Player(stage, "a")
    (renew,) = player.poll()
    with pytest.raises(TypeError, match="no answer to renew"):
        player.answer(renew, 3)
    with pytest.raises(ArgumentError):
        Membership(NodeRecord(id="a b"), random=Random(1), timing=CLUSTER)
