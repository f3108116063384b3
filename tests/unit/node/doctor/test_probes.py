"""Looks at this machine, and at small servers on loopback."""

from __future__ import annotations

import errno
import http.server
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aioice import stun

import sfu
from sfu.node.doctor import probes
from sfu.node.doctor.checks import DiskFacts
from sfu.tcp.pump import MEDIA_CONTROL


@pytest.mark.parametrize("udp", [False, True], ids=["TCP", "UDP"])
def test_a_port_is_free_until_somebody_has_it(udp: bool) -> None:
    kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if not udp:
            taken.listen(1)
        port = taken.getsockname()[1]
        found = probes.try_port("port", "127.0.0.1", port, udp=udp)
        assert (found.place, found.error) == (f"{'UDP' if udp else 'TCP'} 127.0.0.1:{port}", errno.EADDRINUSE)
    assert probes.try_port("port", "127.0.0.1", port, udp=udp).error is None


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    assert probes.try_port("port", "192.0.2.200", 0, udp=True).error == errno.EADDRNOTAVAIL


@contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class Answering(http.server.BaseHTTPRequestHandler):
    body = b'{"status": "ok"}'
    ahead_s = 0.0

    def do_GET(self) -> None:
        self.send_response_only(200)
        self.send_header("Date", self.date_time_string(time.time() + self.ahead_s))
        self.end_headers()
        self.wfile.write(self.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("body", "is_one"), [(b'{"status": "closed"}', True), (b'"status"', False), (b"<html>", False)]
)
def test_a_node_is_known_by_its_health(body: bytes, is_one: bool) -> None:
    with served(type("Server", (Answering,), {"body": body})) as port:
        assert probes.is_node("0.0.0.0", port) is is_one
    assert not probes.is_node("127.0.0.1", port)


def test_a_clock_is_compared_with_a_web_server_s() -> None:
    with served(type("Server", (Answering,), {"ahead_s": 100.0, "body": b""})) as port:
        assert -102 < probes.measure_drift(f"http://127.0.0.1:{port}/") < -98
    with pytest.raises(ValueError, match="is no HTTP URL"):
        probes.measure_drift("file:///etc/passwd")


def test_the_kernel_tells_of_its_clock_and_buffers() -> None:
    clock = probes.read_clock()
    assert clock is None or clock.most_error_s >= 0
    assert all(most > 4096 for most in probes.read_buffer_limits().values())


def test_the_congestion_control_for_media_is_tried_on_a_socket() -> None:
    which = "available" if os.geteuid() == 0 else "allowed"
    known = Path(f"/proc/sys/net/ipv4/tcp_{which}_congestion_control").read_text("ascii").split()
    assert probes.try_congestion_control() == (MEDIA_CONTROL in known)


def test_offload_is_tried_on_loopback() -> None:
    sends, receives = probes.try_offload()
    assert sends or not receives


def test_a_disk_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    found = probes.try_disk(tmp_path)
    assert isinstance(found, DiskFacts)
    assert found.free_bytes > 0 and found.write_bps > 0 and found.slowest_s > 0
    assert list(tmp_path.iterdir()) == []
    assert probes.try_disk(tmp_path / "none") == f"{tmp_path / 'none'}: No such file or directory"


def test_folders_on_one_disk_have_one_number(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = probes.find_devices([tmp_path, tmp_path / "a", tmp_path / "none"])
    assert list(found) == [str(tmp_path), str(tmp_path / "a")]
    assert len(set(found.values())) == 1


@contextmanager
def stun_server(reflexive: tuple[str, int], *, deaf_for: int = 0, forge: bool = False) -> Iterator[str]:
    """Answers requests, save for the first `deaf_for`; `forge`: with another's transaction."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        asked = 0

        def serve() -> None:
            nonlocal asked
            while True:
                data, address = server.recvfrom(2048)
                if not data:
                    return
                asked += 1
                if asked > deaf_for:
                    request = stun.parse_message(data)
                    answer = stun.Message(
                        stun.Method.BINDING, stun.Class.RESPONSE, b"x" * 12 if forge else request.transaction_id
                    )
                    answer.attributes["XOR-MAPPED-ADDRESS"] = reflexive
                    server.sendto(bytes(answer), address)

        thread = threading.Thread(target=serve)
        thread.start()
        host, port = server.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", (host, port))
            thread.join()


def test_a_stun_server_is_asked_again_and_tells_our_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_ANSWER_S", 0.3)
    with stun_server(("203.0.113.7", 5000), deaf_for=1) as server:
        assert probes.ask_stun(server) == "203.0.113.7"


def test_another_s_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_ANSWER_S", 0.3)
    with stun_server(("203.0.113.7", 5000), forge=True) as server, pytest.raises(TimeoutError, match="not answer"):
        probes.ask_stun(server)
    with pytest.raises(ValueError, match="write HOST:PORT"):
        probes.ask_stun("stun.example")


def test_the_compiled_plane_is_found_where_it_is_kept() -> None:
    sfu.compile_kernels()
    found = probes.find_kernels()
    assert found.compiled is found.known_compiler
    assert not found.compiled or Path(found.folder).is_dir()


def test_what_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert None not in probes.read_versions().values()
    monkeypatch.setattr(probes, "_LIBRARIES", ("numba", "no-such-library"))
    assert probes.read_versions()["no-such-library"] is None
