"""What each tenant may have, and that nothing is counted that is not there."""

from __future__ import annotations

import collections
import datetime

import pytest

from sfu import Attendance
from sfu.node.admission.minutes import Minutes
from sfu.node.admission.quotas import Quota, TenantQuotas
from sfu.signaling import Demand

NOW = datetime.datetime(2026, 12, 31, 23, 0, tzinfo=datetime.UTC).timestamp()


class House:
    """A server with two tenants, whose clock is moved by hand."""

    def __init__(self, **quotas: Quota) -> None:
        self.attendance = Attendance(lambda: self.now)
        self.recordings: collections.Counter[str] = collections.Counter()
        self.now = NOW
        self.minutes = Minutes(None, NOW)
        table = {name.replace("everybody", "*"): quota for name, quota in quotas.items()}
        self.quotas = TenantQuotas(
            table,
            ["one", "two"],
            self.attendance,
            self.minutes,
            count_recordings=lambda tenant: self.recordings[tenant],
            clock=lambda: self.now,
        )

    def ask(self, *wants: str, tenant: str = "one", returning: bool = False) -> str | None:
        demand = Demand(wants=frozenset(wants), room="new", tenant=tenant, returning=returning)  # type: ignore[arg-type]
        refusal = self.quotas.check(demand)
        if refusal is None:
            return None
        assert refusal.status == 429
        return f"{refusal.reason} {refusal.used:.0f}/{refusal.limit:.0f}"

    def stay(self, seconds: float) -> None:
        self.now += seconds
        self.quotas.count_minutes()


def test_without_quotas_everybody_may_have_everything() -> None:
    house = House()
    for number in range(100):
        house.attendance.enter(str(number), "alice", "one")
    house.recordings["one"] = 50
    assert house.ask("room", "peer", "recording") is None


def test_rooms_are_those_that_the_tenant_opened() -> None:
    house = House(one=Quota(rooms=2))
    house.attendance.enter("a", "alice", "one")
    house.attendance.enter("b", "bob", "two")
    house.attendance.enter("b", "alice", "one")
    assert house.ask("room", "peer") is None
    house.attendance.hold_room("c", "one")
    assert house.ask("room", "peer") == "quota_rooms 2/2"
    assert house.ask("peer") is None
    house.attendance.release_room("c")
    assert house.ask("room") is None


def test_people_are_counted_in_all_rooms_and_each_tenant_s_by_themselves() -> None:
    house = House(one=Quota(peers=2), two=Quota(peers=3))
    for room in "ab":
        house.attendance.enter(room, "alice", "one")
        house.attendance.enter(room, "bob", "two")
    assert house.ask("peer") == "quota_peers 2/2"
    assert house.ask("peer", returning=True) == "quota_peers 2/2"  # somebody else has the place by now
    assert house.ask("peer", tenant="two") is None
    assert house.ask("room") is None
    house.attendance.leave("a", "alice", "one")
    assert house.ask("peer") is None


def test_a_star_is_for_those_that_are_not_named_and_each_has_as_much() -> None:
    house = House(everybody=Quota(peers=1), two=Quota(peers=2))
    house.attendance.enter("a", "alice", "one")
    house.attendance.enter("a", "bob", "two")
    assert house.ask("peer") == "quota_peers 1/1"
    assert house.ask("peer", tenant="two") is None


def test_who_has_no_key_is_nobody_s() -> None:
    house = House(everybody=Quota(peers=0))
    assert house.ask("peer", tenant="") is None
    assert house.ask("peer", tenant="of-an-embedder") is None


def test_recordings_are_bounded_and_none_may_be_allowed() -> None:
    house = House(one=Quota(recordings=1), two=Quota(recordings=0))
    assert house.ask("recording") is None
    house.recordings["one"] = 1
    assert house.ask("recording") == "quota_recordings 1/1"
    assert house.ask("recording", tenant="two") == "quota_recordings 0/0"
    assert house.ask("room", "peer", tenant="two") is None


def test_at_its_bit_rate_nobody_else_comes_in_but_who_returns() -> None:
    house = House(one=Quota(kbit_per_second=1000))
    house.quotas.note_bit_rates({"one": 999_999.0, "two": 5e9})
    assert house.ask("peer") is None
    house.quotas.note_bit_rates({"one": 1_000_000.0})
    assert house.ask("peer") == "quota_kbit_per_second 1000/1000"
    assert house.ask("peer", returning=True) is None
    assert house.ask("recording") is None
    house.quotas.note_bit_rates({})
    assert house.ask("peer") is None


def test_minutes_are_those_of_all_who_are_in() -> None:
    house = House(one=Quota(minutes_per_month=10))
    house.attendance.enter("a", "alice", "one")
    house.attendance.enter("a", "bob", "one")
    house.attendance.enter("a", "carol", "two")
    house.stay(4 * 60)
    assert house.ask("peer") is None
    house.stay(60)
    assert house.ask("peer") == "quota_minutes_per_month 10/10"
    assert house.ask("peer", returning=True) is None
    assert {use.name: use.used for use in house.quotas.list_use("two")}["minutes_per_month"] == 5


def test_with_a_new_month_minutes_begin_anew_and_clients_are_told_when() -> None:
    house = House(one=Quota(minutes_per_month=1))
    house.attendance.enter("a", "alice", "one")
    house.stay(60)
    refusal = house.quotas.check(Demand(wants=frozenset({"peer"}), room="a", tenant="one"))
    assert refusal is not None
    assert refusal.retry_after == 3600 - 60
    house.attendance.leave("a", "alice", "one")
    house.stay(3600 - 60)
    assert house.ask("peer") is None
    house.attendance.enter("a", "alice", "one")
    house.stay(30)
    assert house.minutes.read("one", house.now) == pytest.approx(0.5)
    assert [month for month, _ in house.minutes._added] == ["2027-01"]  # nothing of the former is kept


def test_use_is_listed_with_its_limits() -> None:
    house = House(one=Quota(rooms=3))
    house.attendance.enter("a", "alice", "one")
    assert {use.name: (use.used, use.limit) for use in house.quotas.list_use("one")} == {
        "rooms": (1, 3),
        "peers": (1, None),
        "kbit_per_second": (0, None),
        "recordings": (0, None),
        "minutes_per_month": (0, None),
    }
