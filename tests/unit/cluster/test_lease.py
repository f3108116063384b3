from __future__ import annotations

import dataclasses

import pytest

from sfu.cluster.lease import Lease, LeaseState
from sfu.cluster.node_requests import Renewed
from sfu.cluster.timing import CLUSTER

RENEWED = Renewed("renewed", 5, "i", revived=False, known=True, version=1, time_ms=1000, soonest_ms=-1)


def renew(lease: Lease, sent: float, **changes: object) -> bool:
    return lease.take(dataclasses.replace(RENEWED, **changes), sent, sent + 0.1)  # type: ignore[arg-type]


@pytest.fixture
def lease() -> Lease:
    lease = Lease(CLUSTER)
    assert renew(lease, 100.0)
    return lease


def test_it_counts_from_when_the_renewal_was_sent(lease: Lease) -> None:
    assert lease.state(102.0) is LeaseState.HOLDS
    assert lease.state(102.11) is LeaseState.UNCERTAIN
    assert lease.state(102.9) is LeaseState.LOST


def test_what_was_claimed_counts_as_long_as_it_is_renewed_in_time(lease: Lease) -> None:
    generation = lease.generation
    assert not renew(lease, 101.0) and not renew(lease, 103.0)
    assert lease.generation == generation and lease.covers(generation, 105.0)


def test_a_renewal_that_was_sent_too_late_begins_another_generation_whatever_the_store_says(lease: Lease) -> None:
    """One before it, whose answer was lost, may have revived the lease after another had taken what we held."""
    generation = lease.generation
    assert renew(lease, 102.2)
    assert lease.generation == generation + 1 and not lease.covers(generation, 102.3)


@pytest.mark.parametrize("change", [{"revived": True}, {"incarnation": "j"}, {"epoch": 6}])
def test_what_was_claimed_before_counts_for_as_long_as_it_did(lease: Lease, change: dict[str, object]) -> None:
    generation = lease.generation
    assert renew(lease, 101.0, **change)
    assert lease.covers(generation, 102.0) and not lease.covers(generation, 102.11)
    assert lease.covers(lease.generation, 103.0)
    assert renew(lease, 101.5, revived=True)
    assert not lease.covers(generation, 101.7), "but not what is two lives old"


def test_another_incarnation_has_another_clock(lease: Lease) -> None:
    assert lease.clock.watched_at() == 102.8
    renew(lease, 101.0, incarnation="j")
    assert lease.clock.watched_at() == 103.8


def test_after_its_end_nothing_counts(lease: Lease) -> None:
    lease.end()
    assert lease.state(100.2) is LeaseState.LOST and not lease.covers(lease.generation, 100.2)
    assert not Lease(CLUSTER).covers(0, 0.0)
