"""A town of network namespaces: a node in one, people in others, each with a way of its own. Nothing leaves it."""

from __future__ import annotations

import ctypes
import itertools
import os
import shutil
import socket
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

NODE4, NODE6 = "10.77.0.1", "fd77::1"
"""The node's addresses, which are at the end of every way."""
PROXY_PORT = 3128


def possible() -> bool:
    """Whether namespaces can be made here: it takes root, which some containers do not really have, and iproute2."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"sfu{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode == 0
    if made:
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    return made


def ip(*arguments: str) -> None:
    """Run iproute2's command."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr.strip()}"


def open_in(namespace: str, opens: Callable[[], socket.socket]) -> socket.socket:
    """What `opens` makes in a thread that is in a namespace; the socket stays there, whoever uses it."""
    made: list[socket.socket | BaseException] = []

    def go() -> None:
        try:
            with open(f"/var/run/netns/{namespace}", "rb") as entrance:
                if _libc.setns(entrance.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(opens())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            made.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    (found,) = made
    if isinstance(found, BaseException):
        raise found
    return found


_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class Town:
    """Namespaces named after this process; they vanish with everything in them at the end."""

    def __init__(self) -> None:
        self._prefix = f"sfu{os.getpid()}"
        self._made: list[str] = []
        self._numbers = itertools.count(1)
        self._links: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {}
        self.links: dict[str, str] = {}
        """The address that the node has on the link to somebody's house, beside those that it has for all."""
        self._folder = Path(tempfile.mkdtemp(prefix="sfu-town-"))

    def __enter__(self) -> Self:
        self.node = self._add("node")
        for address in (f"{NODE4}/32", f"{NODE6}/128"):
            ip("-n", self.node, "addr", "add", address, "dev", "lo")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._made:
            ip("netns", "del", name)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add(self, name: str) -> str:
        made = f"{self._prefix}-{name}"
        ip("netns", "add", made)
        self._made.append(made)
        ip("-n", made, "link", "set", "lo", "up")
        return made

    def _join(self, near: str, far: str, *, version: int) -> str:
        """A link from `near` to `far`, over which `near` finds all that is there; return the address of `far` on it."""
        number = next(self._numbers)
        ends = f"v{number}n", f"v{number}f"
        ip("-n", near, "link", "add", ends[0], "type", "veth", "peer", ends[1], "netns", far)
        self._links[near] = (near, ends[0]), (far, ends[1])
        base, mask = (f"10.77.{number}.", "30") if version == 4 else (f"fd77:{number}::", "64")
        for namespace, device, last in ((near, ends[0], 2), (far, ends[1], 1)):
            lasting = ["nodad"] if version == 6 else []
            ip("-n", namespace, "addr", "add", f"{base}{last}/{mask}", "dev", device, *lasting)
            ip("-n", namespace, "link", "set", device, "up")
        ip("-n", near, f"-{version}", "route", "add", "default", "via", f"{base}1")
        if far == self.node:  # it answers from the address that it has told
            net, own = (f"{base}0/{mask}", NODE4) if version == 4 else (f"{base}/{mask}", NODE6)
            former = ["src", f"{base}1"] if version == 4 else ["metric", "256"]
            ip("-n", far, f"-{version}", "route", "add", net, "dev", ends[1], "src", own, "metric", "1")
            ip("-n", far, f"-{version}", "route", "del", net, "dev", ends[1], *former)
        return f"{base}1"

    def house(self, name: str, *, version: int = 4) -> str:
        """A namespace of somebody who reaches the node."""
        made = self._add(name)
        self.links[made] = self._join(made, self.node, version=version)
        return made

    def house_at_two_links(self, name: str) -> tuple[str, tuple[str, str], list[str]]:
        """A namespace with two links to the node, its addresses on the first of these, and all of the node's that it
        reaches: two on the first link, one on the other, of IPv4 and of IPv6.
        """
        made = self._add(name)
        reached = []
        for number, lasts in ((1, (1, 5)), (2, (1,))):
            ends = f"t{number}n", f"t{number}f"
            ip("-n", made, "link", "add", ends[0], "type", "veth", "peer", ends[1], "netns", self.node)
            for namespace, device, own in ((made, ends[0], (2,)), (self.node, ends[1], lasts)):
                for last in own:
                    ip("-n", namespace, "addr", "add", f"10.78.{number}.{last}/24", "dev", device)
                    ip("-n", namespace, "addr", "add", f"fd78:{number}::{last}/64", "dev", device, "nodad")
                ip("-n", namespace, "link", "set", device, "up")
            reached += [f"10.78.{number}.{last}" for last in lasts] + [f"fd78:{number}::{last}" for last in lasts]
        return made, ("10.78.1.2", "fd78:1::2"), reached

    def house_behind_firewall(self, name: str, port: int) -> str:
        """A namespace from which one TCP port is reached; all else is dropped on the way, without a word."""
        made, firewall = self._add(name), self._add(f"{name}-firewall")
        to_node = self._join(firewall, self.node, version=4)
        inside = self._join(made, firewall, version=4)
        net = f"{inside.removesuffix('1')}0/30"
        back = f"{to_node.removesuffix('1')}2"
        ip("-n", self.node, "route", "add", net, "via", back, "src", NODE4)
        forward = "echo 1 > /proc/sys/net/ipv4/ip_forward"
        subprocess.run(self.command(firewall, "sh", "-c", forward), check=True, timeout=10)
        rule = ["-n", firewall, "rule", "add", "from", net]
        ip(*rule, "pref", "100", "ipproto", "tcp", "dport", str(port), "lookup", "main")
        ip(*rule, "pref", "200", "blackhole")
        return made

    def house_behind_proxy(self, name: str) -> tuple[str, str, str]:
        """A namespace from which nothing but a proxy is reached: it, the proxy's own namespace and address."""
        made, proxy = self._add(name), self._add(f"{name}-proxy")
        self._join(proxy, self.node, version=4)
        address = self._join(made, proxy, version=4)
        ip("-n", made, "route", "del", "default")
        return made, proxy, address

    def narrow(self, namespace: str, kbits: int) -> None:
        """Let no more than this go over somebody's link, each way; what waits longer than 200 ms is dropped."""
        for end, device in self._links[namespace]:
            shaped = f"tc qdisc add dev {device} root tbf rate {kbits}kbit burst 16kb latency 200ms"
            subprocess.run(self.command(end, *shaped.split()), check=True, timeout=10)

    def command(self, namespace: str, *command: str) -> list[str]:
        """A command such that it runs in a namespace; `ip` replaces itself, so the process is the command's."""
        return ["ip", "netns", "exec", namespace, *command]

    def wrap(self, namespace: str, program: str, flags: Sequence[str] = ()) -> str:
        """A program that runs another one in a namespace, for those who start what they are given."""
        path = self._folder / f"{namespace}-{Path(program).name}"
        path.write_text("#!/bin/sh\n" + " ".join(["exec", *self.command(namespace, program, *flags), '"$@"']) + "\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)
