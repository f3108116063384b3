"""DTLS 1.2 in both roles, for the keys of SRTP (RFC 6347, RFC 5764) and what data channels carry (RFC 8261), around
OpenSSL with memory buffers.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

from OpenSSL import SSL

from sfu.transport.identity import Fingerprint
from sfu.transport.srtp import SrtpKeys, SrtpProfile

MAX_DATAGRAM_LENGTH = 1200
"""Largest UDP payload, in octets, that carries handshake records: it fits any path that carries WebRTC."""

RETRANSMIT_INITIAL = 0.25
"""Seconds until an unanswered flight is sent again; the wait doubles each time.

RFC 6347 section 4.2.4.1 allows less than 1 s for those whom delay hurts.
"""

RETRANSMIT_MAX = 4.0
"""Longest wait between retransmissions, in seconds."""

_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"
_RECORD_HEADER_LENGTH = 13
_MESSAGE_TYPE_AT, _MESSAGE_NUMBER_AT = 13, 17
_HANDSHAKE_RECORD, _DATA_RECORD, _CLIENT_HELLO = 22, 23, 1
_READ_SIZE = 4096
_NO_SHARED_CIPHER = "no shared cipher"


def is_client_hello(datagram: bytes) -> bool:
    """Whether a datagram begins with an unencrypted ClientHello (RFC 6347 section 4.2.2)."""
    return (
        len(datagram) > _MESSAGE_TYPE_AT
        and datagram[0] == _HANDSHAKE_RECORD
        and datagram[3:5] == b"\0\0"  # the epoch
        and datagram[_MESSAGE_TYPE_AT] == _CLIENT_HELLO
    )


class DtlsState(enum.Enum):
    """How far a connection has come."""

    HANDSHAKE = enum.auto()
    ESTABLISHED = enum.auto()
    CLOSED = enum.auto()
    """Either side closed the connection in order."""
    FAILED = enum.auto()


class DtlsAssociation:
    """Our half of one DTLS association, sans-IO. A server waits for the peer; a client calls `start`.

    A lost flight is sent again in two ways. Our own timer is quick and knows only the caller's time, but the
    records that it repeats are the same octets. When OpenSSL's timer, one second and more, has run out by the
    machine's clock, they become new records, as RFC 6347 section 4.2.2 wants: a peer that got a record but
    could not use it yet takes it for a replay when it comes again.

    Args:
        context: of `Identity.context`.
        client: whether we are the client.
    """

    def __init__(self, context: SSL.Context, *, client: bool = False) -> None:
        self.client = client
        self.state = DtlsState.HANDSHAKE
        self.error = ""
        """Why it failed, in OpenSSL's words."""
        self.received: list[bytes] = []
        """Records of application data that have come, to be taken by the caller."""
        self._context = context
        self._connection: SSL.Connection | None = None
        self._output: list[bytes] = []
        self._flight: list[bytes] = []
        self._deadline: float | None = None
        self._interval = RETRANSMIT_INITIAL

    @property
    def begun(self) -> bool:
        """Whether any record was sent or received."""
        return self._connection is not None

    def start(self, now: float) -> None:
        """Begin the handshake as the client; call it once."""
        if not self.client or self.begun or self.state is not DtlsState.HANDSHAKE:
            raise RuntimeError("only a client that has not begun can start")
        self._connection = self._open()
        self._advance(self._connection, now)

    def handle_datagram(self, data: bytes, now: float) -> None:
        """Process a datagram of the peer; OpenSSL drops invalid records (RFC 6347 section 4.1.2.7)."""
        if self.state in (DtlsState.CLOSED, DtlsState.FAILED):
            return
        if self._connection is None:
            self._connection = self._open()
        self._connection.bio_write(data)
        self._advance(self._connection, now, single=self.state is DtlsState.ESTABLISHED and _is_data_record(data))

    def handle_timeout(self, now: float) -> None:
        """Send an unanswered flight again if that is due."""
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
        """When `handle_timeout` is due next, on the caller's clock in seconds."""
        return self._deadline

    def take_output(self) -> list[bytes]:
        """Return the datagrams to send, each of at most `MAX_DATAGRAM_LENGTH` octets."""
        output, self._output = self._output, []
        return output

    def send(self, data: bytes) -> None:
        """Send application data in a record of its own; before and after the association is up they are lost."""
        if self.state is not DtlsState.ESTABLISHED or self._connection is None:
            return
        try:
            self._connection.send(data)
        except SSL.Error as error:
            self._fail(error)
        self._collect(self._connection)

    def close(self) -> None:
        """Send close_notify if there is a connection to close (RFC 5246 section 7.2.1)."""
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
        """Return the SRTP keys once established (RFC 5764 section 4.2); None if no profile was agreed on."""
        if self._connection is None:
            return None
        name = self._connection.get_selected_srtp_profile()
        profile = next((known for known in SrtpProfile if known.openssl_name == name), None)
        if profile is None:
            return None
        key, salt = profile.key_length, profile.salt_length
        material = self._connection.export_keying_material(_EXPORTER_LABEL, 2 * (key + salt))
        # The client's key, the server's key, the client's salt, the server's salt.
        from_client = material[:key] + material[2 * key : 2 * key + salt]
        from_server = material[key : 2 * key] + material[2 * key + salt :]
        local, remote = (from_client, from_server) if self.client else (from_server, from_client)
        return SrtpKeys(profile, local, remote)

    def _open(self) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_ciphertext_mtu(MAX_DATAGRAM_LENGTH)
        if self.client:
            connection.set_connect_state()
        else:
            connection.set_accept_state()
        return connection

    def _advance(self, connection: SSL.Connection, now: float, *, single: bool = False) -> None:
        """Let OpenSSL go as far as it can with what it has; `single`: that is one record of application data."""
        try:
            if self.state is DtlsState.HANDSHAKE:
                connection.do_handshake()
                self.state = DtlsState.ESTABLISHED
                self._deadline = None
            # Also answers a repeated Finished with our last flight, and finds alerts.
            while record := connection.recv(_READ_SIZE):
                self.received.append(record)
                if single:
                    return  # nothing is behind it or answers it, and to be told so by errors costs more than the record
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.Error as error:
            self._fail(error)
        before = _message_number(self._flight)
        self._collect(connection)
        if self._flight and _message_number(self._flight) != before:
            self._interval = RETRANSMIT_INITIAL
            self._deadline = now + self._interval

    def _collect(self, connection: SSL.Connection) -> bool:
        """Take OpenSSL's output, if any, and keep a flight of the handshake for retransmission."""
        pending: list[bytes] = []
        try:
            while True:
                pending.append(connection.bio_read(_READ_SIZE))
                if len(pending[-1]) < _READ_SIZE:
                    break  # it is empty now
        except SSL.WantReadError:
            pass
        if not pending:
            return False
        datagrams = _split_records(b"".join(pending))
        self._output.extend(datagrams)
        if self.state is not DtlsState.HANDSHAKE:
            self._flight = []
        elif datagrams[0][0] == _HANDSHAKE_RECORD:
            self._flight = datagrams
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
        if self.error == _NO_SHARED_CIPHER:
            self.error += "; our certificate is ECDSA, so offer ECDHE-ECDSA-AES128-GCM-SHA256 (RFC 8827 section 6.5)"


def _is_data_record(datagram: bytes) -> bool:
    """Whether a datagram is one record of application data by its header, and nothing else."""
    return (
        len(datagram) > _RECORD_HEADER_LENGTH
        and datagram[0] == _DATA_RECORD
        and int.from_bytes(datagram[11:_RECORD_HEADER_LENGTH]) == len(datagram) - _RECORD_HEADER_LENGTH
    )


def _message_number(flight: list[bytes]) -> int | None:
    """Return the number of a flight's first message; no two flights have the same."""
    return int.from_bytes(flight[0][_MESSAGE_NUMBER_AT : _MESSAGE_NUMBER_AT + 2]) if flight else None


def _split_records(data: bytes) -> list[bytes]:
    """Pack whole records into datagrams, each as full as `MAX_DATAGRAM_LENGTH` allows (RFC 6347 section 4.1.1)."""
    if len(data) <= MAX_DATAGRAM_LENGTH:
        return [data]
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
