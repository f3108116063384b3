"""What a media socket tells of itself."""

from __future__ import annotations

import socket

from sfu.routing.sockets import count_lost, open_socket


def test_what_finds_the_buffer_full_is_counted() -> None:
    with open_socket("127.0.0.1", 0) as media, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert count_lost(media) == 0
        media.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(100):
            client.sendto(bytes(1000), media.getsockname())
        lost = count_lost(media)
        assert lost is not None
        assert 80 < lost <= 99
