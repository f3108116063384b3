"""The shell of a plane: each notice to its connection, deadlines in time, and one defect harms one connection."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aioice import stun

from sfu.routing.kernels.connection_columns import MAX_ADDRESSES as PLACES
from sfu.routing.plane import Datagram, SourceLearned
from sfu.shard.origins import Origins
from sfu.shard.shard import Shard
from sfu.transport import MAX_ADDRESSES, Address
from tests.unit.fakes import FakeClock, FakePlane, make_shard

HERE: Address = ("192.0.2.9", 5000)
THERE: Address = ("192.0.2.10", 5000)


class Member:
    drops: dict[str, int]

    def __init__(self, row: int, ufrag: str = "none") -> None:
        self.row = row
        self.drops = {"bad_integrity": row}
        self.calls: list[object] = []
        self.deadline: float | None = None
        self.defect = False
        self._ufrag = ufrag

    def local_ufrags(self) -> list[str]:
        return [self._ufrag]

    def handle_datagram(self, data: bytes, address: Address, now: float, local: bytes = b"") -> None:
        self._call(("datagram", data, address))

    def forget_address(self, address: Address, now: float) -> None:
        self._call(("forget", address))

    def handle_rtcp(self, data: bytes, now: float) -> None:
        self._call(("rtcp", data))

    def handle_notice(self, notice: object, now: float) -> None:
        self._call(("notice", notice))

    def poll_timeout(self) -> float | None:
        return self.deadline

    def handle_timeout(self, now: float) -> None:
        self.deadline = None
        self._call(("timeout", now))

    def handle_stall(self, now: float) -> None:
        self._call(("stall", now))

    def abort(self, now: float) -> None:
        self.calls.append("abort")

    def _call(self, what: object) -> None:
        self.calls.append(what)
        if self.defect:
            raise ZeroDivisionError


@pytest.fixture
def plane() -> FakePlane:
    return FakePlane()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def shard(plane: FakePlane, clock: FakeClock) -> AsyncIterator[Shard]:
    made = make_shard(plane, clock)
    made.start(asyncio.get_running_loop())
    yield made
    made.stop()


def make_check(ufrag: str) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{ufrag}:remote"
    message.add_message_integrity(b"x" * 22)
    return bytes(message)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to that")


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_notices_find_their_connection(shard: Shard, plane: FakePlane) -> None:
    alice, bob = Member(1, "alice"), Member(2, "bob")
    shard.attach(alice)
    shard.attach(bob)
    check = make_check("bob")
    shard.set_addresses(alice, [HERE], HERE)
    plane.push(
        Datagram("stun", check, HERE, 1),
        Datagram("dtls", b"\x16", HERE, -1),
        Datagram("rtcp", b"\x80", HERE, 2),
        SourceLearned(1, 5, 77),
    )
    await settle()
    assert alice.calls == [("datagram", b"\x16", HERE), ("notice", SourceLearned(1, 5, 77))]
    assert bob.calls == [("datagram", check, HERE), ("rtcp", b"\x80")]


async def test_an_address_that_media_come_from_is_not_given_away_for_a_check(
    shard: Shard, plane: FakePlane, clock: FakeClock
) -> None:
    victim, second = Member(1, "victim"), Member(2, "second")
    shard.attach(victim)
    shard.attach(second)
    shard.set_addresses(victim, [HERE, THERE], THERE)
    plane.addresses.media[victim.row] = [(HERE, clock.now - 1.0)]
    check = make_check("second")
    plane.push(Datagram("stun", check, HERE, 1))
    await settle()
    assert second.calls == []
    assert shard.drops == {"drop_stun_address_in_use": 1}
    # The victim's own checks, and an address of its that nothing comes from, are another matter.
    own = make_check("victim")
    plane.push(Datagram("stun", own, HERE, 1), Datagram("stun", check, THERE, 1))
    await settle()
    assert victim.calls == [("datagram", own, HERE)]
    assert second.calls == [("datagram", check, THERE)]
    clock.now += 8.0
    plane.push(Datagram("stun", check, HERE, 1))
    await settle()
    assert second.calls[1:] == [("datagram", check, HERE)]


async def test_who_loses_an_address_is_told_and_dtls_from_there_is_the_new_holders(
    shard: Shard, plane: FakePlane
) -> None:
    former, newest = Member(1), Member(2)
    shard.attach(former)
    shard.attach(newest)
    shard.set_addresses(former, [HERE, THERE], HERE)
    shard.set_addresses(newest, [HERE], HERE)
    assert former.calls == [("forget", HERE)]
    assert plane.addresses.held == {1: (HERE, THERE), 2: (HERE,)}
    assert plane.addresses.selected == {1: HERE, 2: HERE}
    plane.push(Datagram("dtls", b"\x16a", HERE, 2), Datagram("dtls", b"\x16b", THERE, 1))
    await settle()
    assert newest.calls == [("datagram", b"\x16a", HERE)]
    assert former.calls[1:] == [("datagram", b"\x16b", THERE)]


async def test_the_plane_is_told_whether_what_it_sends_goes_on_by_tcp(plane: FakePlane, clock: FakeClock) -> None:
    origins = Origins()
    origins.set(HERE, ("192.0.2.9", 50000), tcp=True)
    shard = make_shard(plane, clock, origins)
    member = Member(1)
    shard.attach(member)
    for selected, by_tcp in ((HERE, True), (THERE, False), (HERE, True), (None, False)):
        shard.set_addresses(member, [HERE, THERE], selected)
        assert plane.addresses.by_tcp == {1: by_tcp}


async def test_a_defect_in_who_loses_an_address_is_its_own(shard: Shard, plane: FakePlane) -> None:
    former, newest = Member(1), Member(2)
    shard.attach(former)
    shard.attach(newest)
    shard.set_addresses(former, [HERE], HERE)
    former.defect = True
    shard.set_addresses(newest, [HERE], HERE)
    assert former.calls == [("forget", HERE), "abort"]
    assert newest.calls == []
    assert plane.addresses.selected[2] == HERE


def test_the_plane_has_a_place_for_each_address_that_an_endpoint_remembers() -> None:
    assert PLACES == MAX_ADDRESSES


async def test_what_is_nobodys_is_counted(shard: Shard, plane: FakePlane) -> None:
    gone = Member(1, "gone")
    shard.attach(gone)
    shard.set_addresses(gone, [HERE], HERE)
    shard.detach(gone)
    plane.push(
        Datagram("stun", make_check("gone"), HERE, -1),
        Datagram("stun", b"\x00", HERE, -1),
        Datagram("dtls", b"\x16", HERE, -1),
        Datagram("rtcp", b"\x80", HERE, 1),
        SourceLearned(1, 5, 77),
    )
    await settle()
    assert gone.calls == []
    assert shard.drops == {
        "drop_stun_unknown_user": 2,
        "drop_dtls_unknown_address": 1,
        "drop_rtcp_unknown_address": 1,
    }


async def test_a_defect_closes_one_connection_only(
    shard: Shard, plane: FakePlane, caplog: pytest.LogCaptureFixture
) -> None:
    broken, whole = Member(1), Member(2)
    broken.defect = True
    shard.attach(broken)
    shard.attach(whole)
    with caplog.at_level(logging.ERROR):
        plane.push(Datagram("rtcp", b"a", HERE, 1), Datagram("rtcp", b"b", HERE, 2))
        await settle()
    assert broken.calls == [("rtcp", b"a"), "abort"]
    assert whole.calls == [("rtcp", b"b")]
    assert shard.drops["drop_internal_error"] == 1
    assert "ZeroDivisionError" in caplog.text


async def test_deadlines_come_in_time_even_when_they_move(shard: Shard, clock: FakeClock) -> None:
    late, soon = Member(1), Member(2)
    late.deadline, soon.deadline = clock.now + 100.0, clock.now + 0.01
    shard.attach(late)
    shard.attach(soon)
    clock.now += 0.02
    for _ in range(1000):
        if soon.calls:
            break
        await asyncio.sleep(0.005)
    assert soon.calls == [("timeout", clock.now)]
    assert late.calls == []


async def test_a_flood_of_notices_leaves_others_their_turn(shard: Shard, plane: FakePlane) -> None:
    """A handler of ours that had all of them before it held up HTTP for seconds."""
    member = Member(1)
    shard.attach(member)
    plane.push(*[Datagram("rtcp", b"x", HERE, 1)] * 3000)
    turns = 0
    seen = []
    while len(member.calls) < 3000:
        await asyncio.sleep(0)
        turns += 1
        seen.append(len(member.calls))
    assert turns >= 3000 // 256
    assert max(after - before for before, after in itertools.pairwise([0, *seen])) <= 256


async def test_what_waits_is_read_before_a_deadline_counts(shard: Shard, plane: FakePlane, clock: FakeClock) -> None:
    member = Member(1)
    member.deadline = clock.now + 0.01
    shard.attach(member)
    plane.push(*[Datagram("rtcp", b"x", HERE, 1)] * 700)
    clock.now += 0.02
    asyncio.get_running_loop().call_soon(time.sleep, 0.02)  # then both the notices and the deadline are due
    await until(lambda: len(member.calls) == 701)
    assert member.calls[-1] == ("timeout", clock.now)
    assert ("stall", clock.now) not in member.calls


async def test_notices_that_go_on_coming_do_not_put_deadlines_off(
    shard: Shard, plane: FakePlane, clock: FakeClock
) -> None:
    flooding, other = Member(1), Member(2)
    other.deadline = clock.now + 0.01
    shard.attach(flooding)
    shard.attach(other)
    clock.now += 0.02
    for _ in range(2000):
        plane.push(*[Datagram("rtcp", b"x", HERE, 1)] * 300)
        await asyncio.sleep(0)
        if other.calls:
            break
    assert other.calls == [("timeout", clock.now)]


class Alarms:
    """An event loop whose timers are fired by hand, and what was asked for soon after them."""

    def __init__(self) -> None:
        self.later: list[asyncio.Handle] = []
        self.soon: list[asyncio.Handle] = []

    def add_reader(self, fd: int, callback: Callable[[], None]) -> None:
        """The notices are read by alarms alone."""

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.Handle:
        return self._take(self.later, callback)

    def call_soon(self, callback: Callable[[], None]) -> asyncio.Handle:
        return self._take(self.soon, callback)

    def _take(self, handles: list[asyncio.Handle], callback: Callable[[], None]) -> asyncio.Handle:
        handles.append(asyncio.Handle(callback, (), asyncio.get_running_loop()))
        return handles[-1]

    def pending(self) -> int:
        return sum(not handle.cancelled() for handle in self.later)

    def fire(self) -> None:
        for handles in (self.later, self.soon):
            due, handles[:] = handles[:], []
            for handle in due:
                if not handle.cancelled():
                    handle._run()


async def test_there_is_one_alarm_however_often_notices_wait_when_it_rings(plane: FakePlane, clock: FakeClock) -> None:
    """Another one for each time went on ringing for ever: after ten minutes of an attack they took half of a core."""
    shard, loop, member = make_shard(plane, clock), Alarms(), Member(1)
    shard.start(loop)  # type: ignore[arg-type]
    member.deadline = clock.now + 0.01
    shard.attach(member)
    for _ in range(50):
        clock.now += 0.02
        member.deadline = clock.now + 0.01
        plane.push(*[Datagram("rtcp", b"x", HERE, 1)] * 700)
        loop.fire()
        assert loop.pending() <= 1
    while plane.notices:
        loop.fire()
    loop.fire()
    assert loop.pending() <= 1
    assert len(member.calls) > 50 * 700


async def test_after_a_stall_every_connection_has_time(shard: Shard, clock: FakeClock) -> None:
    due, later = Member(1), Member(2)
    due.deadline, later.deadline = clock.now + 0.01, clock.now + 100.0
    shard.attach(due)
    shard.attach(later)
    clock.now += 5.0
    await until(lambda: len(due.calls) == 2)
    assert due.calls == [("stall", clock.now), ("timeout", clock.now)]
    assert later.calls == [("stall", clock.now)]


async def test_the_plane_learns_the_user_fragments_once(shard: Shard, plane: FakePlane) -> None:
    member = Member(1, "alice")
    shard.attach(member)
    for _ in range(3):
        shard.update_ufrags(member)
    assert plane.ufrags == [(1, ("alice",))]


async def test_counters_add_up_plane_shard_and_connections(shard: Shard) -> None:
    shard.attach(Member(3))
    shard.keep_drops({"bad_integrity": 4})
    assert shard.counters() == {"received_rtp": 7, "drop_endpoint_bad_integrity": 7}


async def test_candidates_are_the_announced_addresses(shard: Shard) -> None:
    assert [(candidate.ip, candidate.port) for candidate in shard.candidates] == [("192.0.2.1", 40000)]
