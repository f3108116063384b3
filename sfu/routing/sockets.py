"""The shard's UDP socket, and addresses as text and as the kernel's sockaddr."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket

import numpy as np
from numpy.typing import NDArray

from sfu.config import SOCKET_BUFFER_BYTES
from sfu.routing.kernels.connection_columns import ADDRESS_BYTES
from sfu.routing.kernels.index import AF_INET
from sfu.wire.kernels.system import UDP_GRO

Address = tuple[str, int]
"""Textual IP address (IPv4 dotted, IPv6 compressed) and port."""

_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32
_SO_MEMINFO, _SK_MEMINFO_DROPS = 55, 8


def open_socket(host: str, port: int) -> socket.socket:
    """Return a non-blocking UDP socket bound to `host`, `port` (0: any), with UDP_GRO if the kernel has it.

    An IPv6 wildcard also takes IPv4. Raises OSError when the address cannot be bound.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        _enlarge(opened, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
        _enlarge(opened, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
        with contextlib.suppress(OSError):  # before Linux 5.0: datagrams then arrive one by one
            opened.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        opened.bind((host, port))
    except OSError:
        opened.close()
        raise
    return opened


def _enlarge(opened: socket.socket, forced: int, plain: int) -> None:
    try:
        opened.setsockopt(socket.SOL_SOCKET, forced, SOCKET_BUFFER_BYTES)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, plain, SOCKET_BUFFER_BYTES)  # capped by net.core.*mem_max


def count_lost(opened: socket.socket) -> int | None:
    """Count what a socket has lost so far since its receive buffer was full (SO_MEMINFO); None before Linux 4.12."""
    try:
        told = opened.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * (_SK_MEMINFO_DROPS + 1))
    except OSError:
        return None
    figures = np.frombuffer(told, np.uint32)
    return int(figures[_SK_MEMINFO_DROPS]) if len(figures) > _SK_MEMINFO_DROPS else None


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
    """Return the address that a received sockaddr of up to `ADDRESS_BYTES` bytes names."""
    port = int.from_bytes(raw[2:4], "big")
    if raw[0] == AF_INET:
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


assert ADDRESS_BYTES == 28
