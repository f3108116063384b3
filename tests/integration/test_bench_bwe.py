"""`sfu bench bwe`, and what congestion control must reach, in the emulator: the real plane in virtual time."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.bwe.run import TCP_FROM_S, Result, Stage
from bench.bwe.scenarios import SCENARIOS, Flow, Scenario
from bench.netem.config import Changes
from sfu.node.cli import app

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
SINGLE = (
    pytest.param("5 % loss", marks=pytest.mark.breadth),
    pytest.param("jitter and loss", marks=pytest.mark.breadth),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("2 % loss", "bursts of loss", "jitter")),
    pytest.param("5.3 congested feedback", marks=pytest.mark.slow),
)

pytestmark = pytest.mark.timeout(300)


def run(name: str, seed: int = 1) -> Result:
    return Stage(BY_NAME[name], seed).run()


@pytest.mark.parametrize("name", SINGLE)
def test_the_link_is_used_the_queue_stays_short_and_nothing_pauses(name: str) -> None:
    result = run(name)
    assert result.utilisation > 0.9
    assert result.queue_delay_p95_ms < 90.0
    assert result.delay_p95_ms < 150.0
    assert result.starvations == 0
    assert result.layer_changes_per_minute < 10.0
    scenario = BY_NAME[name]
    burst = scenario.link.burst
    own = scenario.link.loss + (burst.mean_loss if burst else 0.0)
    assert result.loss < own + 0.01  # the rest would be overflow


@pytest.mark.breadth  # half a minute; tests/unit/bwe/test_falling.py has the same of the estimator alone
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_drop_is_followed_within_a_second_and_a_half_and_a_rise_within_five(seed: int) -> None:
    result = run("drop to a half and back", seed)
    assert result.queue_delay_p95_ms < 85.0
    assert result.delay_p95_ms < 150.0
    below = next(sample.at for sample in result.samples if sample.at > 20.0 and sample.estimates_bps[0] < 1e6)
    assert below - 20.0 <= 1.5
    again = next(sample.at for sample in result.samples if sample.at > 40.0 and sample.estimates_bps[0] > 1.6e6)
    assert again - 40.0 <= 5.0
    used = next(sample.at for sample in result.samples if sample.at > 40.0 and sample.rates_bps[0] > 1.6e6)
    assert used - 40.0 <= 5.0
    assert result.utilisation > 0.9
    for sample in result.samples:
        assert math.isfinite(sample.estimates_bps[0])
        assert sample.estimates_bps[0] <= 8e6


@pytest.mark.parametrize("seed", [1, 2])
def test_a_gallery_that_begins_does_not_fill_the_queue(seed: int) -> None:
    begin = dataclasses.replace(BY_NAME["5.1 variable capacity"], seconds=10.0, changes=())
    stage = Stage(begin, seed)
    result = stage.run()
    assert max(sample.queue_s for sample in result.samples) < 0.2  # of 0.3, which all key frames at once would fill
    assert stage.wire.counts.overflowed == 0
    assert result.samples[-1].rates_bps[0] > 0.75 * result.samples[-1].capacity_bps


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("5.2 variable capacity, two flows", marks=pytest.mark.breadth),
        pytest.param("5.4 competing flows", marks=pytest.mark.slow),
        pytest.param("5.8 pause and resume", marks=pytest.mark.slow),
    ],
)
def test_flows_share_a_link_without_a_long_queue(name: str) -> None:
    result = run(name)
    assert result.fairness > 0.75  # of three flows: one alone would be a third
    assert result.utilisation > 0.9
    assert result.queue_delay_p95_ms < 100.0
    assert result.layer_changes_per_minute < 20.0


@pytest.mark.breadth
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_flow_that_heeds_only_loss_neither_starves_us_nor_is_starved(seed: int) -> None:
    scenario = dataclasses.replace(BY_NAME["5.6 long TCP flow"], seconds=70.0)
    stage = Stage(scenario, seed)
    result = stage.run()
    (other,) = stage.competitors
    (ours,) = stage.viewers
    begin, end = TCP_FROM_S + 5.0, scenario.seconds - 20.0
    fair = 1e6
    assert 0.4 * fair < ours.meter.rate_bps(begin, end) < 1.6 * fair
    assert 0.4 * fair < other.meter.rate_bps(begin, end) < 1.6 * fair
    assert result.utilisation > 0.9
    assert ours.meter.rate_bps(end + 8.0, scenario.seconds) > 1.6e6  # it has gone, and its part is ours


@pytest.mark.breadth
def test_a_path_that_becomes_longer_is_no_queue() -> None:
    link = BY_NAME["drop to a half and back"].link
    result = Stage(Scenario("longer", 60.0, link, changes=((20.0, Changes(delay_s=0.15)),))).run()
    again = next(sample.at for sample in result.samples if sample.at > 24.0 and sample.estimates_bps[0] > 1.6e6)
    assert again - 20.0 <= 15.0
    assert result.queue_delay_p95_ms < 90.0
    assert result.starvations == 0


def test_half_of_what_is_not_wanted_for_long_is_left_and_all_is_had_again_at_once() -> None:
    scenario = Scenario(
        "paused", 34.0, BY_NAME["drop to a half and back"].link, flows=(Flow(pauses=((14.0, 16.0), (20.0, 30.0))),)
    )
    result = Stage(scenario).run()
    estimates = {round(sample.at, 1): sample.estimates_bps[0] for sample in result.samples}
    assert estimates[15.9] > 0.8 * estimates[13.9]
    assert 0.4 * estimates[19.9] < estimates[29.9] < 0.6 * estimates[19.9]
    assert estimates[32.0] > 0.8 * estimates[19.9]
    assert max(sample.queue_s for sample in result.samples if sample.at > 30.0) < 0.2


def test_the_command_writes_figures_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = [dataclasses.replace(scenario, seconds=10.0) for scenario in SCENARIOS]
    monkeypatch.setattr("bench.bwe.cli.SCENARIOS", short)
    arguments = ["bench", "bwe", "--only", "5 % loss", "--json", str(tmp_path / "f.json"), "--plots", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    (row,) = json.loads((tmp_path / "f.json").read_text())["scenarios"]
    assert row["name"] == "5 % loss"
    assert {"utilisation", "queue_delay_p95_ms", "loss"} <= set(row)
    assert (tmp_path / "5-loss.png").read_bytes().startswith(b"\x89PNG")
    nothing = CliRunner().invoke(app, ["bench", "bwe", "--only", "no such scenario"])
    assert nothing.exit_code == 2
