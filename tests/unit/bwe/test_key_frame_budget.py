"""Key frames of what is entered take turns, as the budget carries them."""

from __future__ import annotations

from sfu.bwe.key_frame_budget import WAIT, KeyFrameBudget


def test_the_first_is_entered_at_once_whatever_its_size() -> None:
    entries = KeyFrameBudget()
    entries.refill(300_000.0, 10.0)
    assert entries.take(5_000_000.0)
    assert not entries.take(1.0)


def test_small_ones_are_entered_together() -> None:
    entries = KeyFrameBudget()
    entries.refill(1_000_000.0, 10.0)
    assert sum(entries.take(10_000.0) for _ in range(100)) == 9  # 6,000 bits each, of 50,000


def test_in_the_long_run_key_frames_have_their_share_of_the_budget() -> None:
    entries = KeyFrameBudget()
    budget_bps, rate_bps = 1_000_000.0, 150_000.0
    taken = 0
    for tick in range(200):
        entries.refill(budget_bps, 10.0 + tick * WAIT)
        while entries.take(rate_bps):
            taken += 1
    spent_bps = taken * 0.6 * rate_bps / (200 * WAIT)
    assert 0.25 * budget_bps < spent_bps < 0.35 * budget_bps


def test_time_off_saves_nothing_up_and_a_clock_that_goes_back_takes_nothing() -> None:
    entries = KeyFrameBudget()
    entries.refill(1_000_000.0, 10.0)
    entries.refill(1_000_000.0, 5.0)
    entries.refill(1_000_000.0, 5_000.0)
    assert sum(entries.take(10_000.0) for _ in range(100)) == 9


def test_what_cannot_wait_lets_the_others_wait() -> None:
    entries = KeyFrameBudget()
    entries.refill(1_000_000.0, 10.0)
    entries.charge(500_000.0)  # 300,000 bits
    assert not entries.take(1.0)
    entries.refill(1_000_000.0, 10.8)  # 240,000 more
    assert not entries.take(1.0)
    entries.refill(1_000_000.0, 11.0)
    assert entries.take(1.0)
