"""An hour of a steady 5 % of random loss, in virtual time: no video pauses for it."""

from __future__ import annotations

import dataclasses

import pytest

from bench.bwe.run import Stage
from bench.bwe.scenarios import SCENARIOS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

HOUR = 3600.0


def test_nothing_pauses_in_an_hour_of_loss() -> None:
    (lossy,) = (scenario for scenario in SCENARIOS if scenario.name == "5 % loss")
    result = Stage(dataclasses.replace(lossy, seconds=HOUR)).run()
    assert result.starvations == 0
    assert result.queue_delay_p95_ms < 100.0
    assert result.utilisation > 0.85
