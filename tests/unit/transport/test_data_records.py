"""Records of application data between two DTLS associations of ours, in memory."""

from __future__ import annotations

import pytest

from sfu.transport.dtls import MAX_DATAGRAM_LENGTH, DtlsAssociation, DtlsState
from sfu.transport.srtp import SrtpProfile


@pytest.fixture
def ends(identity) -> tuple[DtlsAssociation, DtlsAssociation]:
    context = identity.context(tuple(SrtpProfile))
    client, server = DtlsAssociation(context, client=True), DtlsAssociation(context)
    client.start(0.0)
    for _ in range(4):
        for here, there in ((client, server), (server, client)):
            for datagram in here.take_output():
                there.handle_datagram(datagram, 0.0)
    assert client.state is server.state is DtlsState.ESTABLISHED
    return client, server


def taken(end: DtlsAssociation) -> list[bytes]:
    received, end.received = end.received, []
    return received


def test_each_record_is_a_datagram_and_comes_once(ends):
    client, server = ends
    for number in range(20):
        client.send(bytes([number]) * 1160)
    datagrams = client.take_output()
    assert len(datagrams) == 20 and max(map(len, datagrams)) <= MAX_DATAGRAM_LENGTH
    for number, datagram in enumerate(datagrams):
        server.handle_datagram(datagram, 0.0)
        assert taken(server) == [bytes([number]) * 1160]
        server.handle_datagram(datagram, 0.0)  # a replay
        assert taken(server) == [] and server.take_output() == []


def test_several_records_in_a_datagram_all_come(ends):
    client, server = ends
    for content in (b"one", b"two", b"three"):
        client.send(content)
    one, two, three = client.take_output()
    server.handle_datagram(one + two, 0.0)
    assert taken(server) == [b"one", b"two"]
    server.handle_datagram(three, 0.0)
    assert taken(server) == [b"three"]


@pytest.mark.parametrize("spoil", [lambda d: d[:-1] + bytes([d[-1] ^ 1]), lambda d: d[:-1], lambda d: d + b"x"])
def test_a_spoilt_datagram_keeps_nothing_back_of_the_next(ends, spoil):
    client, server = ends
    client.send(b"spoilt")
    client.send(b"whole")
    spoilt, whole = client.take_output()
    server.handle_datagram(spoil(spoilt), 0.0)
    assert taken(server) in ([], [b"spoilt"])
    server.handle_datagram(whole, 0.0)
    assert taken(server) == [b"whole"] and server.state is DtlsState.ESTABLISHED


def test_a_close_behind_data_is_found(ends):
    client, server = ends
    client.send(b"last")
    client.close()
    data, close = client.take_output()
    server.handle_datagram(data + close, 0.0)
    assert taken(server) == [b"last"] and server.state is DtlsState.CLOSED
