"""The shard's UDP socket, and another one on its port for what is said to a TURN server."""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import socket
import struct
from collections.abc import Sequence

import numpy as np

from sfu.config import SOCKET_BUFFER_BYTES
from sfu.wire.kernels.system import UDP_GRO
from sfu.wire.local_address import tell_local

_SO_RCVBUFFORCE, _SO_SNDBUFFORCE = 33, 32
_SO_MEMINFO, _SK_MEMINFO_DROPS = 55, 8
_SO_ATTACH_REUSEPORT_CBPF = 51
_LENGTH, _LOAD16, _JUMP, _EQUAL, _ABOVE, _RETURN = 0x80, 0x28, 0x05, 0x15, 0x35, 0x06  # classic BPF
_CHANNELS, _NO_CHANNELS = 0x4000, 0x5000
_TURN_TYPES = (0x0003, 0x0004, 0x0008, 0x0009, 0x0016)
"""Allocate, Refresh, CreatePermission and ChannelBind as requests, and the Send indication (RFC 8656 section 17)."""


def open_socket(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a non-blocking UDP socket bound to `host`, `port` (0: any), with UDP_GRO if the kernel has it. One of a
    wildcard tells to which of our addresses each datagram came.

    An IPv6 wildcard also takes IPv4. `shared`: beside another one that was shared after it was bound. Raises OSError
    when the address cannot be bound.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if shared:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        _enlarge(opened, _SO_RCVBUFFORCE, socket.SO_RCVBUF)
        _enlarge(opened, _SO_SNDBUFFORCE, socket.SO_SNDBUF)
        with contextlib.suppress(OSError):  # before Linux 5.0: datagrams then arrive one by one
            opened.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        opened.bind((host, port))
        tell_local(opened)
    except OSError:
        opened.close()
        raise
    return opened


def choose_sockets(offered: Sequence[socket.socket], host: str, ports: Sequence[int]) -> list[socket.socket | None]:
    """Return for each port (0: any) the socket of `offered` that is bound to it and to `host`, if there is one, each
    once; the others are closed.
    """
    left = [each for each in offered if each.type == socket.SOCK_DGRAM]
    chosen: list[socket.socket | None] = []
    for port in ports:
        fitting = (each for each in left if each.getsockname()[0] == host and port in (0, each.getsockname()[1]))
        found = next(fitting, None)
        if found is not None:
            left.remove(found)
        chosen.append(found)
    for each in {*offered} - {each for each in chosen if each is not None}:
        each.close()
    return chosen


def open_twin(opened: socket.socket) -> socket.socket:
    """Return a socket with the address of one of `open_socket`, to which the system brings from now on what is said to
    a TURN server (RFC 8656): its requests, Send indications and ChannelData. All else comes to `opened` as before.

    So a client's datagrams are told apart by what they are, not by where it is: one address may have both, and no
    socket is made for it. A socket connected to each client would cost every other packet a comparison with each.
    Another user's socket cannot join the two, nor can one that is bound as `opened` was. Raises OSError where the
    system has no such thing (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5).
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    twin = open_socket(*opened.getsockname()[:2], shared=True)
    try:
        program = b"".join(_build_selection())
        octets = ctypes.create_string_buffer(program)
        told = struct.pack("HP", len(program) // 8, ctypes.addressof(octets))
        opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, told)
    except OSError:
        twin.close()
        raise
    return twin


def _build_selection() -> list[bytes]:
    """The program by which the system selects: 1 for the twin, which was bound second, 0 for the first. Once the twin
    is closed 1 means the first, too.
    """
    tests = len(_TURN_TYPES)
    return [
        _instruct(_LENGTH),
        _instruct(_ABOVE, 2, otherwise=4 + tests),
        _instruct(_LOAD16),
        _instruct(_ABOVE, _CHANNELS, otherwise=1),
        _instruct(_ABOVE, _NO_CHANNELS, then=1 + tests, otherwise=2 + tests),
        *(_instruct(_EQUAL, each, then=tests + 1 - k) for k, each in enumerate(_TURN_TYPES)),
        _instruct(_JUMP),
        _instruct(_RETURN, 0),
        _instruct(_RETURN, 1),
    ]


def _instruct(code: int, value: int = 0, *, then: int = 0, otherwise: int = 0) -> bytes:
    """One instruction (`struct sock_filter`); jumps count from the next."""
    return struct.pack("HBBI", code, then, otherwise, value)


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
