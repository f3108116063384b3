"""The certificate: what cannot be used is named, what changes is served, and a bad change serves the former one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sfu.tcp.tls import Certificate, CertificateError
from tests.unit.tcp.certificates import make_certificate


def touch(path: Path) -> None:
    """As another second would have written it."""
    os.utime(path, (path.stat().st_atime, path.stat().st_mtime + 5))


def test_a_new_certificate_is_served_to_who_connects_from_then_on(tmp_path: Path) -> None:
    served = Certificate(*make_certificate(tmp_path))
    former = served.context
    served.refresh()
    assert served.context is former
    make_certificate(tmp_path)
    touch(tmp_path / "cert.pem")
    served.refresh()
    assert served.context is not former


def test_it_tells_until_when_what_is_served_is_good(tmp_path: Path) -> None:
    served = Certificate(*make_certificate(tmp_path))
    assert 86340 < served.expires - time.time() <= 86400
    served.expires = 0.0
    make_certificate(tmp_path)
    touch(tmp_path / "cert.pem")
    served.refresh()
    assert served.expires > time.time()


@pytest.mark.parametrize("how", ["half written", "gone", "of another key"])
def test_what_cannot_be_used_is_said_once_and_the_former_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    chain, key = make_certificate(tmp_path)
    served = Certificate(chain, key)
    former = served.context
    if how == "half written":
        chain.write_bytes(chain.read_bytes()[:300])
    elif how == "gone":
        key.unlink()
    else:
        whole = key.read_bytes()
        make_certificate(tmp_path)
        key.write_bytes(whole)
    if key.exists():
        touch(chain)
    for _ in range(3):
        served.refresh()
    assert served.context is former
    assert caplog.messages == ["the new certificate cannot be used"]
    make_certificate(tmp_path)
    touch(chain)
    touch(key)
    served.refresh()
    assert served.context is not former


@pytest.mark.parametrize(
    ("chain", "key", "reason"),
    [
        ("nowhere.pem", "key.pem", "nowhere.pem cannot be read: No such file"),
        ("cert.pem", "nowhere.pem", "nowhere.pem cannot be read: No such file"),
        ("empty.pem", "key.pem", "empty.pem is no PEM file that TLS can use"),
        ("cert.pem", "empty.pem", "empty.pem is no PEM file that TLS can use"),
        ("key.pem", "key.pem", "key.pem is no PEM file that TLS can use"),
        ("cert.pem", "other/key.pem", "key.pem is not the key of"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, chain: str, key: str, reason: str) -> None:
    make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    make_certificate(tmp_path / "other")
    (tmp_path / "empty.pem").touch()
    with pytest.raises(CertificateError, match=reason):
        Certificate(tmp_path / chain, tmp_path / key)
