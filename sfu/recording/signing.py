"""The Ed25519 key (RFC 8032) that signs records, and what exactly it signs.

The private key stands in a PEM file of its own (PKCS #8, not encrypted, as `openssl genpkey -algorithm ed25519` makes
it), readable by its owner. The key's id is the SHA-256 of its DER SubjectPublicKeyInfo (RFC 8410):
`openssl pkey -pubin -in public-key.pem -outform DER | sha256sum`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import stat
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sfu.errors import ArgumentError
from sfu.recording.errors import RecordError
from sfu.recording.folder import sync_folder

SIGNATURE_BYTES = 64
MAX_PEM_BYTES = 65_536
_log = logging.getLogger("sfu.recording")


class PublicKey:
    """Checks signatures."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        encoding, form = serialization.Encoding, serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = key.public_bytes(encoding.PEM, form)
        """Byte for byte as `openssl pkey -pubout` writes it."""
        self.key_id = hashlib.sha256(key.public_bytes(encoding.DER, form)).hexdigest()
        """SHA-256 of the DER SubjectPublicKeyInfo, in hex."""

    def verify(self, data: bytes, signature: bytes) -> bool:
        """Whether this key signed the data."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Signer(Protocol):
    """What signs: a SigningKey, or another process that has one (RemoteSigner)."""

    @property
    def public(self) -> PublicKey:
        """The public key that checks its signatures."""
        ...

    @property
    def key_id(self) -> str:
        """The key's id."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the signature; raises RecordError if there is none."""
        ...


class SigningKey:
    """Signs heads and manifests."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = PublicKey(key.public_key())

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new key, which is not stored yet."""
        return cls(Ed25519PrivateKey.generate())

    @property
    def public(self) -> PublicKey:
        """The public half of the key."""
        return self._public

    @property
    def key_id(self) -> str:
        """SHA-256 of the DER SubjectPublicKeyInfo, in hex."""
        return self._public.key_id

    @property
    def private_pem(self) -> bytes:
        """The contents of the key's file."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of the signature; the same for the same data."""
        return self._key.sign(data)


def build_head_statement(record: str, n: int, t_us: int, utc: str, prev: str) -> bytes:
    """Return what the signature of the `head` line `n` signs: the ledger before it, and the times that it states."""
    return f"sfu-record-head-v1\n{record}\n{n}\n{t_us}\n{utc}\n{prev}\n".encode("ascii")


def load_signing_key(path: Path | str) -> SigningKey:
    """Read a private key. RecordError names the file and says what to do about it.

    A file that others may read, or a group may write, is refused: whoever has the key can forge records. One that its
    group may read is taken, with a warning, since services are given their secrets that way.
    """
    path = Path(path)
    data, mode = _read_pem(path)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise RecordError(path, f"others may use this private key (mode {mode:04o}); run: chmod 600 {path}")
    if mode & stat.S_IRGRP:
        _log.warning("the group may read the private key that signs records", extra={"path": str(path)})
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except TypeError as error:
        raise RecordError(path, "the private key is encrypted; give one without a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RecordError(path, "there is no private key in PEM in this file") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise RecordError(path, f"the private key must be Ed25519; this one is {_name_type(key)}")
    return SigningKey(key)


def load_or_create_signing_key(path: Path | str) -> tuple[SigningKey, bool]:
    """Read a private key, or create one where there is none; True if it was created, which somebody should be told.

    It is made whole or not at all, readable by its owner only, and never in place of another. Its folder must be there.
    """
    path = Path(path)
    if path.is_symlink() or path.exists():
        return load_signing_key(path), False
    key = SigningKey.generate()
    made = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(key.private_pem)
                file.flush()
                os.fsync(descriptor)
            os.link(made, path)
        finally:
            made.unlink()
    except FileExistsError:  # somebody else was first
        return load_signing_key(path), False
    except OSError as error:
        raise RecordError(path, f"the private key cannot be made: {error.strerror}") from error
    sync_folder(path.parent)
    return key, True


def load_public_key(path: Path | str) -> PublicKey:
    """Read a public key in PEM; RecordError names the file and says what is wrong with it."""
    path = Path(path)
    data, _ = _read_pem(path)
    try:
        return parse_public_key(data)
    except ValueError as error:
        raise RecordError(path, str(error)) from error


def parse_public_key(pem: bytes) -> PublicKey:
    """Return the key in a PEM; ArgumentError when there is none, or none of Ed25519."""
    if b"PRIVATE KEY" in pem:
        raise ArgumentError("this is a private key; give the public one (openssl pkey -pubout)")
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ArgumentError("there is no public key in PEM in this file") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ArgumentError(f"the public key must be Ed25519; this one is {_name_type(key)}")
    return PublicKey(key)


def _read_pem(path: Path) -> tuple[bytes, int]:
    """The bytes and the permission bits of a small file."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            return file.read(MAX_PEM_BYTES), stat.S_IMODE(mode)
    except OSError as error:
        raise RecordError(path, f"the key cannot be read: {error.strerror}") from error


def _name_type(key: object) -> str:
    return type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey").strip("_")
