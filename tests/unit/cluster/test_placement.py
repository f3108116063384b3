from __future__ import annotations

from collections import Counter
from random import Random

from sfu.cluster.placement import choose, pick_candidates
from sfu.cluster.records import NodeRecord

US = NodeRecord(id="us", region="eu")
NEAR = [NodeRecord(id=f"near{number}", region="eu") for number in range(10)]
FAR = [NodeRecord(id=f"far{number}", region="us") for number in range(10)]


def ids(nodes: tuple[NodeRecord, ...]) -> list[str]:
    return [node.id for node in nodes]


def test_we_and_two_of_our_region_are_compared() -> None:
    for seed in range(50):
        us, *others = pick_candidates(US, [*FAR, *NEAR], Random(seed))
        assert us == US and len(others) == 2 and {node.region for node in others} == {"eu"}


def test_the_same_chance_gives_the_same_candidates() -> None:
    assert pick_candidates(US, NEAR, Random(3)) == pick_candidates(US, NEAR, Random(3))
    assert len({ids(pick_candidates(US, NEAR, Random(seed)))[1] for seed in range(100)}) == 10


def test_who_drains_speaks_another_protocol_or_is_full_is_left_out() -> None:
    closed = [
        NodeRecord(id="draining", region="eu", draining=True),
        NodeRecord(id="strange", region="eu", protocol=2),
        NodeRecord(id="full", region="eu"),
        NodeRecord(id="open", region="eu"),
    ]
    assert ids(pick_candidates(US, closed, Random(1), full={"full"})) == ["us", "open"]
    draining = NodeRecord(id="us", region="eu", draining=True)
    assert ids(pick_candidates(draining, closed, Random(1), full={"full"})) == ["open"]


def test_other_regions_are_for_when_nobody_of_ours_is_open() -> None:
    picked = pick_candidates(US, FAR, Random(1), full={"us"})
    assert len(picked) == 2 and {node.region for node in picked} == {"us"}
    assert ids(pick_candidates(US, FAR, Random(1))) == ["us"]
    assert pick_candidates(US, [], Random(1), full={"us"}) == ()


def test_the_least_loaded_is_chosen_and_we_are_where_it_makes_no_difference() -> None:
    candidates = (US, NEAR[0], NEAR[1])
    assert choose(candidates, "us", {"us": 0.5, "near0": 0.4, "near1": 0.3}) == NEAR[1]
    assert choose(candidates, "us", {"us": 0.33, "near0": 0.4, "near1": 0.3}) == US
    assert choose(candidates, "us", {"us": 0.9}) == US, "who has told no load is taken for full"
    assert choose((), "us", {}) is None


def test_loads_stay_close_together() -> None:
    nodes = [NodeRecord(id=f"n{number}") for number in range(100)]
    random, rooms = Random(7), Counter[str]()
    for _ in range(10_000):
        us = nodes[0]  # all clients come to one door
        candidates = pick_candidates(us, nodes, random)
        chosen = choose(candidates, us.id, {node.id: rooms[node.id] / 1000 for node in candidates})
        assert chosen is not None
        rooms[chosen.id] += 1
    others = [rooms[node.id] for node in nodes[1:]]
    assert max(others) - min(others) <= 12
