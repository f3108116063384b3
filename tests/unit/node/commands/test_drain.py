"""`sfu drain` at a node that runs, and SIGTERM, which drains, too."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from sfu.node.cli import app
from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.node.scraping import SDP, SEND

pytestmark = pytest.mark.timeout(START_TIMEOUT)

SECRET = "a-secret-of-more-than-thirty-two-bytes"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "sfu.toml"
    path.write_text(f'drain_timeout = 3600\n[keys]\nmain = "{SECRET}"\n')
    return path


def _drain(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["drain", *arguments], env={})
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as client:
        yield client


def _publish(http: httpx.Client, url: str, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    made = http.post(f"{url}/rooms/lobby/whip?peer=alice", content=SEND, headers=headers | SDP)
    assert made.status_code == 201
    return f"{url}{made.headers['Location']}"


def test_an_operator_drains_takes_back_and_stops_a_node(config: Path, http: httpx.Client) -> None:
    with node("--config", str(config)) as (process, url, token):
        session = _publish(http, url, token)
        code, told, errors = _drain("--config", str(config), "--url", url, "--within", "10m")
        assert (code, told.startswith("draining: 1 rooms with 1 peers, "), errors) == (0, True, "")
        assert http.get(f"{url}/readyz").status_code == 503
        assert _drain("--config", str(config), "--url", url, "--back")[:2] == (0, "back in service\n")
        assert http.get(f"{url}/readyz").status_code == 200
        http.delete(session, headers={"Authorization": f"Bearer {token}"})
        code, told, errors = _drain("--config", str(config), "--url", url, "--stop", "--wait")
        assert (code, told.splitlines()[-1], errors) == (0, "drained", "")
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_sigterm_drains_and_again_ends_it_at_once(config: Path, http: httpx.Client) -> None:
    with node("--config", str(config), "--log-format", "json") as (process, url, token):
        _publish(http, url, token)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert any('"draining"' in line for line in process.stderr)
        assert http.get(f"{url}/readyz").json() == {"status": "draining"}
        assert http.get(f"{url}/healthz").status_code == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_what_cannot_be_done_is_said(config: Path, tmp_path: Path) -> None:
    code, _, errors = _drain("--config", str(config), "--url", "http://127.0.0.1:9")
    assert (code, errors.startswith("error: no node answers at http://127.0.0.1:9")) == (1, True)
    code, _, errors = _drain("--config", str(config), "--within", "soon")
    assert (code, "--within 'soon'" in errors) == (2, True)
    other = tmp_path / "other.toml"
    other.write_text("dev = true\nport = 0\n")
    code, _, errors = _drain("--config", str(other))
    assert (code, "no keys" in errors) == (2, True)
    other.write_text(f'port = 0\n[keys]\nmain = "{SECRET}"\n')
    code, _, errors = _drain("--config", str(other))
    assert (code, "--url" in errors) == (2, True)


def test_a_node_with_other_keys_refuses(config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(f'[keys]\nmain = "another-{SECRET}"\n')
    with node("--config", str(config)) as (_, url, _token):
        code, _, errors = _drain("--config", str(other), "--url", url)
    assert (code, "refuses (401)" in errors) == (1, True)
