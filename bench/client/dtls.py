"""The DTLS side of a simulated browser: pyOpenSSL over memory, always the client (RFC 5764)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from bench.errors import BenchError
from bench.links import GCM_128, MediaKeys, key_length

_MTU = 1200
_OPENSSL_NAMES = {GCM_128: b"SRTP_AEAD_AES_128_GCM", "AES128_CM_HMAC_SHA1_80": b"SRTP_AES128_CM_SHA1_80"}
_PROFILES = {name: profile for profile, name in _OPENSSL_NAMES.items()}


class DtlsError(BenchError):
    """The server did not complete the handshake as it must."""


@dataclass(frozen=True)
class ClientIdentity:
    """One certificate and context that all simulated clients share."""

    context: SSL.Context
    fingerprint: str  # sha-256, upper-case hex with colons

    @classmethod
    def generate(cls, profile: str = GCM_128) -> ClientIdentity:
        """A fresh P-256 certificate; only `profile` is offered, so it is that one or a failure."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .sign(key, hashes.SHA256())
        )
        context = SSL.Context(SSL.DTLS_METHOD)
        context.use_privatekey(key)
        context.use_certificate(certificate)
        context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256")
        context.set_tlsext_use_srtp(_OPENSSL_NAMES[profile])
        # The certificate is checked against the SDP fingerprint after the handshake.
        context.set_verify(SSL.VERIFY_PEER, lambda *_arguments: True)
        return cls(context, certificate.fingerprint(hashes.SHA256()).hex(":").upper())


def split_flight(flight: bytes) -> list[bytes]:
    """Cut a run of DTLS records into datagrams of at most 1200 bytes (RFC 6347 section 4.1.1)."""
    datagrams: list[bytes] = []
    current = b""
    at = 0
    while at + 13 <= len(flight):
        end = at + 13 + int.from_bytes(flight[at + 11 : at + 13], "big")
        if current and len(current) + end - at > _MTU:
            datagrams.append(current)
            current = b""
        current += flight[at:end]
        at = end
    if current:
        datagrams.append(current)
    return datagrams


class DtlsClient:
    """One handshake, without IO: datagrams in, datagrams out, keys at the end."""

    def __init__(self, identity: ClientIdentity, remote_fingerprint: str) -> None:
        self._remote_fingerprint = remote_fingerprint.upper()
        self._connection = SSL.Connection(identity.context, None)
        self._connection.set_connect_state()
        self._connection.set_ciphertext_mtu(_MTU)
        self._first_flight: list[bytes] = []
        self.keys: MediaKeys | None = None

    def start(self) -> list[bytes]:
        """The first flight."""
        self._first_flight = self._advance()
        return self._first_flight

    def handle_datagram(self, data: bytes) -> list[bytes]:
        """Feed one datagram; what to send back."""
        self._first_flight = []
        self._connection.bio_write(data)
        return self._advance()

    def handle_timeout(self) -> list[bytes]:
        """Retransmit if OpenSSL's own timer says so, or at once while the server has not answered at all.

        OpenSSL waits a second, browsers 50 ms; Janus drops a ClientHello that comes before its own check
        of the path has succeeded, so it would be charged a second a join for our library's timer.
        """
        if self._first_flight:
            return self._first_flight
        self._connection.DTLSv1_handle_timeout()
        return self._outgoing()

    def _advance(self) -> list[bytes]:
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            raise DtlsError(f"the server failed the DTLS handshake: {error}") from error
        else:
            if self.keys is None:
                self.keys = self._derive_keys()
        return self._outgoing()

    def _outgoing(self) -> list[bytes]:
        try:
            return split_flight(self._connection.bio_read(65536))
        except SSL.WantReadError:
            return []

    def _derive_keys(self) -> MediaKeys:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        if certificate is None or certificate.fingerprint(hashes.SHA256()).hex(":").upper() != self._remote_fingerprint:
            raise DtlsError("the server's certificate is not the one its SDP names")
        profile = _PROFILES.get(self._connection.get_selected_srtp_profile())
        if profile is None:
            raise DtlsError("the server chose no SRTP profile that was offered")
        length = key_length(profile)
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * length)
        key = length - (12 if profile == GCM_128 else 14)
        salt = length - key
        # RFC 5764 section 4.2: client key, server key, client salt, server salt.
        local = material[:key] + material[2 * key : 2 * key + salt]
        remote = material[key : 2 * key] + material[2 * key + salt :]
        return MediaKeys(profile, local, remote)
