"""The thread behind a TCP port, with sockets on loopback: what comes goes to the legs, whole, and back."""

from __future__ import annotations

import gc
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from OpenSSL import SSL

from sfu.tcp.pump import MEDIA_CONTROL, Carries, Ended, NoticeKind, Pump, Told, prefer_media
from sfu.wire.kernels.modes import PLAIN
from tests.unit.tcp.certificates import make_certificate

pytestmark = pytest.mark.skipif(PLAIN, reason="plain Python makes no system calls for kernels")

PATIENCE = 10.0
COOKIE = b"\x21\x12\xa4\x42"


def stun(kind: int, body: bytes = b"", transaction: bytes = bytes(12)) -> bytes:
    return struct.pack("!HH", kind, len(body)) + COOKIE + transaction + body


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def channel_data(channel: int, data: bytes) -> bytes:
    return struct.pack("!HH", channel, len(data)) + data + bytes(-len(data) % 4)


class Port:
    """A pump, a listening socket before it, and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.told: queue.Queue[Told] = queue.Queue()
        self.pump = Pump(16, lambda told: [self.told.put(each) for each in told])  # type: ignore[func-returns-value]
        self.pump.start()
        self.listener = socket.create_server(("127.0.0.1", 0))
        cert, key = make_certificate(folder)
        self.context = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.context.use_certificate_file(str(cert))
        self.context.use_privatekey_file(str(key))
        self.opened: list[socket.socket] = []

    def connect(self, *, tls: bool = False) -> tuple[socket.socket, int]:
        """A client's end, and the row of the other one."""
        client = socket.create_connection(self.listener.getsockname())
        client.settimeout(PATIENCE)
        accepted, _ = self.listener.accept()
        accepted.setblocking(False)
        connection = None
        if tls:
            connection = SSL.Connection(self.context, accepted)
            connection.set_accept_state()
        row = self.pump.open(accepted, connection)
        assert row is not None
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client = context.wrap_socket(client)
        self.opened.append(client)
        return client, row

    def next(self) -> Told:
        told = self.told.get(timeout=PATIENCE)
        if told.kind is NoticeKind.ENDED:
            self.pump.release(told.row)
        return told

    def add_leg(self, row: int, leg: int = 0, prefix: bytes = b"") -> socket.socket:
        """A UDP socket at the other end of a new leg."""
        far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        far.bind(("127.0.0.1", 0))
        far.settimeout(PATIENCE)
        near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        near.bind(("127.0.0.1", 0))
        near.connect(far.getsockname())
        far.connect(near.getsockname())
        self.pump.attach(row, leg, near, prefix)
        self.opened.append(far)
        return far

    def count_taken(self) -> int:
        """How many packets of legs have been looked at."""
        counters = self.pump.counters()
        return counters["packets_out"] + counters["drop_full"]

    def close(self) -> None:
        self.pump.stop()
        for each in (self.listener, *self.opened):
            each.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    made = Port(tmp_path_factory.mktemp("tls"))
    yield made
    made.close()


