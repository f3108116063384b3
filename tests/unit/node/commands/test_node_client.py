"""How commands speak to a node: also to one that is about to end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from sfu.node.commands.node_client import NodeClient, NodeRefusedError
from sfu.node.config.settings import Settings

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
SETTINGS = Settings(keys={"main": "a-secret-of-more-than-thirty-two-bytes"})  # type: ignore[dict-item]


@contextlib.contextmanager
def ending() -> Iterator[str]:
    """A node each of whose connections ends while the second order on it is on its way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(ANSWER)
                        connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_an_order_is_not_lost_with_the_process_that_answered_the_one_before() -> None:
    with ending() as url, contextlib.closing(NodeClient(SETTINGS, url)) as client:
        assert [client.ask("GET", "/admin/restart") for _ in range(3)] == [{}, {}, {}]


def test_where_nobody_listens_the_address_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with contextlib.closing(NodeClient(SETTINGS, url)) as client, pytest.raises(NodeRefusedError, match=url):
        client.ask("GET", "/admin/restart")
