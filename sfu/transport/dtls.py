"""DTLS 1.2 as the server, for the keys of SRTP (RFC 6347, RFC 5764), around OpenSSL with memory buffers."""

from __future__ import annotations

import datetime
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from sfu.transport.srtp import SrtpKeys, SrtpProfile

MAX_DATAGRAM_LENGTH = 1200
"""Octets of UDP payload that we put handshake records into: fits any path that carries WebRTC."""

RETRANSMIT_INITIAL = 0.25
"""Seconds until an unanswered flight is sent again, doubled each time.

RFC 6347 section 4.2.4.1 allows less than 1 s for those whom delay hurts.
"""

RETRANSMIT_MAX = 4.0
"""Seconds between retransmissions at most."""

DIGESTS = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
"""The hash functions of RFC 8122 section 5 that fingerprints may use here, with OpenSSL's names."""

_DTLS1_2_VERSION = 0xFEFD
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305"
_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"
_RECORD_HEADER_LENGTH = 13
_READ_SIZE = 4096
_VALIDITY = datetime.timedelta(days=3650)
_FINGERPRINT = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})*")


@dataclass(frozen=True)
class Fingerprint:
    """A certificate's digest, as SDP tells it (RFC 8122 section 5)."""

    algorithm: str
    """In lower case, such as `sha-256`."""
    value: str
    """Upper-case hexadecimal octets with colons between."""

    @classmethod
    def parse(cls, algorithm: str, value: str) -> Fingerprint | None:
        """From the two parts of an `a=fingerprint` line; None when it is one that can match nothing."""
        algorithm, value = algorithm.lower(), value.upper()
        if algorithm not in DIGESTS or not _FINGERPRINT.fullmatch(value):
            return None
        return cls(algorithm, value)

    def matches(self, certificate: crypto.X509) -> bool:
        """Whether it is the digest of `certificate`."""
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
        """A new key and a certificate valid for ten years around `now_utc`.

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
        """OpenSSL's settings for this identity and these SRTP profiles, best first; built once."""
        wanted = tuple(profiles)
        if not wanted or len(set(wanted)) != len(wanted):
            raise ValueError("give one or more SRTP profiles, each once")
        context = self._contexts.get(wanted)
        if context is None:
            context = self._contexts[wanted] = self._build_context(wanted)
        return context

    def _build_context(self, profiles: tuple[SrtpProfile, ...]) -> SSL.Context:
        context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        context.set_min_proto_version(_DTLS1_2_VERSION)
        context.set_max_proto_version(_DTLS1_2_VERSION)
        context.set_options(
            SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_QUERY_MTU | SSL.OP_CIPHER_SERVER_PREFERENCE
        )
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


class DtlsState(enum.Enum):
    """How far a connection got."""

    HANDSHAKE = enum.auto()
    ESTABLISHED = enum.auto()
    CLOSED = enum.auto()
    """Either side closed it in order."""
    FAILED = enum.auto()


