"""Receivers that round the times of each feedback are found out; then only losses and throughput are heeded."""

from __future__ import annotations

import pytest

from tests.unit.bwe.plan import Path, Seen, after, play


@pytest.fixture(scope="module")
def rounding() -> Seen:
    return play(Path(rate_bps=5_000_000, wants_bps=1_000_000, rounds=True), after(8, rounds=False), seconds=26)


def test_who_rounds_is_found_out_within_two_seconds(rounding: Seen) -> None:
    assert rounding.when("untimed", above=0) < 2
    assert rounding.between(2, 8).least("untimed") == 1


def test_his_jitter_is_no_queue(rounding: Seen) -> None:
    assert rounding.between(2, 8).most("queue_ms") == 0
    assert rounding.between(2, 8).most("standing_ms") == 0
    assert rounding.between(2, 8).most("usage") == 0


def test_and_costs_him_nothing_for_long(rounding: Seen) -> None:
    assert rounding.when("estimate_bps", above=950_000) < 5
    assert rounding.between(5, 8).least("estimate_bps") == 1_000_000


def test_who_rounds_no_more_is_believed_again(rounding: Seen) -> None:
    believed = rounding.when("untimed", below=1, since=8)
    assert 9 < believed < 25
    assert rounding.last("estimate_bps") > 0.95 * 1_000_000


@pytest.mark.parametrize("jitter_ms", [0, 20])
def test_nobody_else_is_taken_for_one(jitter_ms: int) -> None:
    seen = play(Path(rate_bps=1_000_000, jitter_ms=jitter_ms), after(4, rate_bps=500_000), seconds=8)
    assert seen.most("untimed") == 0


def test_his_losses_are_heeded() -> None:
    path = Path(rate_bps=5_000_000, wants_bps=1_000_000, rounds=True)
    seen = play(path, after(6, loss=0.3), seconds=11)
    assert seen.when("estimate_bps", below=500_000, since=6) < 10


@pytest.mark.parametrize("rate_bps", [300_000, 1_000_000, 3_000_000])
def test_what_gets_through_to_him_is_heeded(rate_bps: int) -> None:
    """The times of one feedback can be compared: they show how fast what it tells of has come."""
    seen = play(Path(rate_bps=rate_bps, rounds=True), seconds=8)
    assert seen.since(2.5).most("acked_bps") < 1.1 * rate_bps
    assert seen.since(2.5).most("estimate_bps") < 1.5 * rate_bps
    assert seen.since(4).usual("carried_bps") > 0.9 * rate_bps
