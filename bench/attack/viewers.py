"""Viewers with valid keys whose authentic feedback comes much too often."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from abc import abstractmethod

import httpx

from bench.attack.base import Attack
from bench.client import sdp, stun
from bench.client.connect import Client
from bench.client.dtls import ClientIdentity
from bench.errors import BenchError
from bench.links import Link, new_session
from bench.servers.planning import plan_streams

_CONSENT_S = 4.0
_SENDER = 0x0BAD0BAD
_TIE_BREAKER = bytes(range(8))
_READ_AT_ONCE = 512


class FeedbackFlood(Attack):
    """A viewer of everything in the room; it reads what comes, so that it knows what it can ask for."""

    def open(self) -> None:
        self._client = Client.create("127.0.0.1", ClientIdentity.generate())
        self._link = asyncio.run(self._join(self._client))
        keys = self._link.keys
        self._session = new_session(keys.profile, keys.local, outbound=True)
        self._video = {stream.ssrc for stream in self._link.streams if stream.kind == "video"}
        self._highest: dict[int, int] = {}
        self._turn = 0
        self._consent_at = 0.0

    async def _join(self, client: Client) -> Link:
        target = self.target
        wanted = [kind for _publisher in target.publishers for kind in target.kinds]
        sections = [sdp.offered_section(kind, str(index), "recvonly") for index, kind in enumerate(wanted)]
        async with httpx.AsyncClient(base_url=target.url, trust_env=False, timeout=30.0) as http:
            reply = await http.post(
                f"/rooms/{target.room}/whep",
                content=sdp.build(client.local, sections, setup="actpass"),
                headers={
                    "Authorization": f"Bearer {target.named_tokens[self.name]}",
                    "Content-Type": "application/sdp",
                },
            )
        if reply.status_code != 201:
            raise BenchError(f"{self.name} may not watch: {reply.status_code} {reply.text[:300]}")
        answer = sdp.parse(reply.text)
        self._remote = answer
        return await client.connect(answer, streams=plan_streams(sections, answer))

    def build_check(self, *, nominate: bool) -> bytes:
        """A fresh check of its own."""
        username = f"{self._remote.ufrag}:{self._client.local.ufrag}"
        return stun.build_check(username, self._remote.pwd, tie_breaker=_TIE_BREAKER, nominate=nominate)

    def step(self, count: int) -> None:
        self._read()
        now = time.monotonic()
        if now >= self._consent_at:
            self._consent_at = now + _CONSENT_S
            self._send(self.build_check(nominate=False))
        streams = list(self._highest)
        if not streams:
            return
        for _ in range(count):
            self._turn += 1
            ssrc = streams[self._turn % len(streams)]
            self._send(self._session.protect_rtcp(self.build(ssrc, self._highest[ssrc])))
            self.tally["sent"] += 1

    @abstractmethod
    def build(self, ssrc: int, highest: int) -> bytes:
        """One packet of feedback on a stream, of which the packet numbered `highest` came last."""

    def _read(self) -> None:
        for _ in range(_READ_AT_ONCE):
            try:
                data = self._link.socket.recv(2048)
            except (BlockingIOError, ConnectionRefusedError):
                return
            if len(data) > 12 and 128 <= data[0] < 192 and not 192 <= data[1] < 224:
                sequence, ssrc = struct.unpack("!2xH4xI", data[:12])
                if ssrc in self._video:
                    self._highest[ssrc] = sequence
                self.tally["received"] += 1

    def _send(self, data: bytes) -> None:
        try:
            self._link.socket.send(data)
        except (BlockingIOError, ConnectionRefusedError):
            self.tally["unsent"] += 1

    def close(self) -> None:
        link: Link | None = getattr(self, "_link", None)
        if link is not None:
            link.socket.shutdown(socket.SHUT_RDWR)
            link.socket.close()


class NackFlood(FeedbackFlood):
    """Asks for the last seventeen packets again and again (RFC 4585 section 6.2.1)."""

    name = "nacks"

    def build(self, ssrc: int, highest: int) -> bytes:
        return struct.pack("!BBHIIHH", 0x81, 205, 3, _SENDER, ssrc, (highest - 16) & 0xFFFF, 0xFFFF)


class PliFlood(FeedbackFlood):
    """Asks for key frames (RFC 4585 section 6.3.1)."""

    name = "plis"

    def build(self, ssrc: int, highest: int) -> bytes:
        return struct.pack("!BBHII", 0x81, 206, 2, _SENDER, ssrc)
