"""Who we are to peers, and who they are to us: certificates and their fingerprints (RFC 8122, RFC 8827 section 6.5)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from sfu.transport.srtp import SrtpProfile

DIGESTS = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
"""The hash functions of RFC 8122 section 5 that fingerprints may use here, with OpenSSL's names."""

_DTLS1_2_VERSION = 0xFEFD
_CIPHERS = b":".join(
    (
        b"ECDHE-ECDSA-AES128-GCM-SHA256",
        b"ECDHE-ECDSA-AES256-GCM-SHA384",
        b"ECDHE-ECDSA-CHACHA20-POLY1305",
        # Of use only to us as the client, of a server whose certificate is RSA: ours is ECDSA.
        b"ECDHE-RSA-AES128-GCM-SHA256",
        b"ECDHE-RSA-AES256-GCM-SHA384",
        b"ECDHE-RSA-CHACHA20-POLY1305",
        # For old peers. Nothing but Finished and alerts is ever encrypted with them: media have keys of their own.
        b"ECDHE-ECDSA-AES128-SHA256",
        b"ECDHE-ECDSA-AES256-SHA384",
        b"ECDHE-ECDSA-AES128-SHA",
        b"ECDHE-ECDSA-AES256-SHA",
        b"ECDHE-RSA-AES128-SHA256",
        b"ECDHE-RSA-AES128-SHA",
        b"ECDHE-RSA-AES256-SHA",
    )
)
"""Cipher suites, best first. RFC 8827 section 6.5 requires the first one, and forward secrecy of all."""

_VALIDITY = datetime.timedelta(days=3650)
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})*")


@dataclass(frozen=True)
class Fingerprint:
    """A certificate's digest, as SDP tells it (RFC 8122 section 5)."""

    algorithm: str
    """Name of the hash function in lower case, such as `sha-256`."""
    value: str
    """Upper-case hexadecimal octets separated by colons."""

    @classmethod
    def parse(cls, algorithm: str, value: str) -> Fingerprint | None:
        """Parse the two parts of an `a=fingerprint` line; None for one that can match nothing."""
        algorithm, value = algorithm.lower(), value.upper()
        if algorithm not in DIGESTS or not _FINGERPRINT.fullmatch(value):
            return None
        return cls(algorithm, value)

    def matches(self, certificate: crypto.X509) -> bool:
        """Whether this is the digest of `certificate`."""
        return certificate.digest(DIGESTS[self.algorithm]).decode("ascii") == self.value


class Identity:
    """The server's key and self-signed certificate, ECDSA on P-256 (RFC 8827 section 6.5)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate
        self._contexts: dict[tuple[SrtpProfile, ...], SSL.Context] = {}
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        """The certificate's sha-256 digest as it stands in SDP."""

    @classmethod
    def generate(cls, now_utc: datetime.datetime) -> Identity:
        """Make a new key, and a certificate valid for ten years around `now_utc`.

        Peers check the fingerprint, not the dates (RFC 8122 section 6.2).
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "WebRTC")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now_utc - datetime.timedelta(days=1))
            .not_valid_after(now_utc + _VALIDITY)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def context(self, profiles: Sequence[SrtpProfile]) -> SSL.Context:
        """OpenSSL's settings for this identity and these SRTP profiles, best first, in both roles; built once."""
        wanted = tuple(profiles)
        if not wanted or len(set(wanted)) != len(wanted):
            raise ValueError("give one or more SRTP profiles, each once")
        context = self._contexts.get(wanted)
        if context is None:
            context = self._contexts[wanted] = self._build_context(wanted)
        return context

    def _build_context(self, profiles: tuple[SrtpProfile, ...]) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_min_proto_version(_DTLS1_2_VERSION)
        context.set_max_proto_version(_DTLS1_2_VERSION)
        context.set_options(
            SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_QUERY_MTU | SSL.OP_CIPHER_SERVER_PREFERENCE
        )
        # A server that does not know RFC 5746 is taken too: it could splice a handshake of a stranger's before ours,
        # but not data, since none is taken, nor keys, since they come of our own handshake.
        context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
        # An idle connection keeps no write buffers: 10 kB less for each.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        context.set_cipher_list(_CIPHERS)
        context.use_certificate(self._certificate)
        context.use_privatekey(self._key)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _accept_certificate)
        context.set_tlsext_use_srtp(b":".join(profile.openssl_name for profile in profiles))
        return context


def _accept_certificate(connection: SSL.Connection, cert: crypto.X509, number: int, depth: int, ok: int) -> bool:
    # Peers sign their own certificates; the handshake proves the key, and the fingerprint in SDP whose it is.
    return True
