"""Has heads and manifests signed by another process, which alone has the private key: `sfu sign`.

One question for each connection over a Unix socket: four bytes of length (big-endian), then what is to be signed; a
length of zero asks for the public key. The answer is a length, too, then `+` and the signature or the public key in
PEM, or `-` and a reason in UTF-8.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final

from sfu.recording.errors import RecordError
from sfu.recording.signing import MAX_PEM_BYTES, SIGNATURE_BYTES, PublicKey, parse_public_key

LENGTH: Final = struct.Struct("!I")
GOOD, BAD = b"+", b"-"
TIMEOUT_S: Final = 2.0
"""Seconds for each step of a question; the caller waits no longer, since media wait for the answer."""


class SignerError(RecordError):
    """The signer did not sign. What it was to sign is as it was, and may be given to it again."""


class RemoteSigner:
    """Signs as a SigningKey does, by asking. Every signature is checked with the key that was told at the start."""

    def __init__(self, path: Path | str, public: PublicKey) -> None:
        self.path = Path(path)
        self.public = public

    @classmethod
    def connect(cls, path: Path | str) -> RemoteSigner:
        """Ask for the public key; SignerError when nobody answers."""
        path = Path(path)
        answer = _ask(path, b"")
        try:
            return cls(path, parse_public_key(answer))
        except ValueError as error:
            raise SignerError(path, f"the signer told no public key: {error}") from error

    @property
    def key_id(self) -> str:
        """SHA-256 of the DER SubjectPublicKeyInfo, in hex."""
        return self.public.key_id

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature. Raises SignerError if there is none, after some seconds at most."""
        signature = _ask(self.path, data)
        if len(signature) != SIGNATURE_BYTES or not self.public.verify(data, signature):
            raise SignerError(self.path, f"what the signer answered is not a signature of the key {self.key_id}")
        return signature


def _ask(path: Path, data: bytes) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(str(path))
            connection.sendall(LENGTH.pack(len(data)) + data)
            (size,) = LENGTH.unpack(_read(connection, LENGTH.size))
            if not 1 <= size <= MAX_PEM_BYTES:
                raise SignerError(path, "this is no signer of records")
            answer = _read(connection, size)
    except (OSError, EOFError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SignerError(path, f"the signer does not answer: {reason}; is `sfu sign` running?") from error
    if answer[:1] != GOOD:
        raise SignerError(path, f"the signer refuses: {answer[1:].decode('utf-8', 'replace')[:200]}")
    return answer[1:]


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = connection.recv(size - len(data))
        if not chunk:
            raise EOFError("it hung up")
        data += chunk
    return data