def receive(client: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = client.recv(count - len(got))
        assert more, f"it ended after {got!r}"
        got += more
    return got


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
class TestBoth:
    def test_ice_tcp_comes_to_its_leg_and_back(self, port: Port, tls: bool) -> None:
        client, row = port.connect(tls=tls)
        check = stun(1, attribute(6, b"local:remote"))
        framed = struct.pack("!H", len(check)) + check
        client.sendall(framed[:5])
        client.sendall(framed[5:] + b"\x00\x03abc")
        told = port.next()
        assert (told.row, told.kind, told.data, told.carries) == (row, NoticeKind.MESSAGE, check, Carries.ICE)
        far = port.add_leg(row)
        port.pump.answer(row)
        assert [far.recv(2000), far.recv(2000)] == [check, b"abc"]
        for size in (1, 700, 1400):
            far.send(bytes([size % 251]) * size)
            assert receive(client, 2 + size) == struct.pack("!H", size) + bytes([size % 251]) * size
        client.close()
        assert (port.next().kind, port.pump.load) == (NoticeKind.ENDED, 0)

    def test_turn_speaks_channels_and_indications_to_several_legs(self, port: Port, tls: bool) -> None:
        client, row = port.connect(tls=tls)
        client.sendall(stun(3))
        told = port.next()
        assert (told.data, told.carries) == (stun(3), Carries.TURN)
        port.pump.answer(row, b"answered")
        assert receive(client, 8) == b"answered"
        legs, peers = [], []
        for k, peer in enumerate((bytes.fromhex("0001e112e112a443"), bytes.fromhex("0002") + bytes(range(18)))):
            prefix = stun(0x17, bytes(8 + len(peer)))[:20] + attribute(0x12, peer) + struct.pack("!HH", 0x13, 0)
            legs.append(port.add_leg(row, k, prefix))
            peers.append(peer)
        client.sendall(stun(8))  # whatever asks Python: the legs are there when it is answered
        assert port.next().data == stun(8)
        port.pump.answer(row)
        for far, peer in zip(legs, peers, strict=True):
            client.sendall(stun(0x16, attribute(0x12, peer) + attribute(0x13, b"hello")))
            assert far.recv(2000) == b"hello"
            far.send(b"world!")
            answer = receive(client, 20 + 4 + len(peer) + 4 + 8)
            body = attribute(0x12, peer) + attribute(0x13, b"world!")
            assert answer == struct.pack("!HH", 0x17, len(body)) + COOKIE + bytes(12) + body
        port.pump.bind(row, 1, 0x4001)
        port.pump.answer(row, b"bound")
        assert receive(client, 5) == b"bound"
        client.sendall(channel_data(0x4001, b"12345") + channel_data(0x4000, b"nobody's") + channel_data(0x4001, b""))
        assert [legs[1].recv(2000), legs[1].recv(2000)] == [b"12345", b""]
        legs[1].send(b"x" * 1200)
        assert receive(client, 1204) == channel_data(0x4001, b"x" * 1200)
        port.pump.close(row)
        assert port.next().ended == Ended.DISMISSED
        assert client.recv(1) == b""

    def test_an_address_of_version_6_is_compared_as_its_transaction_hides_it(self, port: Port, tls: bool) -> None:
        client, row = port.connect(tls=tls)
        client.sendall(stun(3))
        port.next()
        address, own, other = bytes(range(16)), bytes(range(100, 112)), bytes(range(200, 212))
        hide = lambda transaction: bytes(a ^ b for a, b in zip(address, COOKIE + transaction, strict=True))  # noqa: E731
        head = bytes.fromhex("00020102")
        prefix = stun(0x17, b"", own) + attribute(0x12, head + hide(own)) + struct.pack("!HH", 0x13, 0)
        far = port.add_leg(row, 0, prefix)
        port.pump.answer(row, b"go")
        assert receive(client, 2) == b"go"
        wrong = attribute(0x12, head + hide(own)) + attribute(0x13, b"no")
        right = attribute(0x12, head + hide(other)) + attribute(0x13, b"yes")
        client.sendall(stun(0x16, wrong, other) + stun(0x16, right, other))
        assert far.recv(100) == b"yes"
        client.close()
        port.next()

    def test_http_goes_to_its_server_as_it_comes(self, port: Port, tls: bool) -> None:
        client, row = port.connect(tls=tls)
        client.sendall(b"POST / HTTP/1.1\r\n\r\n")
        assert (port.next().carries) == Carries.HTTP
        near, server = socket.socketpair()
        server.settimeout(PATIENCE)
        port.pump.attach(row, 0, near)
        port.pump.answer(row)
        assert receive(server, 19) == b"POST / HTTP/1.1\r\n\r\n"
        large = bytes(range(256)) * 8192  # more than any buffer on the way holds
        sender = threading.Thread(target=client.sendall, args=(large,))
        sender.start()
        assert receive(server, len(large)) == large
        sender.join()

        def answer() -> None:
            server.sendall(large)
            server.close()

        sender = threading.Thread(target=answer)
        sender.start()
        assert receive(client, len(large)) == large
        sender.join()
        assert port.next().ended == Ended.SERVED
        assert client.recv(1) == b""

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(b"\x16\x03\x01\x00\x05nonsense", id="a second TLS"),
            pytest.param(b"\x80" * 20, id="neither"),
            pytest.param(b"lower case", id="no method"),
            pytest.param(stun(3)[:2] + b"\x00\x03" + stun(3)[4:], id="a length that is no multiple"),
            pytest.param(stun(3, bytes(4000)), id="too long"),
            pytest.param(stun(0x16) + b"\x50\x00\x00\x00", id="a channel that there is not"),
            pytest.param(b"\xff\xff" + stun(1), id="a packet that is too long"),
        ],
    )
    def test_what_is_not_spoken_here_is_cut_off(self, port: Port, tls: bool, data: bytes) -> None:
        client, _ = port.connect(tls=tls)
        client.sendall(data)
        told = port.next()
        assert (told.kind, told.ended) == (NoticeKind.ENDED, Ended.NONSENSE)
        client.close()


