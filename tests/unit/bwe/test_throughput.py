"""How much gets through is measured as it is, by the slower of the two clocks."""

from __future__ import annotations

import pytest

from tests.unit.bwe.plan import Path, after, play


@pytest.mark.parametrize("rate_bps", [150_000, 400_000, 1_600_000])
def test_what_is_sent_evenly_is_what_gets_through(rate_bps: int) -> None:
    seen = play(Path(rate_bps=4_000_000, wants_bps=rate_bps, obeys=False), seconds=4)
    for name in ("acked_bps", "sent_bps"):
        assert seen.since(2).usual(name) == pytest.approx(rate_bps, rel=0.06)
        assert seen.since(2).least(name) > 0.85 * rate_bps


def test_of_more_than_the_path_carries_only_what_it_carries_gets_through() -> None:
    seen = play(Path(rate_bps=1_000_000, queue_ms=2_000, sends_bps=1_500_000, obeys=False), seconds=3)
    assert seen.since(1.5).usual("acked_bps") == pytest.approx(1_000_000, rel=0.05)
    assert seen.since(1.5).usual("sent_bps") == pytest.approx(1_500_000, rel=0.08)


def test_what_was_lost_did_not_get_through() -> None:
    seen = play(Path(rate_bps=9_000_000, loss=0.25, sends_bps=1_000_000, obeys=False), seconds=5)
    assert seen.since(1).usual("acked_bps") == pytest.approx(750_000, rel=0.08)


def test_a_queue_that_empties_seems_no_faster_than_it_was_filled() -> None:
    """What waited comes at the path's rate, which is more than was sent."""
    path = Path(rate_bps=2_000_000, wants_bps=400_000, obeys=False, queue_ms=2_000)
    seen = play(path, after(3, rate_bps=200_000), after(4, rate_bps=4_000_000), seconds=6)
    assert seen.since(4).most("carried_bps") > 600_000
    assert seen.since(1).most("acked_bps") < 1.15 * 400_000


def test_throughput_is_not_measured_from_what_is_too_old() -> None:
    seen = play(Path(rate_bps=4_000_000, wants_bps=1_000_000, obeys=False), after(3, wants_bps=200_000), seconds=5)
    assert seen.when("acked_bps", below=220_000, since=3) < 4
