"""The certificate: what cannot be used is named, what changes is served, and a bad change serves the former one."""

from __future__ import annotations

import logging
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from sfu.tcp.tls import Certificate, CertificateError, CertificateFault
from tests.unit.tcp.certificates import DAY, make_certificate

EXPIRED, NOT_YET_GOOD, FILES = CertificateFault.EXPIRED, CertificateFault.NOT_YET_GOOD, CertificateFault.FILES


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
    make_certificate(tmp_path, ends=3 * DAY)
    touch(tmp_path / "cert.pem")
    served.refresh()
    assert served.expires - time.time() > 2 * 86400


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
    assert served.faults == {FILES}
    make_certificate(tmp_path)
    touch(chain)
    touch(key)
    served.refresh()
    assert served.context is not former
    assert not served.faults


class Wall:
    """Days from the moment at which it was made."""

    def __init__(self) -> None:
        self.days, self._zero = 0.0, time.time()

    def __call__(self) -> float:
        return self._zero + self.days * 86400.0


@pytest.mark.parametrize(
    ("begins", "ends", "fault", "reason"),
    [(-3 * DAY, -DAY, EXPIRED, "has expired on 20"), (DAY, 3 * DAY, NOT_YET_GOOD, "is not good before 20")],
)
def test_at_a_start_what_nobody_takes_is_served_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begins: timedelta, ends: timedelta, fault: object, reason: str
) -> None:
    wall = Wall()
    served = Certificate(*make_certificate(tmp_path, begins=begins, ends=ends), wall)
    for _ in range(3):
        served.refresh()
    assert caplog.messages == ["the certificate is not good"]
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert f"{tmp_path / 'cert.pem'}: it {reason}" in vars(told)["reason"]
    assert served.faults == {fault}
    wall.days = 2.0
    served.refresh()
    assert (not served.faults) == (fault is NOT_YET_GOOD)


def test_one_that_expires_while_it_is_served_is_said_once_and_the_next_one_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wall = Wall()
    served = Certificate(*make_certificate(tmp_path), wall)
    former = served.context
    assert not served.faults
    wall.days = 1.1
    for _ in range(3):
        served.refresh()
    assert caplog.messages == ["the certificate is not good"]
    assert (served.context, served.faults) == (former, {EXPIRED})
    make_certificate(tmp_path, ends=3 * DAY)
    touch(tmp_path / "cert.pem")
    served.refresh()
    assert served.context is not former
    assert not served.faults


@pytest.mark.parametrize(("begins", "ends"), [(-3 * DAY, -DAY), (DAY / 2, 3 * DAY)], ids=["expired", "not yet good"])
def test_no_new_one_that_nobody_takes_replaces_one_that_is_good(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, begins: timedelta, ends: timedelta
) -> None:
    wall = Wall()
    served = Certificate(*make_certificate(tmp_path), wall)
    former = served.context
    make_certificate(tmp_path, begins=begins, ends=ends)
    touch(tmp_path / "cert.pem")
    for _ in range(3):
        served.refresh()
    assert served.context is former
    assert caplog.messages == ["the new certificate is not served"]
    assert served.faults == {FILES}
    wall.days = 0.6  # the second one is good by now
    served.refresh()
    assert (served.context is former) == (ends < DAY)
    wall.days = 1.1  # the former one is not
    served.refresh()
    assert served.context is not former, "both would be refused: what stands in the files counts"
    assert served.faults == ({EXPIRED} if ends < DAY else set())


def test_one_without_its_issuer_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chain, key = make_certificate(tmp_path, issuer="R3 of nobody")
    Certificate(chain, key)
    (told,) = caplog.records
    assert "stands alone" in told.message
    assert vars(told)["issuer"] == "CN=R3 of nobody"
    (tmp_path / "other").mkdir()
    more, _ = make_certificate(tmp_path / "other", "R3 of nobody")
    chain.write_bytes(chain.read_bytes() + more.read_bytes())
    caplog.clear()
    Certificate(chain, key)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("meet.example.org", True),
        ("MEET.example.org.", True),
        ("a.rooms.example.org", True),
        ("rooms.example.org", False),
        ("b.a.rooms.example.org", False),
        ("example.org", False),
        ("2001:db8:0:0::7", True),
        ("192.0.2.1", False),
    ],
)
def test_names_are_compared_as_clients_do(tmp_path: Path, host: str, covered: bool) -> None:
    chain, key = make_certificate(tmp_path, "meet.example.org", ("2001:db8::7",), others=("*.rooms.example.org",))
    assert Certificate(chain, key).served.covers(host) == covered


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
