from __future__ import annotations

import dataclasses
import datetime
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from bench import plot
from bench.errors import BenchError
from bench.figures import Figures, median_of, ratio_of, select, spread_of
from bench.markdown import BEGIN, BRIEF_BEGIN, BRIEF_END, END, build_brief, build_markdown, check_page, replace_between
from bench.report import build_document, print_report, warnings_of, write_json
from bench.runner import plan_runs
from bench.scenario import FULL, RECORDING, Kind, Scenario, Settings, parse_scenario
from bench.targets import check_forwarding, check_targets

ROOT = Path(__file__).parents[3]


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


def test_who_does_not_deliver_all_reaches_nothing() -> None:
    short = _run("sfu", cpu_us=1.0, core_us=1.1, delivered_packets=99_800, subscribers=100, short_subscribers=3)
    outcomes = {outcome.name: outcome for outcome in check_targets([*_RUNS, short])}
    outcome = outcomes["CPU, fan-out:100, sfu / limit"]
    assert (outcome.reached, outcome.aim_reached, outcome.verdict) == (False, False, "not all delivered")


def test_of_whom_we_are_compared_with_it_is_said_that_it_did_not_deliver_all() -> None:
    runs = [_run("sfu", cpu_us=1.0), _run("janus", cpu_us=10.0, delivered_packets=50_000)]
    outcome = check_targets(runs)[0]
    assert outcome.reached
    assert outcome.verdict == "aim reached; janus did not deliver all"


def test_hearings_are_compared_with_janus() -> None:
    runs = [
        _run("sfu", "hearings:15", cpu_us=4.0, latency_p99_us=900.0),
        _run("janus", "hearings:15", cpu_us=16.0, latency_p99_us=1000.0),
    ]
    outcomes = {outcome.name: outcome for outcome in check_targets(runs)}
    assert outcomes["CPU, hearings:15, sfu / janus"].aim_reached
    assert outcomes["p99, hearings:15, sfu / janus"].reached


def test_what_forwarding_costs_is_a_target_and_what_control_adds_is_told() -> None:
    kept, controlled = check_forwarding(
        {"opaque": 2.0, "selected": 2.1, "selected and kept": 2.2, "kept and controlled": 2.4}
    )
    assert (kept.value, kept.verdict) == (pytest.approx(1.1), "reached")
    assert (controlled.value, controlled.reached, controlled.verdict) == (pytest.approx(1.2), None, "")


def test_what_makes_a_figure_doubtful_is_said() -> None:
    assert warnings_of(_RUNS) == []
    doubtful = _run("sfu", cpu_us=3.0, core_us=9.0, malformed=2, late_frames=7, generator_drops=5, unanswered_checks=9)
    assert len(warnings_of([doubtful])) == 5
    short = _run("sfu", delivered_packets=58_000, subscribers=300, short_subscribers=126)
    (text,) = warnings_of([short])
    assert "42,000 of 100,000 packets were not delivered, 126 of 300 subscribers" in text


def test_the_report_names_every_server_and_verdict() -> None:
    console = Console(record=True, width=160, file=open("/dev/null", "w", encoding="utf-8"))
    with console.file:
        print_report(console, _RUNS, check_targets(_RUNS))
    text = console.export_text()
    for word in ("fan-out:100", "saturation:300", "sfu", "janus", "limit", "missed", "reached", "300,000"):
        assert word in text


def test_the_document_is_json_and_the_picture_a_png(tmp_path: Path) -> None:
    settings = Settings(scenarios=(Scenario(Kind.FAN_OUT, 100),))
    document = build_document(settings, _RUNS, check_targets(_RUNS), datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC))
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
        "saturation:300": {"sfu", "janus", "limit"},
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
    settings = Settings(scenarios=(Scenario(Kind.FAN_OUT, 100),), runs=3, seconds=4.0)
    short = _run("janus", "hearings:15", delivered_packets=70_000, subscribers=60, short_subscribers=20)
    runs = [*_RUNS, short]
    table = build_markdown(settings, runs, check_targets(runs), datetime.date(2030, 1, 1))
    once = replace_between(page, table, "brief")
    assert once.startswith("before\n")
    assert once.endswith("after\n")
    assert "old" not in once
    assert "medians of 3 interleaved runs of 4 s" in once
    assert "| fan-out:100 | janus | 10.00 | 100.00% |" in once
    assert "| hearings:15 | janus |  | **70.00%**, 20 of 60 short |" in once
    assert "* hearings:15 janus: 30,000 of 100,000 packets were not delivered" in once
    assert "**missed**" in once
    assert replace_between(once, table, "brief") == once
    assert "brief" not in once


def test_the_short_table_goes_between_marks_of_its_own_and_says_who_did_not_deliver() -> None:
    settings = Settings(scenarios=(Scenario(Kind.FAN_OUT, 100),), runs=3, seconds=4.0)
    short = _run("janus", "hearings:15", cpu_us=12.0, delivered_packets=70_000, subscribers=60, short_subscribers=20)
    recording = _run(RECORDING, "hearings:15", cpu_us=1.0)
    brief = build_brief(settings, [*_RUNS, short, recording], datetime.date(2030, 1, 1))
    page = replace_between(f"before\n{BRIEF_BEGIN}\nold\n{BRIEF_END}\nafter\n", "tables", brief)
    assert (page.partition("\n")[0], "old" in page, "tables" in page) == ("before", False, False)
    assert "| hearings:15, CPU in us a packet |  | 12.00 (70.0% delivered) |" in page
    assert "Measured on 2030-01-01" in page
    assert RECORDING not in page


def test_the_readme_has_the_figures_of_the_page_that_has_all() -> None:
    """`make bench` writes both; whoever edits one by hand has to edit the other."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    brief = readme.partition(BRIEF_BEGIN)[2].partition(BRIEF_END)[0]
    full = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    [servers, _line, *rows] = [re.split(r" *\| *", line)[1:-1] for line in brief.splitlines() if line.startswith("|")]
    assert len(rows) > 3
    for name, *cells in rows:
        for server, cell in zip(servers[1:], cells, strict=True):
            if cell:
                figure = cell.partition(" ")[0]
                assert re.search(
                    rf"^\| {name.partition(',')[0]} \| {re.escape(server)} \|.* {figure} \|", full, re.MULTILINE
                )


def test_a_page_that_cannot_take_the_tables_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no page"):
        check_page(tmp_path / "none.md")
    (tmp_path / "page.md").write_text("no marks")
    with pytest.raises(BenchError, match="bench:begin"):
        check_page(tmp_path / "page.md")


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(BenchError, match="bench:begin"):
        replace_between("no marks", "table", "brief")
