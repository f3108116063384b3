"""A certificate that clients refuse: it is served, said and counted, but never in place of one that they take."""

from __future__ import annotations

import os
import signal
import socket
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.node_log import Log, until
from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.tcp.certificates import DAY, make_certificate

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)

PAST = {"begins": -3 * DAY, "ends": -DAY}


def configure(folder: Path, **times: Any) -> tuple[Path, Path]:
    """A certificate and a configuration that names it: chain and configuration."""
    chain, key = make_certificate(folder, **times)
    config = folder / "sfu.toml"
    config.write_text(f'tls_cert = "{chain}"\ntls_key = "{key}"\n')
    return chain, config


def connect(url: str, chain: Path) -> str:
    """As a client that trusts this chain: why it goes; empty: it takes the certificate that it is shown."""
    context = ssl.create_default_context(cafile=str(chain))
    place = httpx.URL(url)
    with socket.create_connection((place.host, place.port or 443), timeout=20) as connection:
        try:
            context.wrap_socket(connection, server_hostname="localhost").close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
    return ""


def count_refusals(url: str) -> float:
    lines = httpx.get(f"{url}/metrics".replace("https:", "http:"), timeout=20).text.splitlines()
    name = 'sfu_tcp_ended_connections_total{reason="certificate"} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def test_one_that_has_expired_is_served_said_and_counted_until_a_good_one_is_there(tmp_path: Path) -> None:
    chain, config = configure(tmp_path, **PAST)
    with node("--config", str(config), "--log-format", "json") as (process, url, _):
        log = Log(process)
        [told] = until(lambda: log.find("the certificate is not good"))
        assert told["reason"].startswith(f"{chain}: it has expired on 20")
        assert connect(url, chain) == "certificate has expired"
        until(lambda: count_refusals(url) == 1)
        assert httpx.get(f"{url}/healthz", verify=False, timeout=20).status_code == 200
        good, _ = make_certificate(tmp_path)
        os.utime(good, (0, 0))
        until(lambda: log.find("a new certificate is served"))
        assert connect(url, good) == ""
        assert len(log.find("the certificate is not good")) == 1
        assert process.poll() is None


def test_new_files_that_have_expired_replace_none_that_is_good_neither_at_once_nor_by_a_restart(tmp_path: Path) -> None:
    chain, config = configure(tmp_path)
    served = tmp_path / "served.pem"
    served.write_bytes(chain.read_bytes())
    with node("--config", str(config), "--log-format", "json") as (process, url, _):
        log = Log(process)
        make_certificate(tmp_path, **PAST)
        os.utime(chain, (0, 0))
        [told] = until(lambda: log.find("the new certificate is not served"))
        assert "it has expired on 20" in told["reason"]
        assert connect(url, served) == ""
        process.send_signal(signal.SIGUSR2)
        [told] = until(lambda: log.find("no restart: this process goes on"))
        assert "it has expired on 20" in told["reason"]
        assert connect(url, served) == ""
        assert process.poll() is None


def test_a_node_whose_certificate_has_expired_restarts_in_place_all_the_same(tmp_path: Path) -> None:
    chain, config = configure(tmp_path, **PAST)
    with node("--config", str(config), "--log-format", "json") as (process, url, _):
        log = Log(process)
        process.send_signal(signal.SIGUSR2)
        until(lambda: log.find("restarted: the successor serves"))
        assert len(log.find("the certificate is not good")) == 2, "each process says it"
        assert connect(url, chain) == "certificate has expired"
        assert httpx.get(f"{url}/healthz", verify=False, timeout=20).status_code == 200
        process.send_signal(signal.SIGTERM)  # the follower passes it on
        assert process.wait(60) == 0
