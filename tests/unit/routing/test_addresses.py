"""A connection is heard at every address that its client has proved to be at, and is sent to at one."""

from __future__ import annotations

import socket
import time

import pytest

from sfu.routing.kernels.command_records import OpenConnection
from sfu.routing.kernels.connection_columns import MAX_ADDRESSES
from sfu.routing.plane import Datagram

from .conftest import rtp, wait_until


class Elsewhere:
    """Another socket of a peer's client."""

    def __init__(self, peer) -> None:
        self.peer = peer
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.connect(("127.0.0.1", peer.plane.port))
        self.address = self.socket.getsockname()

    def send(self, packet: bytes) -> bytes:
        protected = self.peer.send_srtp.protect(packet)
        self.socket.send(protected)
        return protected


@pytest.fixture
def elsewhere():
    made = []

    def make(peer):
        made.append(Elsewhere(peer))
        return made[-1]

    yield make
    for other in made:
        other.socket.close()


def publish(plane, publisher, subscriber, ssrc=0x1234, out=7):
    track = plane.open_track()
    options = {"mid": "0", "ssrc": ssrc, "payload_type": 96, "clock_rate": 90000, "audio": True}
    plane.open_encoding(track, publisher.connection, **options)
    plane.open_subscription(track, subscriber.connection, mid="0", ssrc=out, payload_type=96)


def settle(plane):
    wait_until(lambda: plane.settled)


def test_media_rtcp_and_dtls_count_from_each_address(plane, make_peer, elsewhere):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    others = [elsewhere(publisher) for _ in range(MAX_ADDRESSES - 1)]
    home = publisher.socket.getsockname()
    plane.addresses.set(publisher.connection, [home, *(other.address for other in others)], home)
    publish(plane, publisher, subscriber)
    settle(plane)
    for number, sender in enumerate([publisher, *others]):
        sender.send(rtp(number, bytes([number])))
    received = subscriber.receive(MAX_ADDRESSES)
    assert sorted(packet[-1] for packet in received) == list(range(MAX_ADDRESSES))
    others[-1].socket.send(publisher.send_srtp.protect_rtcp(b"\x81\xcb\0\1rtcp"))
    others[-1].socket.send(b"\x16dtls")
    wait_until(lambda: plane.counters()["received_datagrams"] == MAX_ADDRESSES + 2)
    assert plane.poll_notices() == [
        Datagram("rtcp", b"\x81\xcb\0\1rtcp", others[-1].address, publisher.connection),
        Datagram("dtls", b"\x16dtls", others[-1].address, publisher.connection),
    ]
    assert plane.counters()["drop_unknown_address"] == 0


def test_one_address_is_sent_to_and_it_can_change(plane, make_peer, elsewhere):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    other = elsewhere(subscriber)
    home = subscriber.socket.getsockname()
    publish(plane, publisher, subscriber)
    plane.addresses.set(subscriber.connection, [home, other.address], home)
    settle(plane)
    publisher.send(rtp(1, b"home"))
    assert len(subscriber.receive(1)) == 1
    plane.addresses.set(subscriber.connection, [home, other.address], other.address)
    settle(plane)
    publisher.send(rtp(2, b"there"))
    other.socket.settimeout(5)
    assert subscriber.receive_srtp.unprotect(other.socket.recv(2048)).endswith(b"there")
    plane.addresses.set(subscriber.connection, [home], None)
    settle(plane)
    publisher.send(rtp(3, b"nowhere"))
    wait_until(lambda: plane.counters()["received_rtp"] == 3)
    plane.addresses.set(subscriber.connection, [home], home)
    settle(plane)
    publisher.send(rtp(4, b"home again"))
    assert subscriber.receive(1)[0].endswith(b"home again")
    assert plane.counters()["drop_send_failed"] == 0


def test_an_address_that_was_given_up_is_a_strangers(plane, make_peer, elsewhere):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    other = elsewhere(publisher)
    home = publisher.socket.getsockname()
    publish(plane, publisher, subscriber)
    plane.addresses.set(publisher.connection, [home, other.address], other.address)
    plane.addresses.set(publisher.connection, [home], home)
    settle(plane)
    other.send(rtp(1, b"stranger"))
    publisher.send(rtp(2, b"home"))
    assert subscriber.receive(1)[0].endswith(b"home")
    assert plane.counters()["drop_unknown_address"] == 1


