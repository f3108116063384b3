"""`sfu bench bwe`, and what congestion control must reach, in the emulator: the real plane in virtual time."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.bwe.run import Result, Stage
from bench.bwe.scenarios import SCENARIOS
from sfu.node.cli import app

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
SINGLE = ("2 % loss", "5 % loss", "bursts of loss", "jitter", "jitter and loss", "5.3 congested feedback")

pytestmark = pytest.mark.timeout(300)


def run(name: str, seed: int = 1) -> Result:
    return Stage(BY_NAME[name], seed).run()


@pytest.mark.parametrize("name", SINGLE)
def test_the_link_is_used_the_queue_stays_short_and_nothing_pauses(name: str) -> None:
    result = run(name)
    assert result.utilisation > 0.85
    assert result.queue_delay_p95_ms < 100.0
    assert result.starvations == 0
    assert result.layer_changes_per_minute < 12.0
    scenario = BY_NAME[name]
    burst = scenario.link.burst
    own = scenario.link.loss + (burst.mean_loss if burst else 0.0)
    assert result.loss < own + 0.01  # the rest would be overflow


@pytest.mark.parametrize("seed", [1, 2])
def test_a_drop_is_followed_within_a_second_and_a_half_and_a_rise_within_eight(seed: int) -> None:
    result = run("drop to a half and back", seed)
    assert result.queue_delay_p95_ms < 100.0
    below = next(sample.at for sample in result.samples if sample.at > 20.0 and sample.estimates_bps[0] < 1e6)
    assert below - 20.0 <= 1.5
    again = next(sample.at for sample in result.samples if sample.at > 40.0 and sample.estimates_bps[0] > 1.6e6)
    assert again - 40.0 <= 8.0
    for sample in result.samples:
        assert math.isfinite(sample.estimates_bps[0])
        assert sample.estimates_bps[0] <= 8e6


@pytest.mark.parametrize("name", ["5.2 variable capacity, two flows", "5.4 competing flows"])
def test_flows_share_a_link_without_a_long_queue(name: str) -> None:
    result = run(name)
    assert result.fairness > 0.5  # of three flows: one alone would be a third
    assert result.utilisation > 0.85
    assert result.queue_delay_p95_ms < 100.0


def test_the_command_writes_figures_and_pictures(tmp_path: Path) -> None:
    arguments = ["bench", "bwe", "--only", "5 % loss", "--json", str(tmp_path / "f.json"), "--plots", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "f.json").read_text())["scenarios"]
    assert row["name"] == "5 % loss"
    assert {"utilisation", "queue_delay_p95_ms", "loss"} <= set(row)
    assert (tmp_path / "5-loss.png").read_bytes().startswith(b"\x89PNG")
    nothing = CliRunner().invoke(app, ["bench", "bwe", "--only", "no such scenario"])
    assert nothing.exit_code == 2
