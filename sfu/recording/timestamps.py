"""Timestamps by an authority (RFC 3161): proof from outside that a signed head existed at a time.

What is stamped is the SHA-256 of a whole `head` line, its signature included. So a key that is stolen later signs no
record of before. Needs the extra `timestamps` (package rfc3161-client); records without them need nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from cryptography import x509

from sfu.errors import LocalError
from sfu.recording.entries import format_utc
from sfu.recording.errors import RecordError
from sfu.recording.findings import Fault, Stamp
from sfu.recording.folder import Folder

MAX_RESPONSE_BYTES: Final = 65_536
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_MAX_ROOTS_BYTES: Final = 1 << 20

Roots = Sequence[x509.Certificate]
"""Trusted certificates: of an authority's root, or of the authority itself."""


class TimestampError(LocalError):
    """There is no timestamp: the authority could not be reached, refused, or answered with something else."""


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """A request to an authority."""

    body: bytes
    """DER encoding of the TimeStampReq."""
    digest: bytes
    """SHA-256 of the line to be stamped."""
    nonce: int


@dataclass(frozen=True, slots=True)
class CheckedStamp:
    """A timestamp of a record; `time` is None if no trusted authority was named."""

    file: str
    line: int
    """Number, from 1, of the ledger's line that names it."""
    time: datetime.datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"file": self.file, "line": self.line, "time": format_utc(self.time) if self.time else None}


def build_request(head_line: bytes) -> TimestampRequest:
    """Return the request for a whole line of a ledger, with a random nonce, asking for the authority's certificates."""
    client = _load_client()
    request = client.TimestampRequestBuilder().data(head_line).hash_algorithm(client.HashAlgorithm.SHA256).build()
    return TimestampRequest(request.as_bytes(), hashlib.sha256(head_line).digest(), request.nonce)


def check_response(request: TimestampRequest, response: bytes) -> datetime.datetime:
    """Return the time in an answer to a request; TimestampError when it is no answer to it.

    Whether the authority is to be believed is not asked here: see `verify_timestamp`.
    """
    info = _decode(response).tst_info
    _check_imprint(info, request.digest)
    if info.nonce != request.nonce:
        raise TimestampError("the authority answered another request (its nonce differs)")
    return _time_of(info)


def verify_timestamp(response: bytes, head: str, roots: Roots) -> datetime.datetime:
    """Return the time that an authority states for a head; TimestampError when no root vouches for it.

    Certificates must have been good at that time, not now. Each root may be the authority's own certificate.
    """
    client = _load_client()
    decoded = _decode(response)
    builder = client.VerifierBuilder(roots=list(roots))
    try:
        _check_imprint(decoded.tst_info, bytes.fromhex(head))
        builder.build().verify(decoded, bytes.fromhex(head))
    except (client.VerificationError, ValueError) as error:
        raise TimestampError(f"no given certificate vouches for it: {error}") from error
    return _time_of(decoded.tst_info)


def fetch_timestamp(url: str, head_line: bytes, timeout_s: float = 10.0) -> bytes:
    """Ask the authority at a URL (http or https) to stamp a line of a ledger; return its checked response.

    Blocks for `timeout_s` at most, or a little longer: call it in a thread. Follows no redirects. TimestampError when
    there is no timestamp.
    """
    if not url.startswith(("http://", "https://")):
        raise TimestampError(f"{url}: the address of an authority begins with http:// or https://")
    request = build_request(head_line)
    deadline = time.monotonic() + timeout_s
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        message = urllib.request.Request(url, data=request.body, headers=headers, method="POST")
        with _opener().open(message, timeout=timeout_s) as answer:
            response = _read_answer(answer, deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:  # URLError is an OSError
        raise TimestampError(f"{url}: the authority cannot be asked: {error}") from error
    try:
        check_response(request, response)
    except TimestampError as error:
        raise TimestampError(f"{url}: {error}") from error
    return response


def load_roots(path: Path | str) -> Roots:
    """Read certificates in PEM; RecordError names the file and says what is wrong with it."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_ROOTS_BYTES)
    except OSError as error:
        raise RecordError(path, f"the certificates cannot be read: {error.strerror}") from error
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise RecordError(path, "there is no certificate in PEM in this file") from error


def check_stamps(folder: Folder, stamps: Sequence[Stamp], roots: Roots | None) -> tuple[CheckedStamp, ...]:
    """Check the timestamps of a record whose files were compared with its ledger; Fault at the first that is wrong.

    RecordError when they cannot be checked for lack of the package.
    """
    if stamps and roots is not None:
        try:
            _load_client()
        except TimestampError as error:
            raise RecordError(folder.path, str(error)) from error
    checked = []
    for stamp in stamps:
        time_stated = None
        if roots is not None:
            response = folder.read(stamp.file, MAX_RESPONSE_BYTES)
            try:
                time_stated = verify_timestamp(response, stamp.head, roots)
            except TimestampError as error:
                raise Fault(stamp.file, f"this timestamp proves nothing: {error}", line=stamp.line) from error
        checked.append(CheckedStamp(stamp.file, stamp.line, time_stated))
    return tuple(checked)


def _load_client() -> ModuleType:
    try:
        import rfc3161_client
    except ImportError as error:
        detail = "timestamps need the package rfc3161-client: pip install 'sfu-media[timestamps]'"
        raise TimestampError(detail) from error
    return rfc3161_client


def _decode(response: bytes) -> Any:
    client = _load_client()
    try:
        decoded = client.decode_timestamp_response(response)
    except ValueError as error:
        raise TimestampError(f"the authority's answer is not a timestamp response ({error})") from error
    if decoded.status != client.PKIStatus.GRANTED:
        said = "; ".join(decoded.status_string)
        raise TimestampError(f"the authority refused (status {decoded.status}{': ' if said else ''}{said})")
    return decoded


def _check_imprint(info: Any, digest: bytes) -> None:
    imprint = info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256 or imprint.message != digest:
        raise TimestampError("it is a timestamp of something else")


def _time_of(info: Any) -> datetime.datetime:
    stated: datetime.datetime = info.gen_time
    return stated if stated.tzinfo is not None else stated.replace(tzinfo=datetime.UTC)


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener for HTTP and nothing else: no files, no redirects."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _read_answer(answer: Any, deadline: float) -> bytes:
    """Read an answer piece by piece, so that the time limit also ends one that trickles."""
    parts: list[bytes] = []
    size = 0
    while piece := answer.read1(8192):
        size += len(piece)
        if size > MAX_RESPONSE_BYTES:
            raise TimestampError(f"the authority's answer is longer than {MAX_RESPONSE_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimestampError("the authority's answer took too long")
        parts.append(piece)
    return b"".join(parts)
