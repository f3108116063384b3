from __future__ import annotations

import dataclasses
import datetime
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import plot
from bench.errors import BenchError
from bench.figures import Figures, median_of, ratio_of, select, spread_of
from bench.markdown import BEGIN, END, build_markdown, replace_between
from bench.report import build_document, print_report, warnings_of, write_json
from bench.runner import plan_runs
from bench.scenario import FULL, RECORDING, Kind, Scenario, Settings, parse_scenario
from bench.targets import check_targets


def _run(server: str, scenario: str = "fan-out:100", **fields: object) -> Figures:
    base = Figures(
        server=server,
        scenario=scenario,
        version="1",
        profile="AEAD_AES_128_GCM",
        expected_packets=100_000,
        delivered_packets=100_000,
        seconds=4.0,
    )
    return dataclasses.replace(base, **fields)  # type: ignore[arg-type]


_RUNS = [
    _run("sfu", cpu_us=3.0, core_us=3.2, latency_p99_us=2000.0, join_cpu_ms=4.0, memory_bytes=100e3),
    _run("sfu", cpu_us=5.0, core_us=5.2, latency_p99_us=4000.0, join_cpu_ms=4.0, memory_bytes=110e3),
    _run("sfu", cpu_us=4.0, core_us=4.2, latency_p99_us=3000.0, join_cpu_ms=5.0, memory_bytes=120e3),
    _run("janus", cpu_us=10.0, core_us=10.5, latency_p99_us=6000.0),
    _run("limit", cpu_us=2.5, core_us=2.6),
    _run("sfu", "saturation:300", saturation_pps=300_000.0, saturation_bound="server"),
]


def test_medians_spreads_and_ratios() -> None:
    mine = select(_RUNS, "sfu", "fan-out:100")
    assert median_of(mine, lambda run: run.cpu_us) == 4.0
    assert spread_of(mine, lambda run: run.cpu_us) == (3.0, 5.0)
    assert ratio_of(_RUNS, "fan-out:100", "sfu", "janus", lambda run: run.cpu_us) == pytest.approx(0.4)
    assert ratio_of(_RUNS, "fan-out:300", "sfu", "janus", lambda run: run.cpu_us) is None
    assert median_of(mine, lambda run: run.saturation_pps) is None


def test_targets_are_judged_only_where_something_was_measured() -> None:
    outcomes = {outcome.name: outcome for outcome in check_targets(_RUNS)}
    assert not outcomes["CPU, fan-out:100, sfu / janus"].reached
    assert outcomes["CPU, fan-out:100, sfu / limit"].reached
    assert not outcomes["CPU, fan-out:100, sfu / limit"].aim_reached
    assert not outcomes["p99, fan-out:100, sfu / janus"].reached
    assert outcomes["packets/s at 99.9 % on one core"].reached
    assert outcomes["kB a subscriber"].value == pytest.approx(110)
    assert outcomes["joins/s one core can do"].value == pytest.approx(250)
    assert not any("300," in name or "conference" in name for name in outcomes)


def test_what_makes_a_figure_doubtful_is_said() -> None:
    assert warnings_of(_RUNS) == []
    doubtful = _run("sfu", cpu_us=3.0, core_us=9.0, malformed=2, late_frames=7, generator_drops=5)
    assert len(warnings_of([doubtful])) == 4


def test_the_report_names_every_server_and_verdict() -> None:
    console = Console(record=True, width=160, file=open("/dev/null", "w", encoding="utf-8"))
    with console.file:
        print_report(console, _RUNS)
    text = console.export_text()
    for word in ("fan-out:100", "saturation:300", "sfu", "janus", "limit", "missed", "reached", "300,000"):
        assert word in text


def test_the_document_is_json_and_the_picture_a_png(tmp_path: Path) -> None:
    settings = Settings(scenarios=(Scenario(Kind.FAN_OUT, 100),))
    document = build_document(settings, _RUNS, datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC))
    write_json(tmp_path / "a" / "b.json", document)
    read = json.loads((tmp_path / "a" / "b.json").read_text())
    assert read["settings"]["srtp_profile"] == "AEAD_AES_128_GCM"
    assert len(read["runs"]) == len(_RUNS)
    assert read["runs"][0]["delivered"] == 1.0
    plot.write_plot(tmp_path / "b.png", _RUNS)
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


def test_servers_take_turns_within_a_scenario() -> None:
    settings = Settings(scenarios=tuple(map(parse_scenario, FULL)), runs=2)
    runs = [(run.scenario.name, run.server) for run in plan_runs(settings)]
    first, second = ("sfu", "janus", "python loop", "limit"), ("sfu", "janus", "limit")
    assert runs[:7] == [("fan-out:100", name) for name in (*first, *second)]
    for scenario, servers in {
        "conference:12": {"sfu", "janus", RECORDING},
        "hearings:15": {"sfu", "janus"},
        "recording:100": {RECORDING},
        "saturation:300": {"sfu", "janus", "python loop", "limit"},
    }.items():
        assert {server for name, server in runs if name == scenario} == servers
    assert runs.count(("hearings:15", "sfu")) == 2
    assert runs.count(("saturation:300", "sfu")) == 1


def test_without_namespaces_there_is_no_janus() -> None:
    settings = Settings(scenarios=(parse_scenario("fan-out:10"),), loopback=True)
    assert {run.server for run in plan_runs(settings)} == {"sfu", "python loop", "limit"}


def test_an_unknown_server_is_refused() -> None:
    with pytest.raises(BenchError, match="no server 'nginx'"):
        list(plan_runs(Settings(scenarios=(parse_scenario("fan-out:10"),), servers=("nginx",))))


@pytest.mark.parametrize(
    "text", ["", "fan-out", "fan-out:x", "party:10", "conference:1", "fan-out:100000", "hearings:0", "hearings:61"]
)
def test_a_wrong_scenario_is_refused(text: str) -> None:
    with pytest.raises(BenchError):
        parse_scenario(text)


def test_the_tables_go_between_the_marks_of_a_page() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = replace_between(page, build_markdown(_RUNS))
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    assert "| fan-out:100 | janus | 10.00 |" in once
    assert "**missed**" in once
    assert replace_between(once, build_markdown(_RUNS)) == once


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(BenchError, match="bench:begin"):
        replace_between("no marks", "table")
