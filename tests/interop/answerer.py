"""A receiver that takes whatever a browser publishes: it answers the offer, decrypts, and asks for key frames.

It has no routing of ours in it, so that what it sees is what the browser sent.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import re
import socket
import time
from collections.abc import Callable

import pylibsrtp
from aiortc.rtp import RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpRtpfbPacket, pack_remb_fci

from sfu.transport.endpoint import Endpoint
from sfu.transport.endpoint_events import Closed, CloseReason, Connected
from sfu.transport.ice import IceCredentials
from sfu.transport.identity import Identity
from sfu.transport.srtp import DEFAULT_PROFILES, RtcpCipher, new_inbound

REPORT_S = 0.2
OUR_SSRC = 1
_PLI, _REMB = 1, 15
_RECEIVER_REPORT = 201

OnRtp = Callable[[bytes, float], None]


def host_address() -> str:
    """This machine's address on its own network: Firefox pairs no candidate with one on 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        return str(probe.getsockname()[0])


def attribute(section: str, name: str) -> str:
    """The first value of `a=name:` in a piece of SDP."""
    found = re.search(rf"^a={name}:(.*?)\r?$", section, re.MULTILINE)
    if found is None:
        raise ValueError(f"the offer has no a={name}")
    return found[1]


class Answerer(asyncio.DatagramProtocol):
    """One connection: give it the offer, set its answer in the browser, and it passes on every decrypted packet.

    `budget_bps` is what the sender is told that it may spend; lines of the offer that contain a `declined` word are
    left out of the answer.
    """

    def __init__(self, on_rtp: OnRtp, budget_bps: int, declined: tuple[str, ...] = ()) -> None:
        self._on_rtp = on_rtp
        self._budget_bps = budget_bps
        self._declined = (*declined, "transport-wide-cc", "transport-cc")
        self._identity = Identity.generate(datetime.datetime.now(datetime.UTC))
        self._endpoint = Endpoint(
            identity=self._identity,
            credentials=IceCredentials.generate(os.urandom),
            profiles=DEFAULT_PROFILES,
            consent_timeout=30.0,
            handshake_timeout=30.0,
            now=time.monotonic(),
        )
        self._peer: tuple[str, int] | None = None
        self._sources: dict[int, int] = {}  # highest sequence number by SSRC
        self.connected = asyncio.Event()

    async def open(self) -> None:
        """Bind a port."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host_address(), 0))
        self._ticker = asyncio.create_task(self._tick())

    async def close(self) -> None:
        self._ticker.cancel()
        self._endpoint.close(time.monotonic())
        self._flush()
        self._transport.close()

    def answer(self, offer: str) -> str:
        """Everything that the offer has, received by us, but congestion feedback other than REMB."""
        self._endpoint.set_remote(
            ufrag=attribute(offer, "ice-ufrag"),
            pwd=attribute(offer, "ice-pwd"),
            fingerprints=[tuple(attribute(offer, "fingerprint").split(" ", 1))],  # type: ignore[list-item]
        )
        session, *media = re.split(r"(?=^m=)", offer, flags=re.MULTILINE)
        head = [line for line in session.splitlines() if not line.startswith(("a=msid", "a=fingerprint", "a=ice"))]
        lines = [*head, "a=ice-lite"]
        for section in media:
            lines += self._answer_section(section)
        return "\r\n".join(lines) + "\r\n"

    def _answer_section(self, section: str) -> list[str]:
        credentials = self._endpoint.credentials
        host, port = self._transport.get_extra_info("sockname")[:2]
        lines = []
        for line in section.splitlines():
            if re.match(r"a=(msid|ssrc|ssrc-group|candidate|end-of-candidates|ice-\w+|fingerprint)\b", line):
                continue
            if any(word in line for word in self._declined):
                continue
            if line == "a=sendonly":
                line = "a=recvonly"
            elif line.startswith("a=setup:"):
                line = "a=setup:passive"
            elif line.startswith("a=extmap:"):
                line = re.sub(r"/(sendonly|recvonly)", "", line)
            elif line.startswith(("a=rid:", "a=simulcast:")):
                line = re.sub(r"\bsend\b", "recv", line)
            lines.append(line)
        return [
            *lines,
            f"a=ice-ufrag:{credentials.ufrag}",
            f"a=ice-pwd:{credentials.pwd}",
            f"a=fingerprint:sha-256 {self._identity.fingerprint}",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
        ]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pass

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = time.monotonic()
        if data and 128 <= data[0] < 192:
            if self.connected.is_set() and len(data) >= 12 and not 192 <= data[1] < 224:
                try:
                    packet = self._inbound.unprotect(data)
                except pylibsrtp.Error:  # a replay: who has no RTX sends the same packet again
                    return
                self._sources[int.from_bytes(packet[8:12])] = int.from_bytes(packet[2:4])
                self._on_rtp(packet, now)
            return
        self._endpoint.handle_datagram(data, addr, now)
        self._flush()

    def request_key_frames(self, ssrcs: list[int]) -> None:
        """Send a PLI (RFC 4585 section 6.3.1) for each."""
        for ssrc in ssrcs:
            self._send(bytes(RtcpPsfbPacket(fmt=_PLI, ssrc=OUR_SSRC, media_ssrc=ssrc)))

    def request_again(self, ssrc: int, sequences: list[int]) -> None:
        """Send a NACK (RFC 4585 section 6.2.1)."""
        self._send(bytes(RtcpRtpfbPacket(fmt=1, ssrc=OUR_SSRC, media_ssrc=ssrc, lost=sequences)))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._endpoint.handle_timeout(time.monotonic())
            self._flush()
            if self._sources:
                reports = [RtcpReceiverInfo(ssrc, 0, 0, highest, 0, 0, 0) for ssrc, highest in self._sources.items()]
                self._send(bytes(RtcpRrPacket(ssrc=OUR_SSRC, reports=reports[:31])))
                fci = pack_remb_fci(self._budget_bps, list(self._sources)[:31])
                self._send(bytes(RtcpPsfbPacket(fmt=_REMB, ssrc=OUR_SSRC, media_ssrc=0, fci=fci)))

    def _send(self, rtcp: bytes) -> None:
        if self._peer is not None and self.connected.is_set():
            if rtcp[1] != _RECEIVER_REPORT:
                rtcp = bytes(RtcpRrPacket(ssrc=OUR_SSRC)) + rtcp  # RFC 3550 section 6.1: a report comes first
            self._transport.sendto(self._cipher.protect(rtcp), self._peer)

    def _flush(self) -> None:
        while (event := self._endpoint.poll_event()) is not None:
            if isinstance(event, Connected):
                self._inbound = new_inbound(event.keys.profile, event.keys.remote)
                self._cipher = RtcpCipher(event.keys)
                self.connected.set()
            elif isinstance(event, Closed):
                self.connected.clear()
                if event.reason is CloseReason.REMOTE_CLOSE:
                    continue
                raise RuntimeError(f"the connection closed: {event.reason} {event.detail}")
            else:
                self._peer = event.address
        while (waiting := self._endpoint.poll_transmit()) is not None:
            self._transport.sendto(waiting.data, waiting.address)
