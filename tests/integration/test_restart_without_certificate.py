"""A restart while the certificate cannot be used: the successor says so and ends, and the node goes on with its own."""

from __future__ import annotations

import signal
import ssl
from pathlib import Path

import httpx
import pytest

from tests.integration.node_log import Log, until
from tests.unit.node.process import START_TIMEOUT, node
from tests.unit.tcp.certificates import make_certificate

pytestmark = pytest.mark.timeout(2 * START_TIMEOUT)


@pytest.mark.parametrize("broken", ["", "-----BEGIN CERTIFICATE-----\nbroken\n-----END CERTIFICATE-----\n", None])
def test_the_node_goes_on_and_says_why(tmp_path: Path, broken: str | None) -> None:
    chain, key = make_certificate(tmp_path)
    served = ssl.create_default_context(cafile=str(chain))
    config = tmp_path / "sfu.toml"
    config.write_text(f'tls_cert = "{chain}"\ntls_key = "{key}"\n')
    with node("--config", str(config), "--log-format", "json") as (process, url, _):
        log = Log(process)
        if broken is None:
            chain.unlink()
        else:
            chain.write_text(broken)
        process.send_signal(signal.SIGUSR2)
        [told] = until(lambda: log.find("no restart: this process goes on"))
        assert told["reason"]
        assert httpx.get(f"{url}/healthz", verify=served, timeout=20).status_code == 200
        assert process.poll() is None
