from __future__ import annotations

import datetime
import hashlib
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from sfu.recording.errors import RecordError
from sfu.recording.signing import SigningKey
from sfu.recording.timestamps import (
    TimestampError,
    build_request,
    check_response,
    fetch_timestamp,
    load_roots,
    verify_timestamp,
)
from sfu.recording.verify import Outcome, verify_record
from tests.recording_authority import Authority, handler_of, serving
from tests.recording_samples import SampleRecord, begin_record

LINE = b'{"n":7,"type":"head"}\n'
HEAD = hashlib.sha256(LINE).hexdigest()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "one", "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tsa") / "two", "two")


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    with serving(handler_of(authority)) as address:
        yield address


@pytest.fixture(scope="module")
def response(url: str) -> bytes:
    return fetch_timestamp(url, LINE)


def answering(body: bytes = b"", status: int = 200, location: str = "") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def test_an_authority_stamps_a_line_and_its_root_vouches_for_the_time(authority: Authority, response: bytes) -> None:
    stated = verify_timestamp(response, HEAD, load_roots(authority.ca))
    age = datetime.datetime.now(datetime.UTC) - stated
    assert datetime.timedelta(seconds=-2) < age < datetime.timedelta(minutes=2)


def test_openssl_reads_the_response_the_same_way(authority: Authority, response: bytes, tmp_path: Path) -> None:
    (tmp_path / "one.tsr").write_bytes(response)
    command = ["openssl", "ts", "-verify", "-digest", HEAD, "-in", "one.tsr", "-CAfile", str(authority.ca)]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert "Verification: OK" in done.stdout + done.stderr


def test_another_root_another_head_or_another_byte_proves_nothing(
    authority: Authority, other: Authority, response: bytes
) -> None:
    roots = load_roots(authority.ca)
    with pytest.raises(TimestampError, match="no given certificate vouches"):
        verify_timestamp(response, HEAD, load_roots(other.ca))
    with pytest.raises(TimestampError, match="of something else"):
        verify_timestamp(response, hashlib.sha256(b"other").hexdigest(), roots)
    at = response.index(bytes.fromhex(HEAD))
    forged = response[:at] + hashlib.sha256(b"other").digest() + response[at + 32 :]
    with pytest.raises(TimestampError):
        verify_timestamp(forged, hashlib.sha256(b"other").hexdigest(), roots)


def test_whatever_stands_in_a_response_raises_nothing_but_a_timestamp_error(
    authority: Authority, response: bytes
) -> None:
    roots, dice = load_roots(authority.ca), random.Random(1)
    stated = verify_timestamp(response, HEAD, roots)
    refused = 0
    for _ in range(1500):
        data = bytearray(response)
        for _ in range(dice.choice([1, 1, 1, 3, 10])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        data = data[: dice.choice([len(data), len(data), dice.randrange(len(data))])]
        try:
            assert verify_timestamp(bytes(data), HEAD, roots) == stated  # bytes that nothing depends on
        except TimestampError:
            refused += 1
    assert refused > 1000
    for data in (b"", b"\x30", b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", dice.randbytes(5000)):
        with pytest.raises(TimestampError, match="not a timestamp response"):
            verify_timestamp(data, HEAD, roots)


def test_an_answer_to_another_request_is_refused(authority: Authority) -> None:
    request, again = build_request(LINE), build_request(LINE)
    answer = authority.reply(request.body)
    check_response(request, answer)
    with pytest.raises(TimestampError, match="another request"):
        check_response(again, answer)
    with pytest.raises(TimestampError, match="of something else"):
        check_response(build_request(b"another line\n"), answer)


def test_a_refusal_is_told_with_its_reason(authority: Authority) -> None:
    refusal = authority.reply(b"\x30\x03\x02\x01\x01")
    with serving(answering(refusal)) as address, pytest.raises(TimestampError, match=r"refused \(status 2") as caught:
        fetch_timestamp(address, LINE)
    assert address in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answering(b"<html>"), "not a timestamp response"),
        (answering(b"x" * 70_000), "longer than 65536 bytes"),
        (answering(status=500), "HTTP Error 500"),
        (answering(status=302, location="http://127.0.0.1:1/"), "HTTP Error 302"),
        (answering(status=302, location="file:///etc/passwd"), "HTTP Error 302"),
    ],
)
def test_what_is_not_a_timestamp_is_not_taken(answer: type[BaseHTTPRequestHandler], reason: str) -> None:
    with serving(answer) as address, pytest.raises(TimestampError, match=reason):
        fetch_timestamp(address, LINE)


def test_an_authority_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        with pytest.raises(TimestampError, match="timed out"):
            fetch_timestamp(address, LINE, timeout_s=0.2)
        assert time.monotonic() - began < 5
    with pytest.raises(TimestampError, match="cannot be asked"):
        fetch_timestamp(address, LINE, timeout_s=0.2)


def test_an_answer_that_trickles_is_given_up() -> None:
    class Trickle(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"0")
                    time.sleep(0.02)
            except OSError:
                pass

        def log_message(self, *_: object) -> None:
            pass

    with serving(Trickle) as address, pytest.raises(TimestampError, match="took too long"):
        fetch_timestamp(address, LINE, timeout_s=0.3)


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/", "127.0.0.1", "http://", "http://[::"])
def test_only_http_is_spoken(address: str) -> None:
    with pytest.raises(TimestampError):
        fetch_timestamp(address, LINE)


def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    with pytest.raises(RecordError, match=f"{path}: .*No such file"):
        load_roots(path)
    path.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(RecordError, match="no certificate in PEM"):
        load_roots(path)


def stamped(folder: Path, key: SigningKey, url: str) -> SampleRecord:
    made = begin_record(folder, key, seconds=2)
    line = made.head(2_000_000)
    made.timestamp(2_100_000, fetch_timestamp(url, line))
    made.close(2_200_000)
    return made


def test_a_record_with_a_timestamp_is_verified_offline(
    authority: Authority, other: Authority, url: str, tmp_path: Path
) -> None:
    key, folder = SigningKey.generate(), tmp_path / "record"
    stamped(folder, key, url)
    verdict = verify_record(folder, key.public, tsa_roots=load_roots(authority.ca))
    assert verdict.outcome is Outcome.INTACT
    assert verdict.timestamps[0].file == "timestamps/0001.tsr"
    assert verdict.timestamps[0].time is not None
    assert verify_record(folder, key.public).timestamps[0].time is None
    verdict = verify_record(folder, key.public, tsa_roots=load_roots(other.ca))
    assert (verdict.outcome, verdict.file) == (Outcome.ALTERED, "timestamps/0001.tsr")
    assert "proves nothing" in verdict.problem


def test_without_the_package_it_is_said_what_to_install_and_nothing_is_called_altered(
    authority: Authority, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, folder = SigningKey.generate(), tmp_path / "record"
    stamped(folder, key, url)
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(TimestampError, match=r"pip install 'sfu-media\[timestamps\]'"):
        build_request(LINE)
    with pytest.raises(RecordError, match=r"pip install 'sfu-media\[timestamps\]'"):
        verify_record(folder, key.public, tsa_roots=load_roots(authority.ca))
    assert verify_record(folder, key.public).outcome is Outcome.INTACT
