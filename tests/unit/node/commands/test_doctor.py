"""`sfu doctor` as an operator runs it."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sfu
from sfu.node.cli import app
from sfu.node.doctor import probes
from sfu.node.doctor.checks import ClockFacts, PortFacts
from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.tcp.certificates import make_certificate

SECRET = "a-secret-of-more-than-thirty-two-bytes"


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SFU_") and name != "SFU_KERNEL_CACHE":
            monkeypatch.delenv(name)


def run(*arguments: str, **environment: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and level and words by what was looked at."""
    result = CliRunner().invoke(app, ["doctor", "--json", *arguments], env=environment)
    told = json.loads(result.stdout)
    levels = {each["level"] for each in told["checks"]}
    assert told["worst"] == next(level for level in ("fail", "warn", "ok") if level in levels)
    return result.exit_code, {each["what"]: (each["level"], each["seen"]) for each in told["checks"]}


def test_a_machine_that_has_what_is_set_gets_exit_code_0(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        probes, "try_port", lambda setting, host, port, *, udp, ours=False: PortFacts(setting, f"{host}:{port}", None)
    )
    key = tmp_path / "key.pem"
    sfu.load_or_create_signing_key(key)
    (tmp_path / "records").mkdir()
    (tmp_path / "mirror").mkdir()
    file = tmp_path / "sfu.toml"
    file.write_text(
        f'record_dir = "{tmp_path}/records"\nrecord_mirrors = ["{tmp_path}/mirror"]\nrecord_key = "{key}"\n'
        f'record_least_free_bytes = 4096\nmetrics_port = 9100\nudp_port = 40000\n[keys]\nmain = "{SECRET}"\n'
    )
    code, found = run("--config", str(file))
    assert code == 0
    assert "fail" not in {level for level, _ in found.values()}
    assert found["mirrors"][0] == "warn"
    assert found["records"][0] == found["udp_port"][0] == found["metrics_port"][0] == found["configuration"][0] == "ok"
    assert {f"disk of {tmp_path}/records", f"disk of {tmp_path}/mirror", "clock", "cores", "libraries"} <= set(found)
    assert list((tmp_path / "records").iterdir()) == []


def test_what_stops_a_start_gets_exit_code_1(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {
            "SFU_PORT": str(taken.getsockname()[1]),
            "SFU_KEYS": f"main:{SECRET}",
            "SFU_RECORD_DIR": str(tmp_path / "none"),
            "SFU_RECORD_KEY": str(tmp_path / "key.pem"),
            "SFU_SHARD": "2",
        }
        code, found = run(**environment)
    assert code == 1
    assert "is taken by another program" in found["port"][1]
    assert found[f"disk of {tmp_path / 'none'}"] == ("fail", f"{tmp_path / 'none'}: No such file or directory")
    assert found["records"][0] == "fail"
    assert found["environment"] == ("warn", "SFU_SHARD is no setting")


def test_a_certificate_is_looked_at_where_one_is_set(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    _, found = run("--dev", SFU_TLS_CERT=str(chain), SFU_TLS_KEY=str(key))
    assert found["certificate"] == ("warn", "good for 1 days")
    assert found["certificate's issuer"][0] == "ok"
    assert "certificate's names" not in found
    url = {"SFU_LIVEKIT_URL": "https://sfu.example.org"}
    _, found = run("--dev", SFU_TLS_CERT=str(chain), SFU_TLS_KEY=str(key), **url)
    assert found["certificate's names"] == ("warn", "localhost, 127.0.0.1; not sfu.example.org of livekit_url")
    key.unlink()
    code, found = run("--dev", SFU_TLS_CERT=str(chain), SFU_TLS_KEY=str(key))
    assert code == 1
    assert "cannot be read: No such file" in found["certificate"][1]
    _, found = run("--dev")
    assert "certificate" not in found


def test_a_configuration_that_cannot_be_used_is_told_first(tmp_path: Path) -> None:
    code, found = run("--config", str(tmp_path / "none.toml"))
    assert code == 1
    assert list(found) == ["configuration"]
    assert "cannot read it" in found["configuration"][1]


def test_servers_are_asked_only_if_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise TimeoutError("nobody answers")

    monkeypatch.setattr(probes, "ask_stun", refuse)
    monkeypatch.setattr(probes, "measure_drift", refuse)
    code, found = run("--dev")
    assert "address from outside" not in found and "clock against another" not in found
    code, found = run("--dev", "--stun", "stun.example:3478", "--time-from", "https://time.example/")
    assert code == 1
    assert found["address from outside"] == ("fail", "cannot be told: nobody answers")
    assert found["clock against another"] == ("fail", "cannot be compared: nobody answers")
    monkeypatch.setattr(probes, "ask_stun", lambda server: "203.0.113.7")
    monkeypatch.setattr(probes, "measure_drift", lambda url: 0.4)
    _, found = run("--dev", "--stun", "stun.example:3478", "--time-from", "https://time.example/")
    assert (found["address from outside"][0], found["clock against another"][0]) == ("warn", "ok")


@pytest.mark.timeout(START_TIMEOUT)
def test_a_running_node_holds_its_own_ports() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        udp_port = free.getsockname()[1]
    with node("--udp-port", str(udp_port)) as (_, url, _):
        port = url.rpartition(":")[2]
        _, found = run("--dev", SFU_PORT=port, SFU_UDP_PORT=str(udp_port))
    assert found["port"] == ("ok", f"TCP 127.0.0.1:{port} is held by a running node")
    assert found["udp_port"] == ("ok", f"UDP 0.0.0.0:{udp_port} is held by a running node")


def test_a_person_reads_a_line_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "read_clock", lambda: ClockFacts(False, 16.0))
    result = CliRunner().invoke(app, ["doctor", "--dev"], env={"NO_COLOR": "1"})
    lines = result.stdout.splitlines()
    assert all(line[:5] in ("ok   ", "warn ", "fail ") for line in lines)
    assert (
        "warn clock: it is not synchronised, so records and tokens may be off; "
        "let chrony or systemd-timesyncd set it: timedatectl set-ntp true"
    ) in lines
