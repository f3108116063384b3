"""The bound that receiver reports set."""

from __future__ import annotations

import random

import pytest

from sfu.bwe.receiver_reports import ReportedLoss


def test_much_loss_lowers_it_below_what_is_sent() -> None:
    reported = ReportedLoss()
    assert not reported.handle_report(0.05, 1e6, 0.0)
    assert not reported.handle_report(0.2, 1e6, 1.0)
    assert not reported.handle_report(0.3, 1e6, 2.0)
    assert reported.bound_bps is None
    assert reported.handle_report(0.4, 1e6, 3.0)
    assert reported.bound_bps == pytest.approx(0.9e6)
    assert not reported.handle_report(0.4, 1e6, 3.5)  # one conclusion a second, however many reports
    assert reported.handle_report(0.5, 0.9e6, 4.0)
    assert reported.bound_bps == pytest.approx(0.765e6)


def test_now_and_then_a_second_with_much_loss_says_little() -> None:
    """As a path that loses 5 % does; without feedback on each packet a single report would hold the picture back."""
    rng = random.Random(1)
    reported = ReportedLoss()
    for second in range(600):
        lost = sum(rng.random() < 0.05 for _ in range(60)) / 60
        reported.handle_report(lost, 0.6e6, float(second))
        assert reported.bound_bps is None


def test_some_loss_holds_it_and_little_raises_it_until_it_is_gone() -> None:
    reported = ReportedLoss()
    for second in range(3):
        reported.handle_report(0.5, 1e6, float(second))
    assert not reported.handle_report(0.05, 0.5e6, 3.0)
    now, steps = 4.0, [reported.bound_bps]
    while reported.bound_bps is not None:
        reported.handle_report(0.0, 0.5e6, now)
        steps.append(reported.bound_bps)
        now += 1.0
        assert now < 60.0
    raised = [step for step in steps if step is not None]
    assert raised == sorted(raised)
    assert raised[-1] < 1.5e6


def test_without_anything_sent_nothing_is_concluded() -> None:
    reported = ReportedLoss()
    assert not reported.handle_report(1.0, 0.0, 0.0)
    assert reported.bound_bps is None


def test_a_liar_only_harms_himself_and_finitely() -> None:
    reported = ReportedLoss()
    for second in range(1000):
        reported.handle_report(255 / 256, 1e6, float(second))
    assert reported.bound_bps is not None
    assert reported.bound_bps >= 0.0
