"""Which of our addresses a datagram came to, as the system tells and takes it: `wire/kernels/ancillary.py`."""

from __future__ import annotations

import socket
import struct

IPPROTO_IP, IP_PKTINFO = 0, 8
IPPROTO_IPV6, IPV6_RECVPKTINFO, IPV6_PKTINFO = 41, 49, 50
LOCAL_BYTES = 40
"""Of the longer one, that of IPv6."""
_HEAD = struct.Struct("=QII")


def tell_local(opened: socket.socket) -> None:
    """Have the system tell of each datagram on a socket that is bound to all addresses to which of them it came."""
    host = opened.getsockname()[0]
    if host == "0.0.0.0":
        opened.setsockopt(IPPROTO_IP, IP_PKTINFO, 1)
    elif host == "::":
        opened.setsockopt(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)


def trim_local(octets: bytes) -> bytes:
    """The local address that stands in octets with zeros behind it; empty where there is none."""
    return octets[: (_HEAD.unpack_from(octets)[0] + 7) & ~7]


def send_from(opened: socket.socket, data: bytes, address: tuple[str, int], local: bytes) -> None:
    """Send a datagram from a local address, or where that is empty from what the system chooses; may raise OSError."""
    if not local:
        opened.sendto(data, address)
        return
    length, level, kind = _HEAD.unpack_from(local)
    opened.sendmsg([data], [(level, kind, local[_HEAD.size : length])], 0, address)
