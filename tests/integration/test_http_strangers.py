"""What strangers without a token can do to a node by its HTTP port: a process, its descriptors and its memory."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.unit.node.process import START_TIMEOUT, node

MOST_GROWTH_BYTES = 50 << 20
STRANGERS = 2000
ADDRESSES = 20
PATIENCE_S = 60.0
POST = b"POST /rooms/lobby/whip HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\n"
REFUSED = POST + b"Content-Length: 100000\r\n\r\na"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

pytestmark = pytest.mark.timeout(START_TIMEOUT + 2 * PATIENCE_S)


class Node:
    """A node, looked at from outside."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.place = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self.answers()
        self.before = self.resident_bytes()
        self.descriptors_before = self.descriptors()

    def resident_bytes(self) -> int:
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def answers(self) -> None:
        assert httpx.get(f"{self.url}/healthz", timeout=PATIENCE_S).status_code == 200

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"{self.descriptors()} descriptors"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def running() -> Iterator[Node]:
    with node("--log-level", "error") as (process, url, _):
        yield Node(process, url)


@contextlib.contextmanager
def strangers(running: Node, what: bytes, count: int = STRANGERS) -> Iterator[list[socket.socket]]:
    """Connections from many addresses that send `what`, and neither read nor close."""
    with contextlib.ExitStack() as stack:
        found = []
        for number in range(count):
            stranger = stack.enter_context(socket.socket())
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stranger.settimeout(PATIENCE_S)
            stranger.bind((f"127.0.1.{1 + number % ADDRESSES}", 0))
            stranger.connect(running.place)
            stranger.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                stranger.send(what)
            found.append(stranger)
        yield found


UNFINISHED = [b"", b"GET / HTTP/1.1\r\nX-A: " + b"a" * 16000, b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 4000]
"""Silence, a long head, many headers: each waits until the node has had enough of it."""


@pytest.mark.parametrize(
    "kinds",
    [
        [REFUSED],
        UNFINISHED,
        [HEALTH * 2000],
        [POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 8000],
    ],
    ids=["body behind a 401", "unfinished", "pipelined", "chunks"],
)
def test_two_thousand_strangers_cost_little_and_for_a_short_time(running: Node, kinds: list[bytes]) -> None:
    with contextlib.ExitStack() as crowds:
        found = [each for what in kinds for each in crowds.enter_context(strangers(running, what))]
        running.answers()
        assert running.resident_bytes() - running.before < MOST_GROWTH_BYTES * len(kinds)
        if kinds == [REFUSED]:  # and one byte more from time to time
            for stranger in found:
                with contextlib.suppress(BlockingIOError, ConnectionError):
                    stranger.send(b"a")
        running.until(lambda: running.descriptors() <= running.descriptors_before + 10)
        assert running.resident_bytes() - running.before < MOST_GROWTH_BYTES * len(kinds)
        running.answers()


def test_ten_mebibytes_of_pipelined_requests_wait_with_the_client(running: Node) -> None:
    with socket.create_connection(running.place) as stranger:
        stranger.setblocking(False)
        left = memoryview(HEALTH * ((10 << 20) // len(HEALTH)))
        deadline = time.monotonic() + 5
        while left and time.monotonic() < deadline:
            try:
                left = left[stranger.send(left) :]
            except BlockingIOError:
                time.sleep(0.01)
            except ConnectionError:
                break
            assert running.resident_bytes() - running.before < MOST_GROWTH_BYTES
        running.answers()
        assert running.resident_bytes() - running.before < MOST_GROWTH_BYTES


def test_strangers_take_no_descriptor_from_a_recording(tmp_path: Path) -> None:
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 400))"
    config = tmp_path / "sfu.toml"
    config.write_text(f"record_dir = '{tmp_path / 'records'}'\nmax_recordings = 4\n")
    with node("--config", str(config), "--log-format", "json", before=few) as (process, url, token):
        assert process.stderr is not None
        told = next(json.loads(line) for line in process.stderr if "few file descriptors" in line)
        assert (told["limit"], told["level"]) == (400, "warning")
        assert "LimitNOFILE" in told["advice"]
        running = Node(process, url)
        headers = {"Authorization": f"Bearer {token}"}
        with strangers(running, b"", 350):
            for number in range(4):
                post = httpx.post(f"{url}/rooms/r{number}/recording", headers=headers, timeout=PATIENCE_S)
                assert post.status_code in (201, 403), post.text
            assert httpx.post(f"{url}/rooms/lobby/recording", headers=headers, timeout=PATIENCE_S).status_code == 201
            assert running.descriptors() <= 400 - told["reserved"] + 60
            found = httpx.get(f"{url}/metrics", timeout=PATIENCE_S).text
    assert "sfu_descriptors_limit 400.0" in found
    assert f"sfu_http_connections_limit {float(told['http_connections'])}" in found
    assert 'sfu_http_ended_connections_total{reason="full"}' in found
    (record,) = (tmp_path / "records").iterdir()
    assert (record / "ledger.jsonl").stat().st_size > 0
