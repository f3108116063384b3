"""Sending where segmentation is refused, and waiting for the rest of a frame."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from sfu.routing.kernels.counters import Counter
from sfu.routing.kernels.messages import COUNT, POSITION, make_buffers
from sfu.routing.kernels.send import ANY_BYTES, GSO_RETRY_US, append_packet, flush, retry_gso
from sfu.routing.kernels.tables import make_tables
from sfu.wire.sockaddr import encode_address

from .conftest import rtp, wait_until
from .stage import parse, publish_one

SO_NO_CHECK = 11


class Line:
    """A connection in tables of its own, and what sends to it."""

    def __init__(self) -> None:
        self.tables, self.buffers = make_tables(1, 1, 1, 1, 64), make_buffers()
        self.connection = self.tables.connections[0]
        self.connection["gso_bytes"] = ANY_BYTES
        self.receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.receiver.bind(("127.0.0.1", 0))
        self.receiver.settimeout(5)
        raw = encode_address(self.receiver.getsockname(), socket.AF_INET)
        self.connection["address"][: len(raw)] = raw
        self.connection["address_bytes"] = len(raw)

    def send(self, *sizes: int) -> None:
        """Send packets of these sizes at once, and see all of them come."""
        packets = [bytes([k]) * size for k, size in enumerate(sizes)]
        for packet in packets:
            at = self.buffers.state[POSITION]
            self.buffers.out[at : at + len(packet)] = np.frombuffer(packet, np.uint8)
            append_packet(self.buffers, 0, len(packet), len(packet) <= self.connection["gso_bytes"])
        flush(self.buffers, self.tables, self.sender.fileno())
        assert self.buffers.state[COUNT] == 0
        assert [self.receiver.recv(2048) for _ in packets] == packets

    def refused(self) -> int:
        return int(self.tables.counters[Counter.GSO_REFUSED])

    def messages(self) -> int:
        return int(self.tables.counters[Counter.SENT_MESSAGES])


@pytest.fixture
def line():
    made = Line()
    yield made
    made.receiver.close()
    made.sender.close()


def test_where_segmentation_is_refused_packets_go_one_by_one_for_a_while(line):
    """A socket without checksums refuses UDP_SEGMENT, as a device without that offload does."""
    line.sender.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    line.send(900, 900, 700)
    assert line.refused() == 1
    assert line.connection["gso_bytes"] == 843
    line.send(900, 900, 900)  # not tried again
    assert line.refused() == 1
    assert (line.connection["packets_out"], line.connection["bytes_out"]) == (6, 5200)
    line.sender.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 0)
    due_us = int(line.connection["gso_retry_us"])
    assert due_us == pytest.approx(time.monotonic_ns() // 1000 + GSO_RETRY_US, abs=GSO_RETRY_US / 2)
    for now_us, size in ((due_us - 1, 843), (due_us, ANY_BYTES)):
        retry_gso.py_func(line.tables, 0, now_us)
        assert line.connection["gso_bytes"] == size
    before = line.messages()
    line.send(900, 900, 700)
    assert line.messages() == before + 1


def test_what_is_too_large_to_be_segmented_costs_smaller_packets_nothing(line):
    """A publisher's packets of 1,456 bytes had sent all that came after them to a subscriber one by one, for good."""
    line.connection["gso_bytes"] = 1000
    line.send(1456, 1456, 500, 500, 500, 1456, 600, 600)
    assert line.messages() == 3 + 1 + 1


def test_a_frame_that_comes_in_a_burst_goes_to_many_in_one_message_each(plane, make_peer):
    """The plane waits for the marker, or for a gap; whatever it does, each packet arrives once and in order."""
    publisher = make_peer(plane, 1)
    track, _ = publish_one(plane, publisher)
    subscribers = [make_peer(plane, 2 + k % 90) for k in range(40)]
    for k, subscriber in enumerate(subscribers):
        plane.open_subscription(track, subscriber.connection, mid="0", ssrc=1000 + k, payload_type=96)
    wait_until(lambda: plane.settled)
    for frame in range(3):
        for part in range(3):
            number = 3 * frame + part
            packet = rtp(number, bytes([number]) * 100, timestamp=3000 * frame, marker=part == 2 and frame != 1)
            publisher.send(packet)
    for subscriber in subscribers:
        packets = [parse(packet) for packet in subscriber.receive(9)]
        assert [packet[5][0] for packet in packets] == list(range(9))
        assert [(packet[1] - packets[0][1]) & 0xFFFF for packet in packets] == list(range(9))
        assert subscriber.silent()
