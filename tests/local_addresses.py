"""Local addresses (sfu/wire/local_address.py), and what the system tells of them, in tests."""

from __future__ import annotations

import ipaddress
import socket
import struct

from sfu.wire.local_address import IP_PKTINFO, IPPROTO_IP, IPPROTO_IPV6, IPV6_PKTINFO


def build_local(ip: str, *, interface: int = 0) -> bytes:
    """A local address; with an interface: as the system tells it of a datagram that has come by that."""
    packed = ipaddress.ip_address(ip).packed
    if len(packed) == 4:
        return struct.pack("=QII", 28, IPPROTO_IP, IP_PKTINFO) + struct.pack("=I4s4s4x", interface, packed, packed)
    return struct.pack("=QII", 36, IPPROTO_IPV6, IPV6_PKTINFO) + struct.pack("=16sI4x", packed, interface)


def build_joined(size: int) -> bytes:
    """What the system tells of datagrams that it has joined."""
    return struct.pack("=QIIi4x", 20, socket.IPPROTO_UDP, 104, size)
