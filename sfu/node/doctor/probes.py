"""Looks at the machine. What cannot be found out is said so, and harms no other look."""

from __future__ import annotations

import contextlib
import ctypes
import email.utils
import http.client
import importlib.metadata
import json
import os
import platform
import socket
import ssl
import statistics
import struct
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from aioice import stun

import sfu
from sfu.node.doctor.checks import ClockFacts, DiskFacts, KernelFacts, PortFacts
from sfu.tcp import pump

_SOL_UDP, _UDP_SEGMENT, _UDP_GRO = 17, 103, 104
_STA_UNSYNC, _TIME_ERROR = 0x0040, 5
_ANSWER_S = 3.0
_TRIES = 3
_PART_BYTES, _PARTS = 512 * 1024, 16
_LIBRARIES = ("numba", "llvmlite", "numpy", "pylibsrtp", "pyOpenSSL", "cryptography", "av", "uvloop", "uvicorn")


def try_port(setting: str, host: str, port: int, *, udp: bool, ours: bool = False) -> PortFacts:
    """Bind a port as the node does, and let it go. `ours`: whether a node is known to run that may have it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = f"{'UDP' if udp else 'TCP'} {f'[{host}]' if ':' in host else host}:{port}"
    with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as trial:
        if not udp:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, port))
            if not udp:
                trial.listen(1)
        except OSError as error:
            return PortFacts(setting, place, error.errno, ours)
    return PortFacts(setting, place, None, ours)


def is_node(host: str, port: int) -> bool:
    """Whether a node answers at `/healthz` there."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reached, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/healthz")
        told = json.loads(connection.getresponse().read(1024))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
    return isinstance(told, dict) and "status" in told


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` (adjtimex(2)), and room for what follows."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read_clock() -> ClockFacts | None:
    """What the kernel knows of its clock; None where it does not tell."""
    asked = _Timex()
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    if state < 0:
        return None
    unsynchronised = state == _TIME_ERROR or asked.status & _STA_UNSYNC
    return ClockFacts(not unsynchronised, asked.maxerror / 1e6)


def measure_drift(url: str) -> float:
    """Seconds by which our clock is ahead of a web server's. Raises OSError or ValueError."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no HTTP URL")
    request = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(request, timeout=_ANSWER_S) as answer:
        told = email.utils.parsedate_to_datetime(answer.headers["Date"] or "")
    return time.time() - told.timestamp()


def read_buffer_limits() -> dict[str, int]:
    """The most that a socket's buffers may have, by name of the sysctl; those that cannot be read are missing."""
    found = {}
    for name in ("rmem_max", "wmem_max"):
        with contextlib.suppress(OSError, ValueError):  # not told in some containers
            found[f"net.core.{name}"] = int(Path(f"/proc/sys/net/core/{name}").read_text("ascii"))
    return found


def try_offload() -> tuple[bool, bool]:
    """Whether one message of several packets can be sent (UDP GSO) and received (GRO), on loopback."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(_ANSWER_S)
        receives = True
        try:
            receiver.setsockopt(_SOL_UDP, _UDP_GRO, 1)
        except OSError:
            receives = False
        try:
            sender.sendmsg([bytes(2000)], [(_SOL_UDP, _UDP_SEGMENT, struct.pack("@H", 500))], 0, receiver.getsockname())
            return True, receives and len(receiver.recv(65536)) == 2000
        except OSError:
            return False, receives


def try_congestion_control() -> bool:
    """Whether a TCP connection may have the congestion control that media want."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
        return pump.prefer_media(tcp)


def try_disk(folder: Path) -> DiskFacts | str:
    """Write some megabytes to a folder, part by part until each is on disk; the text of the error if that fails."""
    waits = []
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for _ in range(_PARTS):
                began = time.perf_counter()
                file.write(os.urandom(_PART_BYTES))
                file.flush()
                os.fsync(file.fileno())
                waits.append(time.perf_counter() - began)
        status = os.statvfs(folder)
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return DiskFacts(status.f_bavail * status.f_frsize, _PART_BYTES / statistics.mean(waits), max(waits))


def find_devices(folders: Sequence[Path]) -> dict[str, int]:
    """The number of the disk that each folder is on; those that are not there are missing."""
    found = {}
    for folder in folders:
        with contextlib.suppress(OSError):  # said by `try_disk`
            found[str(folder)] = folder.stat().st_dev
    return found


def ask_stun(server: str) -> str:
    """The address from which our packets come to a STUN server (RFC 8489). Raises OSError or ValueError."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{server!r}: write HOST:PORT")
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
    with socket.socket(address[0], socket.SOCK_DGRAM) as asking:
        asking.settimeout(_ANSWER_S / _TRIES)
        asking.connect(address[4])
        for _ in range(_TRIES):
            asking.send(bytes(request))
            with contextlib.suppress(TimeoutError):
                answer = stun.parse_message(asking.recv(2048))
                if answer.transaction_id == request.transaction_id and "XOR-MAPPED-ADDRESS" in answer.attributes:
                    return str(answer.attributes["XOR-MAPPED-ADDRESS"][0])
    raise TimeoutError(f"{server} does not answer")


def find_kernels() -> KernelFacts:
    """The cache of the compiled plane, and of the pump, which goes with it."""
    found = sfu.find_kernel_cache()
    folder = "" if found.folder is None else str(found.folder)
    return KernelFacts(folder, found.compiled and pump.is_compiled(), found.writable, found.known_compiler)


def read_versions() -> dict[str, str | None]:
    """The versions of what a node stands on; None: it is not installed."""
    found: dict[str, str | None] = {"Python": platform.python_version(), "OpenSSL": ssl.OPENSSL_VERSION.split()[1]}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found
