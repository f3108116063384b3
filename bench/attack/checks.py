"""Connectivity checks that are meant to lead somebody's media away."""

from __future__ import annotations

import socket
import struct

from bench.attack.viewers import FeedbackFlood

_OTHERS = tuple(f"127.0.0.{number}" for number in range(10, 14))


class CheckForger(FeedbackFlood):
    """Sends what it has captured of others again, from elsewhere, and nominates others' addresses for itself.

    Where it may open a raw socket (as root) its own checks come from the very addresses of the others, else from some
    other address of loopback.
    """

    name = "checks"

    def open(self) -> None:
        super().open()
        self._others = []
        for address in _OTHERS:
            opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            opened.bind((address, 0))
            opened.connect(self.target.media)
            self._others.append(opened)
        try:
            self._raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        except PermissionError:
            self._raw = None

    def step(self, count: int) -> None:
        super().step(0)
        for _ in range(count):
            self._turn += 1
            turn = self._turn // 2
            if self._turn % 2:
                self._send_from_elsewhere(self.target.captured[turn % len(self.target.captured)], turn)
                self.tally["replayed"] += 1
            elif self._raw is None:
                self._send_from_elsewhere(self.build_check(nominate=True), turn)
                self.tally["from elsewhere"] += 1
            else:
                self._forge(
                    self._raw, self.target.homes[turn % len(self.target.homes)], self.build_check(nominate=True)
                )
                self.tally["forged source"] += 1

    def build(self, ssrc: int, highest: int) -> bytes:
        raise NotImplementedError("it gives no feedback")

    def _send_from_elsewhere(self, data: bytes, turn: int) -> None:
        try:
            self._others[turn % len(self._others)].send(data)
        except (BlockingIOError, ConnectionRefusedError):
            self.tally["unsent"] += 1

    def _forge(self, raw: socket.socket, source: tuple[str, int], data: bytes) -> None:
        """As if `source` had sent it; the kernel fills in what is 0."""
        media = self.target.media
        here, there = socket.inet_aton(source[0]), socket.inet_aton(media[0])
        length = 8 + len(data)
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + length, 0, 0, 64, socket.IPPROTO_UDP, 0, here, there)
        raw.sendto(head + struct.pack("!HHHH", source[1], media[1], length, 0) + data, (media[0], 0))

    def close(self) -> None:
        super().close()
        for opened in getattr(self, "_others", []):
            opened.close()
        raw = getattr(self, "_raw", None)
        if raw is not None:
            raw.close()