def test_the_newest_holder_of_an_address_has_it_until_it_closes(plane, make_peer, elsewhere):
    former, newest, subscriber = make_peer(plane, 1), make_peer(plane, 3), make_peer(plane, 2)
    shared = elsewhere(newest)
    publish(plane, former, subscriber, ssrc=1)
    publish(plane, newest, subscriber, ssrc=2, out=8)
    for peer in (former, newest):
        home = peer.socket.getsockname()
        plane.addresses.set(peer.connection, [home, shared.address], home)
    settle(plane)
    shared.send(rtp(1, b"newest", ssrc=2))
    assert subscriber.receive(1)[0].endswith(b"newest")
    former.send(rtp(1, b"former", ssrc=1))  # its other address is not concerned
    assert subscriber.receive(1)[0].endswith(b"former")
    plane.close_connection(newest.connection)
    settle(plane)
    shared.send(rtp(2, b"gone", ssrc=2))
    wait_until(lambda: plane.counters()["drop_unknown_address"] == 1)


def test_what_is_authentic_tells_when_its_address_was_heard(plane, make_peer, elsewhere):
    publisher, subscriber = make_peer(plane, 1), make_peer(plane, 2)
    other = elsewhere(publisher)
    home = publisher.socket.getsockname()
    publish(plane, publisher, subscriber)
    plane.addresses.set(publisher.connection, [home, other.address], home)
    settle(plane)
    assert plane.addresses.heard(publisher.connection) == []
    before = time.monotonic()
    good = publisher.send(rtp(1, b"good"))
    subscriber.receive(1)
    [(address, when)] = plane.addresses.heard(publisher.connection)
    assert address == home
    assert before <= when <= time.monotonic()
    report = publisher.send_srtp.protect_rtcp(b"\x81\xcb\0\1rtcp")
    other.socket.send(report)
    wait_until(lambda: len(plane.addresses.heard(publisher.connection)) == 2)
    heard = plane.addresses.heard(publisher.connection)

    unsent = publisher.send_srtp.protect(rtp(2, b"never sent whole"))
    signs_of_no_life = [
        good,  # replayed
        report,
        unsent[:-1] + bytes([unsent[-1] ^ 1]),  # forged
        report[:-5] + bytes([report[-5] ^ 1]) + report[-4:],
        b"\x80\xc9\0\1" + bytes(20),
        publisher.send_srtp.protect(rtp(3, b"not agreed on", payload_type=97)),
        b"\x00\x01" + bytes(18),
        b"\x16" + bytes(18),
    ]
    count = plane.counters()["received_datagrams"]
    for datagram in signs_of_no_life:
        publisher.socket.send(datagram)
        other.socket.send(datagram)
    wait_until(lambda: plane.counters()["received_datagrams"] == count + 2 * len(signs_of_no_life))
    assert plane.addresses.heard(publisher.connection) == heard
    # The place of an address is used again: the next one has not been heard.
    third = elsewhere(publisher)
    plane.addresses.set(publisher.connection, [home, third.address], home)
    assert [address for address, _ in plane.addresses.heard(publisher.connection)] == [home]
    settle(plane)
    assert [address for address, _ in plane.addresses.heard(publisher.connection)] == [home]


def test_what_goes_on_by_tcp_is_known_as_long_as_it_does(plane, make_peer):
    peer = make_peer(plane, 1)
    home = peer.socket.getsockname()
    by_tcp = plane._tables.estimators["by_tcp"]
    for address, tcp in ((None, False), (home, True), (None, False), (home, True)):
        plane.addresses.set(peer.connection, [home], address, tcp=tcp)
        settle(plane)
        assert by_tcp.item(peer.connection) == tcp
    plane._post(peer.connection, OpenConnection(0, b""))  # as for who has the row next
    settle(plane)
    assert by_tcp.item(peer.connection) == 0
