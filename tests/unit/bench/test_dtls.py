from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from OpenSSL import SSL

from bench.client.dtls import ClientIdentity, DtlsClient, DtlsError, split_flight
from bench.links import GCM_128


def _record(size: int) -> bytes:
    return b"\x16\xfe\xfd" + bytes(8) + size.to_bytes(2, "big") + bytes(size)


def test_a_flight_is_cut_between_records() -> None:
    flight = _record(500) + _record(600) + _record(300)
    datagrams = split_flight(flight)
    assert b"".join(datagrams) == flight
    assert [len(datagram) for datagram in datagrams] == [500 + 600 + 26, 313]


def test_a_record_that_is_too_long_goes_alone() -> None:
    assert [len(datagram) for datagram in split_flight(_record(100) + _record(1300))] == [113, 1313]


def _shake_hands(client: DtlsClient, server: SSL.Connection) -> None:
    outgoing = client.start()
    for _flight in range(10):
        for datagram in outgoing:
            server.bio_write(datagram)
        try:
            server.do_handshake()
        except SSL.WantReadError:
            pass
        try:
            outgoing = client.handle_datagram(server.bio_read(65536))
        except SSL.WantReadError:
            return


@pytest.fixture
def server() -> tuple[SSL.Connection, str]:
    identity = ClientIdentity.generate()
    connection = SSL.Connection(identity.context, None)
    connection.set_accept_state()
    connection.set_ciphertext_mtu(1200)
    return connection, identity.fingerprint


def test_both_sides_derive_the_same_keys(server: tuple[SSL.Connection, str]) -> None:
    connection, fingerprint = server
    client = DtlsClient(ClientIdentity.generate(), fingerprint.lower())
    _shake_hands(client, connection)
    assert client.keys is not None
    assert client.keys.profile == GCM_128
    material = connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 56)
    assert client.keys.local == material[:16] + material[32:44]
    assert client.keys.remote == material[16:32] + material[44:]


def test_a_foreign_certificate_is_refused(server: tuple[SSL.Connection, str]) -> None:
    connection, _fingerprint = server
    other = ClientIdentity.generate()
    client = DtlsClient(other, other.fingerprint)
    with pytest.raises(DtlsError, match="not the one its SDP names"):
        _shake_hands(client, connection)


def test_a_first_flight_without_an_answer_is_sent_again(server: tuple[SSL.Connection, str]) -> None:
    client = DtlsClient(ClientIdentity.generate(), server[1])
    first = client.start()
    assert first
    assert client.handle_timeout() == first


def test_the_fingerprint_is_the_certificates() -> None:
    identity = ClientIdentity.generate()
    connection = SSL.Connection(identity.context, None)
    certificate = connection.get_certificate()
    assert certificate is not None
    assert certificate.to_cryptography().fingerprint(hashes.SHA256()).hex(":").upper() == identity.fingerprint
