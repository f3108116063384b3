"""Sending where segmentation is refused, and waiting for the rest of a frame."""

from __future__ import annotations

import socket

import numpy as np

from sfu.routing.messages import COUNT, POSITION, make_buffers
from sfu.routing.send import append_packet, flush
from sfu.routing.sockets import encode_address
from sfu.routing.tables import make_tables

from .conftest import rtp, wait_until
from .test_plane import parse, publish_one

SO_NO_CHECK = 11


def test_where_segmentation_is_refused_packets_go_one_by_one_from_then_on():
    """A socket without checksums refuses UDP_SEGMENT (EIO), as a device without that offload does."""
    tables, buffers = make_tables(1, 1, 1, 1, 64), make_buffers()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        sender.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
        raw = encode_address(receiver.getsockname(), socket.AF_INET)
        connection = tables.connections[0]
        connection["address"][: len(raw)] = raw
        connection["address_bytes"] = len(raw)
        wanted = [b"a" * 900, b"b" * 900, b"c" * 700]

        def send() -> None:
            for packet in wanted:
                at = buffers.state[POSITION]
                buffers.out[at : at + len(packet)] = np.frombuffer(packet, np.uint8)
                append_packet(buffers, 0, len(packet), connection["no_gso"] == 0)
            flush(buffers, tables, sender.fileno())

        send()
        assert connection["no_gso"] == 1
        assert [receiver.recv(2048) for _ in wanted] == wanted
        send()
        assert buffers.state[COUNT] == 0
        assert [receiver.recv(2048) for _ in wanted] == wanted
        assert (connection["packets_out"], connection["bytes_out"]) == (6, 5000)


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
