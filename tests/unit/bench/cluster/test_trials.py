"""Small clusters in trouble: a few hundred here, ten thousand in tests/soak."""

from __future__ import annotations

import dataclasses

from bench.cluster.trials import run_trial
from sfu.cluster.store_clock import StoreClock
from sfu.cluster.timing import CLUSTER
from tests.property.modes import examples


def test_no_room_has_two_homes_and_all_agree_in_the_end() -> None:
    verdicts = [run_trial(seed) for seed in range(examples(900))]
    assert [verdict for verdict in verdicts if not verdict.is_good] == []
    assert sum(len(verdict.events) for verdict in verdicts) > 20 * len(verdicts), "there was trouble"


def test_a_seed_is_played_the_same_each_time() -> None:
    assert run_trial(7) == run_trial(7)
    assert run_trial(7).events != run_trial(8).events


def test_nodes_that_claim_without_having_watched_are_found_out() -> None:
    hasty = dataclasses.replace(CLUSTER, watch=0.5)
    assert any(run_trial(seed, timing=hasty).double_homes for seed in (0, 43, 94))


def test_a_clock_that_is_not_watched_is_found_out(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(StoreClock, "restart", lambda self: None)
    assert any(run_trial(seed).double_homes for seed in (43, 217, 249))
