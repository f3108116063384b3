from __future__ import annotations

import hashlib
import logging
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from sfu.recording.errors import RecordError
from sfu.recording.signing import (
    SIGNATURE_BYTES,
    SigningKey,
    load_or_create_signing_key,
    load_public_key,
    load_signing_key,
)


def pkcs8(key: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, passphrase: bytes = b"") -> bytes:
    protection: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        protection = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def private_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "key.pem"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def openssl(*arguments: str | Path) -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=30).stdout


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made, new = load_or_create_signing_key(path)
    assert new
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again, new = load_or_create_signing_key(path)
    assert not new
    assert again.key_id == made.key_id
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_of_openssl_is_taken_and_openssl_agrees_on_its_id_and_signature(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    openssl("genpkey", "-algorithm", "ed25519", "-out", path)
    key = load_signing_key(path)
    public = tmp_path / "public.pem"
    public.write_bytes(key.public.pem)
    assert openssl("pkey", "-in", path, "-pubout") == key.public.pem
    der = openssl("pkey", "-pubin", "-in", public, "-outform", "DER")
    assert hashlib.sha256(der).hexdigest() == key.key_id == load_public_key(public).key_id
    (tmp_path / "data").write_bytes(b"said")
    signature = key.sign(b"said")
    assert len(signature) == SIGNATURE_BYTES
    (tmp_path / "sig").write_bytes(signature)
    check = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", tmp_path / "data"]
    assert b"Success" in openssl(*check, "-sigfile", tmp_path / "sig")


def test_only_the_same_data_signature_and_key_verify() -> None:
    key = SigningKey.generate()
    signature = key.sign(b"said")
    assert key.public.verify(b"said", signature)
    assert not key.public.verify(b"Said", signature)
    assert not key.public.verify(b"said", signature[:-1])
    assert not key.public.verify(b"said", b"")
    assert not SigningKey.generate().public.verify(b"said", signature)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lambda: pkcs8(ed25519.Ed25519PrivateKey.generate(), b"secret"), "is encrypted"),
        (lambda: pkcs8(rsa.generate_private_key(65537, 2048)), "must be Ed25519; this one is RSA"),
        (lambda: SigningKey.generate().public.pem, "no private key in PEM"),
        (lambda: b"", "no private key in PEM"),
        (lambda: bytes(range(256)) * 1000, "no private key in PEM"),
    ],
)
def test_a_file_that_holds_no_usable_key_is_named(tmp_path: Path, content: Callable[[], bytes], reason: str) -> None:
    path = private_file(tmp_path, content())
    with pytest.raises(RecordError, match=reason) as caught:
        load_or_create_signing_key(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644])
def test_a_key_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = private_file(tmp_path, SigningKey.generate().private_pem, mode)
    with pytest.raises(RecordError, match=f"chmod 600 {path}"):
        load_signing_key(path)


def test_a_key_that_its_group_may_read_is_taken_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = SigningKey.generate()
    with caplog.at_level(logging.WARNING, "sfu.recording"):
        assert load_signing_key(private_file(tmp_path, key.private_pem, 0o600)).key_id == key.key_id
        assert not caplog.records
        assert load_signing_key(private_file(tmp_path, key.private_pem, 0o440)).key_id == key.key_id
    assert "the group may read" in caplog.text


def test_a_key_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    for load in (load_signing_key, load_public_key):
        with pytest.raises(RecordError, match=r"missing\.pem.*No such file"):
            load(tmp_path / "missing.pem")
        with pytest.raises(RecordError, match="Is a directory"):
            load(tmp_path)
    with pytest.raises(RecordError, match="cannot be made: No such file"):
        load_or_create_signing_key(tmp_path / "no" / "key.pem")
    dangling = tmp_path / "link.pem"
    dangling.symlink_to(tmp_path / "missing.pem")
    with pytest.raises(RecordError, match="No such file"):
        load_or_create_signing_key(dangling)
    assert not (tmp_path / "missing.pem").exists()


def test_a_public_key_that_is_none_is_named(tmp_path: Path) -> None:
    wrong = {
        "private": SigningKey.generate().private_pem,
        "public key in PEM": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "must be Ed25519": rsa.generate_private_key(65537, 2048)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    }
    for reason, content in wrong.items():
        with pytest.raises(RecordError, match=reason):
            load_public_key(private_file(tmp_path, content))
