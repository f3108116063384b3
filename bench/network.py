"""Where the traffic runs: two network namespaces of the run's own, joined by a veth pair, or loopback.

Janus never gathers candidates on loopback, and figures only compare over the same kind of path, so by
default every server runs in one namespace and the generator in the other. Nothing leaves them.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from types import TracebackType
from typing import Protocol

from bench.errors import BenchError

_CLONE_NEWNET = 0x40000000
_SERVER_HOST = "10.203.0.1"
_CLIENT_HOST = "10.203.0.2"


class Network(Protocol):
    """A path between a server and the generator."""

    name: str
    server_host: str
    client_host: str

    def server_command(self, command: list[str]) -> list[str]:
        """`command` such that it runs on the server's side."""

    def __enter__(self) -> Network:
        """Set the path up and move this thread to the generator's side."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take down what was set up."""


class Loopback:
    """127.0.0.1, without privileges and without Janus."""

    name = "loopback"
    server_host = "127.0.0.1"
    client_host = "127.0.0.1"

    def server_command(self, command: list[str]) -> list[str]:
        """The command itself."""
        return command

    def __enter__(self) -> Loopback:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class VethPair:
    """Two namespaces named after this process; both vanish with everything in them at the end."""

    name = "veth"
    server_host = _SERVER_HOST
    client_host = _CLIENT_HOST

    def __init__(self) -> None:
        self._server_ns = f"bench-{os.getpid()}-s"
        self._client_ns = f"bench-{os.getpid()}-c"
        self._made: list[str] = []
        self._home_fd = -1

    def server_command(self, command: list[str]) -> list[str]:
        """The command inside the server's namespace; `ip` replaces itself, so the pid is the command's."""
        return ["ip", "netns", "exec", self._server_ns, *command]

    def __enter__(self) -> VethPair:
        if os.geteuid() != 0:
            raise BenchError("network namespaces need root: run as root, or pass --loopback (then without Janus)")
        self._home_fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._build()
            _set_namespace(f"/run/netns/{self._client_ns}")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _build(self) -> None:
        for name in (self._server_ns, self._client_ns):
            _ip("netns", "add", name)
            self._made.append(name)
        ends = ((self._server_ns, "bench-s", _SERVER_HOST), (self._client_ns, "bench-c", _CLIENT_HOST))
        _ip(
            "-n", self._server_ns, "link", "add", "bench-s", "type", "veth", "peer", "bench-c", "netns", self._client_ns
        )
        for namespace, device, host in ends:
            _ip("-n", namespace, "addr", "add", f"{host}/30", "dev", device)
            _ip("-n", namespace, "link", "set", "lo", "up")
            _ip("-n", namespace, "link", "set", device, "up")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._home_fd >= 0:
            _set_namespace(self._home_fd)
            os.close(self._home_fd)
            self._home_fd = -1
        while self._made:
            _ip("netns", "del", self._made.pop())


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=10.0, check=False)
    except FileNotFoundError as error:
        raise BenchError("the `ip` command is missing: apt-get install iproute2") from error
    if done.returncode != 0:
        raise BenchError(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")


def _set_namespace(where: str | int) -> None:
    """Move this thread, and those it starts from now on, into a network namespace (setns(2))."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(where, os.O_RDONLY | os.O_CLOEXEC) if isinstance(where, str) else where
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise BenchError(f"setns failed: {os.strerror(ctypes.get_errno())}")
    finally:
        if isinstance(where, str):
            os.close(descriptor)
