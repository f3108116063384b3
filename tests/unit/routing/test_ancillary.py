"""What the system tells beside a datagram: to which of our addresses it came, and how many it has joined."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from sfu.routing.sockets import open_socket
from sfu.wire.kernels.ancillary import CONTROL_STRIDE
from sfu.wire.kernels.system import MESSAGE
from sfu.wire.local_address import LOCAL_BYTES, send_from, trim_local
from tests.local_addresses import build_joined, build_local

from . import kernels

IPV4, IPV6, MAPPED = "192.0.2.5", "2001:db8::5", "::ffff:192.0.2.5"


def read(control: bytes, told: int | None = None) -> tuple[bytes, int]:
    """The local address, and the size of each datagram in a message of 1000 octets; it is the second of two."""
    messages, controls = np.zeros(2, MESSAGE), np.full(2 * CONTROL_STRIDE, 0xA5, np.uint8)
    controls[CONTROL_STRIDE : CONTROL_STRIDE + len(control)] = np.frombuffer(control, np.uint8)
    messages["control_bytes"][1] = len(control) if told is None else told
    octets = np.full(LOCAL_BYTES, 0xEE, np.uint8)
    size = kernels.local_of(messages, controls, 1, octets)
    return octets[:size].tobytes(), kernels.step_of(messages, controls, 1, 1000)


@pytest.mark.parametrize("ip", [IPV4, IPV6, MAPPED])
def test_a_local_address_is_kept_without_the_interface(ip: str) -> None:
    assert read(build_local(ip, interface=3)) == (build_local(ip), 1000)


@pytest.mark.parametrize("ip", [IPV4, IPV6])
@pytest.mark.parametrize("joined_first", [True, False])
def test_both_are_found_in_either_order(ip: str, joined_first: bool) -> None:
    told = [build_joined(300), build_local(ip, interface=3)]
    assert read(b"".join(told if joined_first else told[::-1])) == (build_local(ip), 300)


@pytest.mark.parametrize("ip", [IPV4, IPV6])
def test_what_is_cut_short_or_makes_no_sense_is_none(ip: str) -> None:
    whole = build_local(ip, interface=3)
    for size in (0, 1, 15, 16, 20, len(whole) - 9):
        assert read(whole[:size]) == (b"", 1000)
    for length in (0, 1, 15, 17, 0xFFFF_FFFF):
        assert read(length.to_bytes(8, "little") + whole[8:]) == (b"", 1000)
    assert read(whole, 0xFFFF) == (build_local(ip), 1000)


@pytest.mark.parametrize(("bound", "reached"), [("0.0.0.0", "127.0.0.2"), ("::", "127.0.0.2"), ("::", "::1")])
def test_who_binds_all_addresses_can_answer_from_the_one_that_was_sent_to(bound: str, reached: str) -> None:
    family = socket.AF_INET6 if ":" in reached else socket.AF_INET
    with open_socket(bound, 0) as media, socket.socket(family, socket.SOCK_DGRAM) as client:
        client.bind(("::1" if ":" in reached else "127.0.0.1", 0))
        client.connect((reached, media.getsockname()[1]))
        client.send(b"question")
        media.settimeout(5)
        _, [(level, kind, data)], _, address = media.recvmsg(100, 100)
        head = (16 + len(data)).to_bytes(8, "little") + level.to_bytes(4, "little") + kind.to_bytes(4, "little")
        local = read(head + data + bytes(4))[0]
        assert trim_local(local.ljust(LOCAL_BYTES, b"\0")) == local
        send_from(media, b"answer", address, local)
        client.settimeout(5)
        assert client.recv(100) == b"answer"


def test_who_binds_one_address_is_told_nothing() -> None:
    with open_socket("127.0.0.1", 0) as media, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"question", media.getsockname())
        media.settimeout(5)
        data, told, _, address = media.recvmsg(100, 100)
        assert told == []
        send_from(media, data, address, trim_local(bytes(LOCAL_BYTES)))
        client.settimeout(5)
        assert client.recv(100) == b"question"
