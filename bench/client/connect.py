"""Bring one socket from SDP to keys: ICE check, nomination, DTLS; retransmitting, bounded in time."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from OpenSSL import SSL

from bench.client import stun
from bench.client.dtls import ClientIdentity, DtlsClient, DtlsError
from bench.client.sdp import Description, LocalIdentity
from bench.errors import BenchError
from bench.generator.layout import CONSENTS
from bench.links import EncodingPlan, Link, MediaKeys, StreamPlan

#: First retransmission of a check, doubling: browsers ping a path that has not answered every 50 ms or so.
_RETRY_S = 0.05
_MAX_RETRY_S = 1.0
_RECEIVE_BUFFER_BYTES = 4 << 20
_SO_RCVBUFFORCE = 33


@dataclass(frozen=True)
class Client:
    """A simulated client that has a socket and credentials but is not connected yet."""

    socket: socket.socket
    local: LocalIdentity
    identity: ClientIdentity

    @classmethod
    def create(cls, host: str, identity: ClientIdentity) -> Client:
        """Bind a UDP socket on `host`, any port."""
        sock = open_socket(host)
        local = LocalIdentity(secrets.token_hex(4), secrets.token_hex(12), identity.fingerprint, sock.getsockname())
        return cls(sock, local, identity)

    async def connect(
        self,
        remote: Description,
        *,
        encodings: Sequence[EncodingPlan] = (),
        streams: Sequence[StreamPlan] = (),
        transport_sequence_id: int = 0,
        timeout_s: float = 20.0,
    ) -> Link:
        """Run ICE and DTLS toward the server's candidate; BenchError when it does not come to that.

        What was agreed on for media is handed on with the Link.
        """
        assert remote.address is not None
        self.socket.connect(remote.address)
        handshake = _Handshake(self, remote)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.socket, handshake.handle_readable)
        try:
            keys = await asyncio.wait_for(handshake.run(), timeout_s)
        except TimeoutError as error:
            raise BenchError(f"the server did not complete ICE and DTLS within {timeout_s:.0f} s") from error
        finally:
            loop.remove_reader(self.socket)
        return Link(
            socket=self.socket,
            keys=keys,
            encodings=tuple(encodings),
            streams=tuple(streams),
            transport_sequence_id=transport_sequence_id,
            consents=[handshake.build_check(nominate=False) for _ in range(CONSENTS)],
            answer_check=handshake.answer_check,
        )


def open_socket(host: str) -> socket.socket:
    """A non-blocking UDP socket whose receive buffer is large enough not to be what loses packets."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    enlarge_receive_buffer(sock)
    sock.bind((host, 0))
    return sock


def enlarge_receive_buffer(sock: socket.socket) -> None:
    """Beyond what everybody is allowed, where we may: a second of media must find room while others compute."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER_BYTES)
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)


class _Handshake:
    def __init__(self, client: Client, remote: Description) -> None:
        self._client = client
        self._remote = remote
        self._tie_breaker = os.urandom(8)
        self._dtls = DtlsClient(client.identity, remote.fingerprint)
        self._pending: bytes | None = None
        self._nominated = False
        self._started = False
        self._wait_s = _RETRY_S
        self._done: asyncio.Future[MediaKeys] = asyncio.get_running_loop().create_future()

    def build_check(self, *, nominate: bool) -> bytes:
        """A check toward the server."""
        username = f"{self._remote.ufrag}:{self._client.local.ufrag}"
        return stun.build_check(username, self._remote.pwd, tie_breaker=self._tie_breaker, nominate=nominate)

    def answer_check(self, request: bytes) -> bytes | None:
        """The response to a full agent's own check."""
        if stun.message_type(request) != stun.BINDING_REQUEST or self._remote.address is None:
            return None
        return stun.build_success(request, self._remote.address, self._client.local.pwd)

    async def run(self) -> MediaKeys:
        """Drive the timers until the keys are there."""
        self._wait_s = _RETRY_S
        self._check(nominate=False)
        while True:
            try:
                return await asyncio.wait_for(asyncio.shield(self._done), self._wait_s)
            except TimeoutError:
                self._wait_s = min(2 * self._wait_s, _MAX_RETRY_S)
                if self._started:
                    self._send(self._dtls.handle_timeout())
                else:
                    self._check(nominate=self._nominated)

    def _check(self, *, nominate: bool) -> None:
        self._nominated = nominate
        self._pending = self.build_check(nominate=nominate)
        self._send([self._pending])

    def _send(self, datagrams: Sequence[bytes]) -> None:
        for datagram in datagrams:
            try:
                self._client.socket.send(datagram)
            except (BlockingIOError, ConnectionRefusedError):
                continue  # a lost datagram: the timers send it again

    def handle_readable(self) -> None:
        """Take every datagram that waits."""
        while True:
            try:
                data = self._client.socket.recv(2048)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            try:
                self._handle_datagram(data)
            except (DtlsError, SSL.Error) as error:
                if not self._done.done():
                    self._done.set_exception(error)
                return

    def _handle_datagram(self, data: bytes) -> None:
        if not data:
            return
        if data[0] < 4:
            self._handle_stun(data)
        elif 20 <= data[0] < 64:
            self._started = True
            self._send(self._dtls.handle_datagram(data))
            if self._dtls.keys is not None and not self._done.done():
                self._done.set_result(self._dtls.keys)

    def _handle_stun(self, data: bytes) -> None:
        kind = stun.message_type(data)
        answer = self.answer_check(data)
        if answer is not None:
            self._send([answer])
        elif kind == stun.BINDING_SUCCESS and self._pending is not None:
            if stun.transaction_id(data) != stun.transaction_id(self._pending):
                return
            self._pending = None
            if not self._nominated:
                self._check(nominate=True)
            elif not self._started:
                self._started = True
                self._wait_s = _RETRY_S
                self._send(self._dtls.start())
