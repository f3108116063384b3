"""Datagrams of a stranger: nothing of them is for anybody here."""

from __future__ import annotations

import ctypes
import os
import random
import socket
import struct

import numpy as np

from bench.attack.base import Attack
from bench.client import stun
from bench.generator.native import IOVEC, MMSGHDR

_SOURCES = tuple(f"127.0.0.{number}" for number in range(2, 10))
_POOL = 1024
"""Datagrams of each source, sent again and again."""
_AT_ONCE = 64
_MOST_BYTES = 1200
_libc = ctypes.CDLL(None, use_errno=True)


def make_junk(chance: random.Random) -> bytes:
    """A datagram of one of the protocols that share the port (RFC 7983 section 7), or of none."""
    size = chance.randrange(20, _MOST_BYTES)
    kind = chance.randrange(5)
    if kind == 0:
        username = f"{chance.randbytes(4).hex()}:{chance.randbytes(4).hex()}"
        return stun.build_check(username, "guessed", tie_breaker=os.urandom(8), nominate=True)
    if kind == 1:
        return b"\x16\xfe\xfd" + bytes(8) + struct.pack("!H", size) + b"\x01" + chance.randbytes(size - 1)
    if kind == 2:
        return struct.pack("!BB", 0x80, 96) + chance.randbytes(size)
    if kind == 3:
        return struct.pack("!BBH", 0x81, chance.choice((200, 201, 205, 206)), size // 4) + chance.randbytes(size)
    return chance.randbytes(size)


class JunkFlood(Attack):
    """From eight addresses, by `sendmmsg`, without segmentation: each is a datagram of its own to the node."""

    name = "junk"

    def open(self) -> None:
        chance = random.Random(1)
        self._sockets = []
        self._messages = []
        self._kept = []
        for source in _SOURCES:
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            opened.bind((source, 0))
            opened.connect(self.target.media)
            self._sockets.append(opened)
            pool = [np.frombuffer(make_junk(chance), np.uint8) for _ in range(_POOL)]
            iov, messages = np.zeros(_POOL, IOVEC), np.zeros(_POOL, MMSGHDR)
            for index, data in enumerate(pool):
                iov[index] = (data.ctypes.data, len(data))
                messages[index]["iov"] = iov.ctypes.data + index * IOVEC.itemsize
                messages[index]["iov_count"] = 1
            self._kept.append((pool, iov))
            self._messages.append(messages)
        self._turn = 0

    def step(self, count: int) -> None:
        while count > 0:
            batch = min(count, _AT_ONCE)
            count -= batch
            self._turn += 1
            which = self._turn % len(self._sockets)
            first = self._turn // len(self._sockets) * _AT_ONCE % _POOL
            at = self._messages[which].ctypes.data + first * MMSGHDR.itemsize
            sent = _libc.sendmmsg(self._sockets[which].fileno(), ctypes.c_void_p(at), batch, socket.MSG_DONTWAIT)
            if sent < 0:
                self.tally[f"errno {ctypes.get_errno()}"] += 1
            else:
                self.tally["sent"] += sent

    def close(self) -> None:
        for opened in self._sockets:
            opened.close()
