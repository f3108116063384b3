"""The files of `examples/operating` are what those who read them take."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from sfu.node.commands.durations import parse_duration
from sfu.node.config.settings import Settings
from sfu.node.descriptors import plan_descriptors

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "operating"
SECRETS = {"keys": {"main": "a-secret-of-more-than-thirty-two-bytes"}}
CLOSE_RECORDS_S = 30
"""As long as a server takes at most to close its records."""


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def find_tool(name: str, how: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: {how}")
    return found


def test_the_configuration_of_prometheus_loads_with_the_rules() -> None:
    promtool = find_tool("promtool", "run '.ci/packages prometheus' as root")
    assert "SUCCESS: 1 rule files found" in run(promtool, "check", "config", FOLDER / "prometheus.yml")


@pytest.fixture
def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(FOLDER / "sfu.service")
    return parser["Service"]


def test_the_unit_is_one_and_well_guarded(tmp_path: Path) -> None:
    analyze = find_tool("systemd-analyze", "it comes with systemd")
    text = (FOLDER / "sfu.service").read_text(encoding="utf-8")
    file = tmp_path / "sfu.service"
    file.write_text(text.replace("/opt/sfu/bin/sfu", sys.executable), encoding="utf-8")  # it must be there
    assert run(analyze, "verify", "--man=no", file) == ""
    exposure = run(analyze, "security", "--offline=true", "--threshold=20", file)
    assert "Overall exposure level" in exposure


def test_the_unit_gives_what_the_node_asks_for(unit: configparser.SectionProxy) -> None:
    settings = Settings()
    plan = plan_descriptors(
        int(unit["LimitNOFILE"]),
        connections=settings.max_http_connections,
        shards=32,
        recordings=settings.max_recordings,
        folders=2,
    )
    assert not plan.is_low
    variables = dict(each.split("=") for each in unit["Environment"].split())
    assert variables.pop("SFU_KERNEL_CACHE") == f"/var/cache/{unit['CacheDirectory']}"
    drain = Settings.model_validate({"drain_timeout": variables.pop("SFU_DRAIN_TIMEOUT")}).drain_timeout
    assert not variables
    assert int(unit["TimeoutStopSec"].removesuffix("min")) * 60 > drain + CLOSE_RECORDS_S + settings.shutdown_timeout


def test_the_dockerfile_has_nothing_to_find_fault_with() -> None:
    run(Path(sys.executable).with_name("hadolint"), FOLDER / "Dockerfile")
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    copied = [name for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for name in line.split()]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert text.index("USER ") < text.index("RUN sfu warm") < text.index("HEALTHCHECK")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {project["readme"], *project["license-files"]} <= set(copied)
    [extras] = re.findall(r"'\.\[([a-z,]+)\]'", text)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


@pytest.fixture
def manifests() -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((FOLDER / "kubernetes.yml").read_text(encoding="utf-8"))
    return {document["kind"]: document for document in documents}


def test_kubernetes_takes_the_manifests(manifests: dict[str, dict[str, Any]]) -> None:
    assert set(manifests) == {"Namespace", "ConfigMap", "DaemonSet", "Service"}
    for document in manifests.values():
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    assert {each["metadata"].get("namespace", "sfu") for each in manifests.values()} == {"sfu"}


def test_the_pod_is_as_its_configuration_says(manifests: dict[str, dict[str, Any]]) -> None:
    table = tomllib.loads(manifests["ConfigMap"]["data"]["sfu.toml"])
    settings = Settings.model_validate(SECRETS | table)
    pod = manifests["DaemonSet"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (ports.pop("http"), ports.pop("metrics")) == (settings.port, settings.metrics_port)
    assert list(ports.values()) == list(range(settings.udp_port, settings.udp_port + settings.shards))
    hook = container["lifecycle"]["preStop"]["exec"]["command"]
    assert hook[:2] == ["sfu", "drain"]
    waits = parse_duration("--within", hook[hook.index("--within") + 1]) + settings.drain_timeout
    assert pod["terminationGracePeriodSeconds"] > waits + CLOSE_RECORDS_S + settings.shutdown_timeout
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    variables = {each["name"].removeprefix("SFU_").lower() for each in container["env"]}
    assert variables <= set(Settings.model_fields)
    assert pod["enableServiceLinks"] is False  # else SFU_PORT is set by the service
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for path in (settings.record_dir, settings.record_key, settings.record_journal):
        assert any(Path(path).is_relative_to(each) for each in mounted)
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in (FOLDER / "Dockerfile").read_text(encoding="utf-8")
