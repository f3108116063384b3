"""Whoever joins and leaves, in whatever order: nobody is counted twice, and no count is left behind."""

from __future__ import annotations

import collections

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.rooms.attendance import Attendance
from tests.property.modes import examples

ROOMS, PEERS, TENANTS = st.sampled_from("RST"), st.sampled_from("abc"), st.sampled_from(["", "x", "y"])
# Whoever is in leaves, whoever is not joins; a room that is held by itself is released, or else held.
STEPS = st.lists(st.tuples(st.booleans(), ROOMS, PEERS, TENANTS), max_size=60)


@given(STEPS)
@settings(deadline=None, max_examples=examples(200))
def test_counts_are_those_of_who_is_there(steps: list[tuple[bool, str, str, str]]) -> None:
    now, spent = 0.0, collections.Counter[str]()
    attendance = Attendance(lambda: now)
    peers: dict[tuple[str, str], str] = {}
    held: set[str] = set()
    openers: dict[str, str] = {}

    def check(room: str, tenant: str) -> None:
        """See that the counts are those of a list that is made anew."""
        used = {name for name, _ in peers} | held
        openers.setdefault(room, tenant)
        for name in [name for name in openers if name not in used]:
            del openers[name]
        for each in ("", "x", "y"):
            assert attendance.count_peers(each) == collections.Counter(peers.values())[each]
            assert attendance.count_rooms(each) == collections.Counter(openers.values())[each]
        assert {name: attendance.find_opener(name) for name in used} == openers

    for is_peer, room, peer, tenant in steps:
        now += 1.0
        spent.update(peers.values())
        if is_peer and (room, peer) in peers:
            attendance.leave(room, peer, peers.pop((room, peer)))
        elif is_peer:
            peers[room, peer] = tenant
            attendance.enter(room, peer, tenant)
        elif room in held:
            held.discard(room)
            attendance.release_room(room)
        else:
            held.add(room)
            attendance.hold_room(room, tenant)
        check(room, tenant)
        assert {each: attendance.count_seconds(each) for each in ("", "x", "y")} == {
            each: spent[each] for each in ("", "x", "y")
        }
    for (room, peer), tenant in peers.items():
        attendance.leave(room, peer, tenant)
    for room in held:
        attendance.release_room(room)
    assert not attendance._opened
    assert not attendance._rooms
    assert not attendance._peers
