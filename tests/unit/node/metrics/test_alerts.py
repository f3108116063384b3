"""The alerts and the dashboard name what there is, each alert fires on its trouble, and none on a healthy node."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfu.node.metrics.records import _ALARMS, _CAUSES
from tests.reference.drops import DROPS
from tests.reference.metrics import SOURCES, collect_families
from tests.reference.operating import annotate, build_rules, build_runbook, list_alerts, list_panels
from tests.reference.promql import SCRAPED, limit_to, list_groupings, list_selectors, list_series
from tests.unit.node.metrics.alert_series import HEALTHY, LOOKS, TROUBLES, Trouble

ALERTS = {alert.name: alert for alert in list_alerts()}
EXPRESSIONS = {
    **{alert.name: alert.expression for alert in ALERTS.values()},
    **{f"{panel.title}: {legend}": each for panel in list_panels() for legend, each in panel.queries.items()},
}
HERE = 'job="sfu", instance="a"'
PROMTOOL = shutil.which("promtool")

needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed: run '.ci/packages prometheus' as root"
)


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    return list_series()


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_an_expression_names_series_and_labels_that_there_are(expression: str, series: dict[str, set[str]]) -> None:
    selectors = list_selectors(expression)
    assert selectors
    for name, matchers in selectors:
        assert name in series
        assert {label for label, _ in matchers} <= series[name] | SCRAPED
    known = set[str]().union(SCRAPED, *(series[name] for name, _ in selectors))
    assert list_groupings(expression) <= known


def test_values_of_labels_are_those_that_the_node_counts_by() -> None:
    known = {
        "sfu_drops_total": set(DROPS),
        "sfu_recording_alarms": set(_ALARMS),
        "sfu_recordings_ended_total": set(_CAUSES),
        "sfu_http_ended_connections_total": {
            word
            for path in (SOURCES / "node" / "http").glob("*.py")
            for word in re.findall(r'"([a-z_]+)"', path.read_text(encoding="utf-8"))
        },
    }
    looked_at = set()
    for expression in EXPRESSIONS.values():
        for name, matchers in list_selectors(expression):
            values = {each for label, value in matchers if label not in SCRAPED for each in value.split("|")}
            if name in known and values:
                assert values <= known[name]
                looked_at.add(name)
    assert looked_at == set(known)


def test_each_metric_stands_in_a_panel() -> None:
    shown = {name for panel in list_panels() for each in panel.queries.values() for name, _ in list_selectors(each)}
    missing = {family.name for family in collect_families() if not any(name.startswith(family.name) for name in shown)}
    assert missing == set()


def test_legends_name_labels_that_the_query_keeps(series: dict[str, set[str]]) -> None:
    for panel in list_panels():
        for legend, query in panel.queries.items():
            kept = (
                list_groupings(query)
                if " by (" in query
                else SCRAPED.union(*(series[n] for n, _ in list_selectors(query)))
            )
            if " by (" not in query and re.match(r"(sum|histogram_quantile)\(", query):
                kept = set()
            assert set(re.findall(r"{{(\w+)}}", legend)) <= kept, (panel.title, legend)


def test_names_are_told_apart() -> None:
    assert len(ALERTS) == len(list_alerts())
    assert all(re.fullmatch(r"Sfu[A-Z][A-Za-z]+", name) for name in ALERTS)
    headings = re.findall(r"^### (\w+)$", build_runbook(), re.MULTILINE)
    assert headings == list(ALERTS)
    named = set(re.findall(r"\bSfu[A-Z]\w+", build_runbook()))
    assert named <= set(ALERTS)


def test_panels_that_the_runbook_speaks_of_are_there() -> None:
    titles = {panel.title for panel in list_panels()} | {"What it means.", "How to see it.", "What to do.", "Targets"}
    rows = {"To subscribers", "From publishers"}
    assert set(re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", build_runbook())) <= titles | rows


def check(tmp_path: Path, kind: str, document: object) -> None:
    assert PROMTOOL is not None
    (tmp_path / "rules.yml").write_text(build_rules(), encoding="utf-8")
    file = tmp_path / "file.yml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = subprocess.run([PROMTOOL, kind, "rules", file], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_every_expression_is_one(tmp_path: Path) -> None:
    queries = [
        limit_to(each, 'instance=~"$instance"').replace("$__rate_interval", "5m") for each in EXPRESSIONS.values()
    ]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(queries)]
    check(tmp_path, "check", {"groups": [{"name": "panels", "rules": rules}]})


def place(name: str) -> str:
    """A series with the labels of one node, unless it says of what it is."""
    if "job=" in name:
        return name
    return name.replace("{", f"{{{HERE}, ") if "{" in name else f"{name}{{{HERE}}}"


def describe_group(found: dict[str, str], tests: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": place(name), "values": values} for name, values in found.items()],
        "alert_rule_test": tests,
    }


def expect(name: str, at: str, *labels: dict[str, str]) -> dict[str, Any]:
    told = [{"exp_labels": each, "exp_annotations": annotate(ALERTS[name])} for each in labels]
    return {"eval_time": at, "alertname": name, "exp_alerts": told}


def say_where(name: str, trouble: Trouble) -> dict[str, str]:
    here = {"job": "sfu"} if trouble.everywhere else {"job": "sfu", "instance": "a"}
    return {**here, **trouble.labels, "severity": ALERTS[name].severity}


def test_each_alert_has_its_trouble() -> None:
    assert TROUBLES.keys() == ALERTS.keys()


@needs_promtool
@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_fires_on_its_trouble_and_not_before(name: str, tmp_path: Path) -> None:
    trouble = TROUBLES[name]
    tests = [expect(name, trouble.quiet_at), expect(name, trouble.at, say_where(name, trouble))]
    check(tmp_path, "test", {"rule_files": ["rules.yml"], "tests": [describe_group(trouble.series, tests)]})


@needs_promtool
def test_no_alert_fires_on_a_busy_node_that_is_well(tmp_path: Path) -> None:
    touched = {name for each in ALERTS.values() for name, _ in list_selectors(each.expression)}
    assert touched == {name.partition("{")[0] for name in HEALTHY}
    tests = [expect(name, at) for name in ALERTS for at in LOOKS]
    check(tmp_path, "test", {"rule_files": ["rules.yml"], "tests": [describe_group(HEALTHY, tests)]})
