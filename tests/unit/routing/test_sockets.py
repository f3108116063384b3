"""What a media socket tells of itself."""

from __future__ import annotations

import errno
import socket
import struct

import pytest

from sfu.routing.sockets import count_lost, open_socket, open_twin


def test_what_finds_the_buffer_full_is_counted() -> None:
    with open_socket("127.0.0.1", 0) as media, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert count_lost(media) == 0
        media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(100):
            client.sendto(bytes(1000), media.getsockname())
        lost = count_lost(media)
        assert lost is not None
        assert 80 < lost <= 99


ANY = pytest.mark.parametrize(
    ("bound", "reached"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::1", "::1"), ("::", "::1"), ("::", "127.0.0.1")],
)


def receive_all(opened: socket.socket) -> list[bytes]:
    got = []
    while True:
        try:
            got.append(opened.recv(65_536))
        except BlockingIOError:
            return got


@ANY
def test_only_what_is_said_to_a_turn_server_comes_to_the_twin(bound: str, reached: str) -> None:
    to_turn = [3, 4, 8, 9, 0x16, 0x4000, 0x4FFF]
    to_media = [n for n in range(0x1_0000) if n not in to_turn and not 0x4000 <= n < 0x5000][::97] + [
        0x3FFF,
        0x5000,
        1,
        2,
    ]
    family = socket.AF_INET6 if ":" in reached else socket.AF_INET
    with open_socket(bound, 0) as media, open_twin(media) as twin:
        for number in range(20):  # of twenty clients, since what chooses by the address would do so by chance
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.connect((reached, media.getsockname()[1]))
                for first in to_turn:
                    client.send(struct.pack("!HH", first, number))
                assert [struct.unpack("!HH", each) for each in receive_all(twin)] == [(n, number) for n in to_turn]
                assert receive_all(media) == []
                for first in to_media[number::20]:
                    client.send(struct.pack("!HH", first, number))
                client.send(b"")
                client.send(b"\x40")
                assert receive_all(twin) == []
                assert receive_all(media)[-2:] == [b"", b"\x40"]


@ANY
def test_a_port_with_a_twin_is_as_little_free_as_one_without(bound: str, reached: str) -> None:
    with open_socket(bound, 0) as media, open_twin(media):
        for host in (bound, reached):
            with pytest.raises(OSError, match="in use") as raised:
                open_socket(host, media.getsockname()[1])
            assert raised.value.errno == errno.EADDRINUSE


def test_once_the_twin_is_gone_all_comes_to_the_first() -> None:
    with open_socket("127.0.0.1", 0) as media, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(media.getsockname())
        for _ in range(3):
            with open_twin(media) as twin:
                client.send(b"\x00\x03once")
                assert receive_all(twin) == [b"\x00\x03once"]
            client.send(b"\x00\x03again")
            assert receive_all(media) == [b"\x00\x03again"]
