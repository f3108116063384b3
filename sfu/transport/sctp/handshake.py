"""The four packets by which an association begins (RFC 9260 section 5), from either side or both at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from sfu.transport.sctp.chunks import Init
from sfu.transport.sctp.packet import (
    HEADER_LENGTH,
    MAX_PACKET_LENGTH,
    ChunkType,
    MalformedError,
    build_chunk,
    build_packet,
)

_TIMEOUT = 30.0
_INTERVAL, _INTERVAL_MAX = 0.5, 4.0
_PATIENCE = 0.25
"""So long the peer may begin before we do: nearly every one does at once, and some take an INIT that comes late for a
new association.
"""
_COOKIE_LENGTH = 16


class Handshake:
    """Our half of it. `peer` is what the other side has named, once it is known for good.

    What the peer names in its INIT is kept with the cookie that we gave for it: DTLS has shown already who it is, so a
    cookie need not prove that (RFC 8261 section 5).
    """

    def __init__(
        self, own: Init, ports: tuple[int, int], randbytes: Callable[[int], bytes], drops: Counter[str]
    ) -> None:
        """`own`: what we name, without a cookie; `ports`: ours and the peer's."""
        self.peer: Init | None = None
        self.begun = False
        self.cookie_sent = False
        self._own = own
        self._ports = ports
        self._randbytes = randbytes
        self._drops = drops
        self._offered: tuple[Init, bytes] | None = None  # the peer's INIT, and the cookie for it
        self._packet = b""  # is repeated
        self._due: float | None = None
        self._interval = _INTERVAL
        self._end = 0.0

    def start(self, now: float) -> None:
        """Begin."""
        self.begun = True
        self._end = now + _TIMEOUT
        self._due = now + _PATIENCE
        self._interval = _INTERVAL / 2
        self._ask()

    def poll_timeout(self) -> float | None:
        """When a packet is to be sent, again or for the first time, or it has taken too long."""
        return None if self._due is None else min(self._due, self._end)

    def is_over(self, now: float) -> bool:
        """Whether it has taken too long."""
        return self._due is not None and now >= self._end

    def poll_packet(self, now: float) -> bytes | None:
        """The packet that is due, or None."""
        if self._due is None or now < self._due:
            return None
        self._interval = min(2 * self._interval, _INTERVAL_MAX)
        self._due = now + self._interval
        return self._packet

    def answer_init(self, init: Init) -> bytes:
        """The INIT ACK for the peer's INIT. Another peer than the one known does not begin anew."""
        if self._offered is None or (self._offered[0] != init and self.peer is None):
            self._offered = (init, self._randbytes(_COOKIE_LENGTH))
        own = replace(self._own, cookie=self._offered[1])
        return self._pack(init.tag, [own.build(ChunkType.INIT_ACK)])

    def take_init_ack(self, value: bytes) -> bool:
        """The peer has answered: echo its cookie from now on; False: nothing was asked. Raises MalformedError."""
        if not self.begun or self.peer is not None:
            return False
        init = Init.read(value)
        if not 0 < len(init.cookie) <= MAX_PACKET_LENGTH - HEADER_LENGTH - 4:
            raise MalformedError("an INIT ACK has no cookie, or one that no packet of ours carries")
        self.peer = init
        self.cookie_sent = True
        self._packet = self._pack(init.tag, [build_chunk(ChunkType.COOKIE_ECHO, init.cookie)])
        self._at_once()
        return True

    def take_cookie(self, cookie: bytes) -> bool:
        """The peer echoes our cookie; False: it is none of ours, or from another peer than the one known."""
        if self._offered is None or cookie != self._offered[1]:
            self._drops["sctp_cookie"] += 1
            return False
        init = self._offered[0]
        if self.peer is not None and self.peer.tag != init.tag:
            self._drops["sctp_restart"] += 1
            return False
        self.peer = self.peer or init
        return True

    def begin_anew(self) -> None:
        """The peer says that its cookie was stale (RFC 9260 section 5.2.6)."""
        self.peer = None
        self.cookie_sent = False
        self._ask()
        self._at_once()

    def complete(self) -> None:
        """It is done: nothing is repeated any more."""
        self._due = None

    def _ask(self) -> None:
        self._packet = self._pack(0, [self._own.build(ChunkType.INIT)])

    def _at_once(self) -> None:
        self._due = float("-inf")
        self._interval = _INTERVAL / 2

    def _pack(self, tag: int, chunks: Sequence[bytes]) -> bytes:
        return build_packet(*self._ports, tag, chunks)