def test_a_handshake_that_fails_ends_its_connection_alone(port: Port) -> None:
    client = socket.create_connection(port.listener.getsockname())
    accepted, _ = port.listener.accept()
    accepted.setblocking(False)
    connection = SSL.Connection(port.context, accepted)
    connection.set_accept_state()
    port.pump.open(accepted, connection)
    client.sendall(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
    told = port.next()
    assert (told.kind, told.ended) == (NoticeKind.ENDED, Ended.FAILED)
    client.close()


def test_media_have_a_congestion_control_of_their_own_and_http_has_the_usual_one(port: Port) -> None:
    usual = b"reno"  # which every system has, and allows

    def control_of(row: int) -> bytes:
        held = port.pump._held[row].tcp
        assert held is not None
        return held.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b"\0")

    port.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, usual)
    media, media_row = port.connect()
    http, http_row = port.connect()
    media.sendall(stun(3))
    assert port.next().row == media_row
    port.add_leg(media_row, 0, stun(0x17))
    http.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert port.next().row == http_row
    near, server = socket.socketpair()
    port.opened.append(server)
    port.pump.attach(http_row, 0, near)
    for row, client in ((media_row, media), (http_row, http)):
        port.pump.answer(row, b"go")
        assert receive(client, 2) == b"go"
    with socket.socket() as other:
        wanted = MEDIA_CONTROL.encode() if prefer_media(other) else usual
    assert (control_of(media_row), control_of(http_row)) == (wanted, usual)
    for row in (media_row, http_row):
        port.pump.close(row)
        port.next()


def test_a_row_is_no_others_before_its_end_was_taken_note_of(port: Port) -> None:
    client, row = port.connect()
    client.close()
    told = port.told.get(timeout=PATIENCE)
    assert (told.row, told.kind) == (row, NoticeKind.ENDED)
    _, next_row = port.connect()
    assert next_row != row
    port.pump.release(row)
    assert port.connect()[1] == row
    for each in (row, next_row):
        port.pump.close(each)
        port.next()


def test_nothing_to_do_costs_nothing(port: Port) -> None:
    """After all the tests before: no descriptor is left that epoll tells of for ever."""
    thread = port.pump._thread
    assert thread is not None and thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    before = time.clock_gettime(clock)
    time.sleep(0.2)
    assert time.clock_gettime(clock) - before < 0.02


def test_a_thread_that_waits_holds_nothing_of_what_it_told(port: Port) -> None:
    transaction = b"of here only"
    client, row = port.connect()
    client.sendall(stun(3, transaction=transaction))
    assert port.next().data.endswith(transaction)
    deadline = time.monotonic() + PATIENCE  # it may not wait yet
    while any(type(each) is Told and each.data.endswith(transaction) for each in gc.get_objects()):
        assert time.monotonic() < deadline, "it is held"
        time.sleep(0.01)
    port.pump.close(row)
    port.next()


def test_who_does_not_read_gets_new_sound_and_no_old_pictures(port: Port) -> None:
    client, row = port.connect()
    client.sendall(stun(3))
    port.next()
    far = port.add_leg(row, 0, stun(0x17) + attribute(0x12, bytes(8)) + struct.pack("!HH", 0x13, 0))
    port.pump.bind(row, 0, 0x4000)
    port.pump.answer(row, b"go")
    assert receive(client, 2) == b"go"
    before = port.count_taken()
    rounds = 60
    for number in range(rounds):
        for _ in range(20):
            far.send(bytes([number]) * 1200)
        far.send(bytes([number]) * 100)
        while port.count_taken() - before < 21 * (number + 1):
            time.sleep(0.001)
    port.pump.answer(row, b"end.")
    frames = []
    while (head := receive(client, 4)) != b"end.":
        size = struct.unpack("!HH", head)[1]
        data = receive(client, (size + 3) & ~3)[:size]
        assert data == data[:1] * size, "whole"
        frames.append((size, data[0]))
    sound = [number for size, number in frames if size == 100]
    assert sound == list(range(rounds))
    pictures = [number for size, number in frames if size == 1200]
    assert pictures == sorted(pictures)
    assert 0 < len(pictures) < 20 * rounds
    port.pump.close(row)
    port.next()
