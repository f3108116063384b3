"""What a process tells its successor arrives whole, with its sockets, or not at all."""

from __future__ import annotations

import concurrent.futures
import socket
import struct
from collections.abc import Iterator

import pytest

from sfu.node.restart.channel import MOST_SOCKETS, Channel, ChannelError
from sfu.node.restart.handover import VERSION, Handover, HandoverError


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_a_message_comes_with_sockets_that_outlive_the_senders(ends: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = map(Channel, ends)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        sender.send({"state": "Grüße"}, [listener])
    message, (taken,) = receiver.receive(5.0)
    with taken:
        assert (message, taken.getsockname()[1]) == ({"state": "Grüße"}, port)
        assert not taken.get_inheritable()
        socket.create_connection(("127.0.0.1", port), 5).close()


def test_what_is_sent_in_pieces_is_put_together(ends: tuple[socket.socket, socket.socket]) -> None:
    data = b'{"a": 1}'
    for octet in struct.pack("!I", len(data)) + data:
        ends[0].send(bytes([octet]))
    assert Channel(ends[1]).receive(5.0) == ({"a": 1}, [])


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0\0",
        struct.pack("!I", 9) + b"{}",
        struct.pack("!I", 2) + b"[]",
        struct.pack("!I", 2) + b"{x",
        b"\xff" * 9,
    ],
)
def test_what_is_no_message_is_an_error_and_leaves_no_socket(
    ends: tuple[socket.socket, socket.socket], octets: bytes
) -> None:
    with socket.socket() as offered:
        if octets:
            socket.send_fds(ends[0], [octets], [offered.fileno()])
        ends[0].close()
    with pytest.raises(ChannelError):
        Channel(ends[1]).receive(5.0)


def test_silence_is_an_error_after_its_time(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(ChannelError, match="timed out"):
        Channel(ends[1]).receive(0.01)


def test_who_waits_is_woken_by_a_close_of_its_own_end(ends: tuple[socket.socket, socket.socket]) -> None:
    channel = Channel(ends[1])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(channel.receive, 60.0)
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        channel.close()
        with pytest.raises(ChannelError):
            waiting.result(10.0)


def _make() -> Handover:
    udp, accepted = [socket.socket()], [socket.socket(), socket.socket()]
    return Handover(http=socket.socket(), metrics=socket.socket(), udp=udp, accepted=accepted, state={"rooms": []})


@pytest.mark.parametrize("with_metrics", [True, False])
def test_a_handover_is_read_as_it_was_packed(with_metrics: bool) -> None:
    made = _make()
    if not with_metrics and made.metrics is not None:
        made.metrics.close()
        made.metrics = None
    message, sockets = made.pack()
    taken = Handover.unpack(message, sockets)
    assert taken == made
    made.close()


def test_of_accepted_connections_as_many_are_handed_over_as_a_message_takes() -> None:
    made = _make()
    made.accepted = made.accepted * MOST_SOCKETS
    message, sockets = made.pack()
    taken = Handover.unpack(message, sockets)
    assert len(sockets) == MOST_SOCKETS
    assert (taken.udp, set(taken.accepted)) == (made.udp, set(made.accepted))
    made.close()


@pytest.mark.parametrize(
    "spoilt",
    [
        {"version": VERSION + 1},
        {"version": None},
        {"sockets": {"metrics": 1, "udp": 9, "accepted": 2}},
        {"sockets": {"metrics": 1, "udp": -1, "accepted": 4}},
        {"sockets": {"metrics": 2, "udp": 0, "accepted": 2}},
        {"sockets": {}},
        {"sockets": None},
        {"state": []},
    ],
)
def test_a_handover_of_another_version_or_shape_is_refused(spoilt: dict[str, object]) -> None:
    made = _make()
    message, sockets = made.pack()
    with pytest.raises(HandoverError):
        Handover.unpack(message | spoilt, sockets)
    made.close()
