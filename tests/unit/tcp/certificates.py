"""Certificates of the tests' own, which sign themselves."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


def make_certificate(
    folder: Path,
    name: str = "localhost",
    addresses: tuple[str, ...] = ("127.0.0.1",),
    *,
    begins: datetime.timedelta = -DAY,
    ends: datetime.timedelta = DAY,
    issuer: str = "",
    others: tuple[str, ...] = (),
) -> tuple[Path, Path]:
    """Files of a chain and its key, for a name, `others` and IP addresses, good from `begins` to `ends` from now. With
    an `issuer` it is signed by an authority of that name, which stands nowhere.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signs = ec.generate_private_key(ec.SECP256R1()) if issuer else key
    names = [*map(x509.DNSName, (name, *others)), *(x509.IPAddress(ipaddress.ip_address(each)) for each in addresses)]
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True)
        .sign(signs, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
