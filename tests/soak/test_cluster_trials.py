"""Ten thousand small clusters in trouble (issue 22): no two homes of one room, and all agree in the end."""

from __future__ import annotations

import pytest

from bench.cluster.trials import run_trial

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("thousand", range(10))
def test_no_room_has_two_homes(thousand: int) -> None:
    seeds = range(1_000_000 + thousand * 1000, 1_000_000 + (thousand + 1) * 1000)
    assert [verdict for verdict in map(run_trial, seeds) if not verdict.is_good] == []
