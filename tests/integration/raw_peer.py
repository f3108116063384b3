"""A client in its parts: checks, a DTLS handshake in either role, SRTP; it does what it is told and nothing else."""

from __future__ import annotations

import asyncio
import datetime
import re
import secrets
import socket
import struct
from collections.abc import Callable

from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

from tests.unit.offers import FINGERPRINT

PATIENCE_S = 10.0


class RawPeer:
    """Its sockets are connected to the server's candidate; `passive` waits for the server to begin the handshake."""

    def __init__(self, *, passive: bool = False) -> None:
        self.passive = passive
        self.ufrag, self.pwd = secrets.token_hex(4), secrets.token_hex(12)
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "raw")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        certificate = builder.sign(key, hashes.SHA256())
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
        self._dtls = SSL.Connection(context, None)
        self._dtls.set_ciphertext_mtu(1200)
        if passive:
            self._dtls.set_accept_state()
        else:
            self._dtls.set_connect_state()
        self._sockets: list[socket.socket] = []
        self.answered: dict[socket.socket, int] = {}
        """Successful responses to checks, by where they came."""
        self.heard: dict[socket.socket, list[bytes]] = {}
        """Decrypted RTP, by where it came."""
        self.feedback: list[bytes] = []
        """Decrypted RTCP."""
        self._established = False

    def describe(self, sdp: str) -> str:
        """An offer or answer of tests/unit/offers.py, as this client's."""
        sdp = re.sub(r"a=ice-ufrag:.*?\r\n", f"a=ice-ufrag:{self.ufrag}\r\n", sdp)
        sdp = re.sub(r"a=ice-pwd:.*?\r\n", f"a=ice-pwd:{self.pwd}\r\n", sdp)
        return sdp.replace(FINGERPRINT, self.fingerprint)

    def read(self, sdp: str) -> None:
        """Take the server's description."""

        def value(pattern: str) -> tuple[str, ...]:
            found = re.search(pattern, sdp)
            assert found is not None, pattern
            return found.groups()

        self._remote_ufrag, self._remote_pwd = *value(r"a=ice-ufrag:(\S+)"), *value(r"a=ice-pwd:(\S+)")
        (self._remote_fingerprint,) = value(r"a=fingerprint:sha-256 (\S+)")
        found = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+)", sdp)
        self.candidates = [(ip, int(port)) for ip, port in found]

    def open(self, remote: tuple[str, int] | None = None, near: tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
        """One more socket, as of another network; `remote`: towards that candidate, not the first one."""
        opened = socket.socket(socket.AF_INET6 if ":" in near[0] else socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(near)
        opened.connect(remote or self.candidates[0])
        return self.adopt(opened)

    def adopt(self, opened: socket.socket) -> socket.socket:
        """Use a socket that was connected elsewhere."""
        opened.setblocking(False)
        self._sockets.append(opened)
        self.answered[opened] = 0
        self.heard[opened] = []
        asyncio.get_running_loop().add_reader(opened, self._read, opened)
        return opened

    def close(self) -> None:
        for opened in self._sockets:
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()
        self._sockets.clear()

    def shut_down(self, where: socket.socket) -> None:
        """End DTLS in order."""
        self._dtls.shutdown()
        self._flush(where)

    def check(self, where: socket.socket, *, nominate: bool = False) -> None:
        where.send(self.build_check(nominate=nominate))

    def build_check(self, *, nominate: bool = False) -> bytes:
        message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        message.attributes["USERNAME"] = f"{self._remote_ufrag}:{self.ufrag}"
        message.attributes["ICE-CONTROLLING"] = 1
        message.attributes["PRIORITY"] = 1853824767
        if nominate:
            message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(self._remote_pwd.encode())
        return bytes(message)

    async def connect(self, where: socket.socket) -> None:
        """Nominate, and shake hands."""
        self.check(where, nominate=True)
        await self.until(lambda: self.answered[where] > 0)
        if not self.passive:
            self._advance(where)
        await self.until(lambda: self._established)
        certificate = self._dtls.get_peer_certificate()
        assert certificate is not None
        assert certificate.digest("sha256").decode() == self._remote_fingerprint
        material = self._dtls.export_keying_material(b"EXTRACTOR-dtls_srtp", 56)
        client, server = material[:16] + material[32:44], material[16:32] + material[44:]
        mine, theirs = (server, client) if self.passive else (client, server)
        self._protect = Session(
            Policy(key=mine, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
        )
        self._unprotect = Session(
            Policy(key=theirs, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_128_GCM)
        )

    def send_rtp(
        self,
        where: socket.socket,
        sequence: int,
        *,
        ssrc: int = 1000,
        payload_type: int = 111,
        payload: bytes = b"media",
        marker: bool = False,
    ) -> None:
        second = payload_type | 0x80 * marker
        head = struct.pack("!BBHII", 0x80, second, sequence & 0xFFFF, 960 * sequence & 0xFFFFFFFF, ssrc)
        where.send(self._protect.protect(head + payload))

    def send_report(self, where: socket.socket) -> None:
        """An empty receiver report."""
        where.send(self._protect.protect_rtcp(b"\x80\xc9\x00\x01" + (77).to_bytes(4)))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what has no event."""
        for _ in range(int(PATIENCE_S / 0.01)):
            if condition():
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it did not come")

    def _read(self, where: socket.socket) -> None:
        try:
            data = where.recv(2048)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if data[0] < 4:
            message = stun.parse_message(data)
            self.answered[where] += message.message_class is stun.Class.RESPONSE
        elif 20 <= data[0] < 64:
            self._dtls.bio_write(data)
            self._advance(where)
        elif not self._established:
            return
        elif 192 <= data[1] < 224:
            self.feedback.append(self._unprotect.unprotect_rtcp(data))
        else:
            self.heard[where].append(self._unprotect.unprotect(data))

    def _advance(self, where: socket.socket) -> None:
        try:
            if not self._established:
                self._dtls.do_handshake()
                self._established = True
            self._dtls.recv(2048)
        except (SSL.WantReadError, SSL.ZeroReturnError):
            pass
        self._flush(where)

    def _flush(self, where: socket.socket) -> None:
        flight = b""
        while True:
            try:
                flight += self._dtls.bio_read(4096)
            except SSL.WantReadError:
                break
        while flight:
            length = 13 + int.from_bytes(flight[11:13])
            where.send(flight[:length])
            flight = flight[length:]
