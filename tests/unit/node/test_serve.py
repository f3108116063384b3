"""A node as a process: start, signals, end."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

import sfu
from sfu.node import serve
from sfu.node.serve import Started
from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.offers import make_offer
from tests.unit.tcp.certificates import make_certificate


@pytest.mark.timeout(START_TIMEOUT)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_streams_and_node_in_order(number: signal.Signals) -> None:
    with node("--log-format", "json") as (process, url, token):
        with httpx.stream("GET", f"{url}/rooms/lobby/events", params={"access_token": token}, timeout=20) as stream:
            chunks = stream.iter_text()
            assert "event: snapshot" in next(chunks)
            process.send_signal(number)
            assert "".join(chunks) == ""  # the stream ends as it should, not by a broken connection
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    events = [line.split('"event": "')[1].split('"')[0] for line in errors.splitlines() if line.startswith("{")]
    assert events[1] == "listening"  # behind what is said of file descriptors
    assert events[-1] == "stopped"
    assert token not in errors


@pytest.mark.timeout(START_TIMEOUT)
def test_a_node_answers_over_a_real_socket_and_operators_over_one_of_their_own(tmp_path: Path) -> None:
    config = tmp_path / "sfu.toml"
    config.write_text("metrics_port = 0\n")
    with node("--shards", "2", "--config", str(config), "--log-format", "json") as (process, url, token):
        assert process.stderr is not None
        listening = next(line for line in process.stderr if '"metrics_url"' in line)
        metrics_url = json.loads(listening)["metrics_url"]
        assert metrics_url != url
        assert "sfu_rooms" in httpx.get(f"{metrics_url}/metrics", timeout=20).text
        assert httpx.get(f"{metrics_url}/", timeout=20).status_code == 404
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20) as http:
            assert http.get("/healthz").status_code == 200
            assert http.get("/").headers["content-type"].startswith("text/html")
            assert http.get("/rooms/lobby").json() == {
                "room": "lobby",
                "peers": [],
                "speakers": [],
                "dominant_speaker": None,
                "recording": None,
                "recordings": [],
                "draining": None,
            }
            sdp = {"Content-Type": "application/sdp"}
            refused = http.post("/rooms/lobby/whip", content=b"a" * (256 * 6 * 1024 + 1), headers=sdp)
            assert refused.status_code == 413
            assert http.get("/rooms/lobby").json()["peers"] == []
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)
    assert process.returncode == 0


@pytest.mark.timeout(START_TIMEOUT)
def test_https_and_http_are_served_on_one_port_and_a_new_certificate_at_once(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path)
    config = tmp_path / "sfu.toml"
    config.write_text(f'tls_cert = "{chain}"\ntls_key = "{key}"\nannounce = ["127.0.0.1"]\n')
    with node("--config", str(config)) as (process, url, token):
        assert url.startswith("https://")
        for base in (url, url.replace("https", "http")):
            verify = ssl.create_default_context(cafile=str(chain))
            answer = httpx.get(f"{base}/rooms/lobby", headers={"Authorization": f"Bearer {token}"}, verify=verify)
            assert answer.json()["room"] == "lobby"
        port = httpx.URL(url).port
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        made = httpx.post(
            f"{url}/rooms/lobby/whip",
            content=make_offer(("audio", "sendonly")),
            headers=headers,
            verify=verify,
            timeout=20,
        )
        assert f"127.0.0.1 {port} typ host tcptype passive" in made.text
        assert f"<turns:127.0.0.1:{port}?transport=tcp>" in made.headers["link"]
        make_certificate(tmp_path)
        os.utime(chain, (0, 0))
        renewed = ssl.create_default_context(cafile=str(chain))
        deadline = time.monotonic() + 20
        while True:
            try:
                assert httpx.get(f"{url}/healthz", verify=renewed).status_code == 200
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


@pytest.mark.timeout(START_TIMEOUT)
def test_a_signal_closes_the_records(tmp_path: Path) -> None:
    with node("--record-dir", str(tmp_path / "records"), "--log-format", "json") as (process, url, token):
        headers = {"Authorization": f"Bearer {token}"}
        started = httpx.post(f"{url}/rooms/lobby/recording", headers=headers, timeout=20)
        assert started.status_code == 201
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    record = tmp_path / "records" / started.json()["folder"]
    lines = [json.loads(line) for line in (record / "ledger.jsonl").read_text().splitlines()]
    assert [line["cause"] for line in lines if line["type"] == "stop"] == ["server_closed"]
    assert json.loads((record / "manifest.json").read_text())["head"]
    logged = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    (made,) = [line for line in logged if line["event"].startswith("made a key that signs records")]
    assert Path(made["public_key"]).read_bytes() == (record / "public-key.pem").read_bytes()
    assert [line["cause"] for line in logged if line["event"] == "recording stopped"] == ["server_closed"]


class Spoken:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def compiling(self, share: float) -> None:
        self.said.append(f"compiling {share:.0%}")

    def compiled(self, seconds: float) -> None:
        self.said.append("compiled" if seconds > 0 else "compiled in no time")

    def started(self, started: Started) -> None:
        self.said.append("started")


class QuickServer:
    """Has nothing to compile."""

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        assert not sockets


@pytest.mark.parametrize(
    ("shares", "said"), [((0.1, 0.5), ["compiling 10%", "compiling 50%", "compiled"]), ((), [])], ids=["first", "later"]
)
async def test_a_start_that_compiles_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, shares: tuple[float, ...], said: list[str]
) -> None:
    monkeypatch.setattr(sfu, "compile_kernels", lambda progress: [progress(share) for share in shares], raising=False)
    reporter = Spoken()
    await serve._start(QuickServer(), reporter, ())  # type: ignore[arg-type]
    assert reporter.said == said
