"""Addresses as text and as the kernel's sockaddr."""

from __future__ import annotations

import functools
import ipaddress
import socket

import numpy as np
from numpy.typing import NDArray

Address = tuple[str, int]
"""Textual IP address (IPv4 dotted, IPv6 compressed) and port."""

SOCKADDR_BYTES = 28
"""Of `struct sockaddr_in6`, the longer one."""


def encode_address(address: Address, family: int) -> NDArray[np.uint8]:
    """Return the sockaddr by which a socket of `family` sends to `address`."""
    ip = ipaddress.ip_address(address[0])
    port = address[1].to_bytes(2, "big")
    if family == socket.AF_INET:
        if ip.version != 4:
            raise ValueError(f"{address[0]} is an IPv6 address, and this shard listens on IPv4 only")
        raw = socket.AF_INET.to_bytes(2, "little") + port + ip.packed + bytes(8)
    else:
        packed = ip.packed if ip.version == 6 else bytes(10) + b"\xff\xff" + ip.packed
        raw = socket.AF_INET6.to_bytes(2, "little") + port + bytes(4) + packed + bytes(4)
    return np.frombuffer(raw, np.uint8)


@functools.lru_cache(maxsize=8192)
def decode_address(raw: bytes) -> Address:
    """Return the address that a received sockaddr of up to `SOCKADDR_BYTES` bytes names."""
    port = int.from_bytes(raw[2:4], "big")
    if raw[0] == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, raw[4:8]), port
    packed = raw[8:24]
    if packed[:12] == bytes(10) + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, packed[12:]), port
    return socket.inet_ntop(socket.AF_INET6, packed), port


def sendable(address: Address, family: int) -> tuple[str, int]:
    """Return the address in the form that `socket.sendto` of `family` takes."""
    if family == socket.AF_INET6 and ":" not in address[0]:
        return f"::ffff:{address[0]}", address[1]
    return address