class DtlsServer:
    """The server's half of one DTLS connection; sans-IO.

    A lost flight is sent again in two ways. Our own timer is quick and knows only the caller's time, but the
    records that it repeats are the same octets. When OpenSSL's timer, one second and more, has run out by the
    machine's clock, they become new records, as RFC 6347 section 4.2.2 wants: a peer that got a record but
    could not use it yet takes it for a replay when it comes again.

    Args:
        context: of `Identity.context`.
    """

    def __init__(self, context: SSL.Context) -> None:
        self.state = DtlsState.HANDSHAKE
        self.error = ""
        """Why it failed, in OpenSSL's words."""
        self.application_records = 0
        """Records of application data that were thrown away: nothing is carried over DTLS yet."""
        self._context = context
        self._connection: SSL.Connection | None = None
        self._output: list[bytes] = []
        self._flight: list[bytes] = []
        self._deadline: float | None = None
        self._interval = RETRANSMIT_INITIAL

    def handle_datagram(self, data: bytes, now: float) -> None:
        """Take what the peer sent; OpenSSL drops invalid records (RFC 6347 section 4.1.2.7)."""
        if self.state in (DtlsState.CLOSED, DtlsState.FAILED):
            return
        connection = self._connection
        if connection is None:
            connection = self._connection = SSL.Connection(self._context, None)
            connection.set_ciphertext_mtu(MAX_DATAGRAM_LENGTH)
            connection.set_accept_state()
        try:
            connection.bio_write(data)
            if self.state is DtlsState.HANDSHAKE:
                connection.do_handshake()
                self.state = DtlsState.ESTABLISHED
                self._deadline = None
            # Also answers a repeated Finished with our last flight, and finds alerts.
            while connection.recv(_READ_SIZE):
                self.application_records += 1
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.Error as error:
            self._fail(error)
        if self._collect(connection) and self._deadline is None and self.state is DtlsState.HANDSHAKE:
            self._interval = RETRANSMIT_INITIAL
            self._deadline = now + self._interval

    def handle_timeout(self, now: float) -> None:
        """Send an unanswered flight again when it is time."""
        if self._deadline is None or now < self._deadline or self._connection is None:
            return
        self._interval = min(2 * self._interval, RETRANSMIT_MAX)
        self._deadline = now + self._interval
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(error)
        if not self._collect(self._connection) and self.state is DtlsState.HANDSHAKE:
            self._output.extend(self._flight)

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` has something to do, in the caller's seconds."""
        return self._deadline

    def take_output(self) -> list[bytes]:
        """Datagrams to send, of at most `MAX_DATAGRAM_LENGTH` octets each."""
        output, self._output = self._output, []
        return output

    def close(self) -> None:
        """Say close_notify, if there is a connection to close (RFC 5246 section 7.2.1)."""
        if self.state is DtlsState.ESTABLISHED and self._connection is not None:
            try:
                self._connection.shutdown()
            except SSL.Error as error:
                self._fail(error)
            self._collect(self._connection)
        if self.state is not DtlsState.FAILED:
            self.state = DtlsState.CLOSED
        self._deadline = None
        self._connection = None

    def peer_matches(self, fingerprints: Sequence[Fingerprint]) -> bool:
        """Whether the peer's certificate has any of these fingerprints (RFC 8122 section 6.2)."""
        certificate = None if self._connection is None else self._connection.get_peer_certificate()
        return certificate is not None and any(expected.matches(certificate) for expected in fingerprints)

    def export_keys(self) -> SrtpKeys | None:
        """The SRTP keys (RFC 5764 section 4.2), once established; None when no profile was agreed on."""
        if self._connection is None:
            return None
        name = self._connection.get_selected_srtp_profile()
        profile = next((known for known in SrtpProfile if known.openssl_name == name), None)
        if profile is None:
            return None
        key, salt = profile.key_length, profile.salt_length
        material = self._connection.export_keying_material(_EXPORTER_LABEL, 2 * (key + salt))
        # Client's key, server's key, client's salt, server's salt; we are the server.
        remote = material[:key] + material[2 * key : 2 * key + salt]
        local = material[key : 2 * key] + material[2 * key + salt :]
        return SrtpKeys(profile, local, remote)

    def _collect(self, connection: SSL.Connection) -> bool:
        """Take OpenSSL's output, if any; a flight of the handshake is kept to be sent again."""
        pending: list[bytes] = []
        try:
            while True:
                pending.append(connection.bio_read(_READ_SIZE))
        except SSL.WantReadError:
            pass
        if not pending:
            return False
        datagrams = _split_records(b"".join(pending))
        self._output.extend(datagrams)
        self._flight = datagrams if self.state is DtlsState.HANDSHAKE else []
        return True

    def _fail(self, error: SSL.Error) -> None:
        self.state = DtlsState.FAILED
        self._deadline = None
        # OpenSSL's errors are (library, function, reason); a bare one has no reason to give.
        reasons = error.args[0] if error.args else ()
        if isinstance(reasons, list) and reasons:
            self.error = str(reasons[-1][-1])
        else:
            self.error = ": ".join(str(part) for part in error.args) or type(error).__name__


def _split_records(data: bytes) -> list[bytes]:
    """Datagrams of whole records, each as full as `MAX_DATAGRAM_LENGTH` allows (RFC 6347 section 4.1.1)."""
    datagrams = []
    start = position = 0
    while position < len(data):
        length = int.from_bytes(data[position + 11 : position + _RECORD_HEADER_LENGTH])
        stop = position + _RECORD_HEADER_LENGTH + length
        if stop - start > MAX_DATAGRAM_LENGTH and position > start:
            datagrams.append(data[start:position])
            start = position
        position = stop
    datagrams.append(data[start:])
    return datagrams
