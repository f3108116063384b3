"""A full ICE agent with a DTLS client, and the path between it and an Endpoint, in virtual time."""

from __future__ import annotations

import datetime
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
from OpenSSL import SSL

from sfu.transport import (
    DEFAULT_PROFILES,
    Address,
    AddressesChanged,
    Closed,
    Connected,
    Endpoint,
    EndpointEvent,
    IceCredentials,
    Identity,
    SrtpKeys,
    SrtpProfile,
)

START = 1000.0
CONSENT_TIMEOUT = 15.0
HANDSHAKE_TIMEOUT = 10.0
HOME: Address = ("192.0.2.1", 40000)
LOCAL = IceCredentials("localufr", "local-password-24-octets")
REMOTE_UFRAG = "remo"

Lose = Callable[[int, bytes], bool]


def build_check(
    credentials: IceCredentials = LOCAL,
    *,
    remote: str = REMOTE_UFRAG,
    use_candidate: bool = False,
    role: str = "ICE-CONTROLLING",
    username: str | None = None,
    key: bytes | None = None,
) -> bytes:
    """A connectivity check as a full agent sends it."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{credentials.ufrag}:{remote}" if username is None else username
    message.attributes[role] = 0x1234567890ABCDEF
    message.attributes["PRIORITY"] = 1853824767
    if use_candidate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(credentials.pwd.encode() if key is None else key)
    return bytes(message)


class Client:
    """A DTLS client, or with `server` a server, on memory buffers; it sends what it said last once more when asked to.

    `ciphers` are OpenSSL's names; `rsa` makes its certificate one; with `cookie` a server first asks for one.
    """

    def __init__(
        self,
        profiles: Sequence[SrtpProfile] = DEFAULT_PROFILES,
        padding: int = 0,
        *,
        server: bool = False,
        rsa: bool = False,
        ciphers: str = "",
        cookie: bool = False,
    ) -> None:
        self.server = server
        key: Any = rsa_keys.generate_private_key(65537, 2048) if rsa else ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        self.certificate = builder.sign(key, hashes.SHA256())
        self.fingerprints = [
            (algorithm, self.certificate.fingerprint(digest).hex(":").upper())
            for algorithm, digest in (
                ("sha-256", hashes.SHA256()),
                ("sha-384", hashes.SHA384()),
                ("sha-512", hashes.SHA512()),
            )
        ]
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_options(SSL.OP_NO_QUERY_MTU)
        if ciphers:
            context.set_cipher_list(ciphers.encode())
        if cookie:
            context.set_options(SSL.OP_COOKIE_EXCHANGE)
            context.set_cookie_generate_callback(lambda connection: b"cookie")
            context.set_cookie_verify_callback(lambda connection, given: given == b"cookie")
        context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
        context.use_certificate(self.certificate)
        context.use_privatekey(key)
        if profiles:
            context.set_tlsext_use_srtp(b":".join(profile.openssl_name for profile in profiles))
        if padding:
            # ALPN names stand in for the size of a post-quantum key share.
            context.set_alpn_protos([bytes([97 + i % 26]) * 200 for i in range(padding // 200)])
        self.connection = SSL.Connection(context, None)
        self.connection.set_ciphertext_mtu(1200)
        if server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()
        self.established = False
        self.closed = False
        self.failed = False
        self.last_flight: list[bytes] = []

    def step(self, datagram: bytes = b"") -> list[bytes]:
        """Take a datagram; return datagrams to send."""
        try:
            if datagram:
                self.connection.bio_write(datagram)
            if not self.established:
                self.connection.do_handshake()
                self.established = True
            self.connection.recv(4096)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.closed = True
        except SSL.Error:
            self.failed = True
        return self.take()

    def take(self) -> list[bytes]:
        """What is to be sent: records packed into datagrams of at most 1200 octets."""
        output = b""
        try:
            while True:
                output += self.connection.bio_read(4096)
        except SSL.WantReadError:
            pass
        flight: list[bytes] = []
        while output:
            length = 13 + int.from_bytes(output[11:13])
            if flight and len(flight[-1]) + length <= 1200:
                flight[-1] += output[:length]
            else:
                flight.append(output[:length])
            output = output[length:]
        if flight:
            self.last_flight = flight
        return flight

    def keys(self) -> SrtpKeys:
        """Its view of the SRTP keys."""
        name = self.connection.get_selected_srtp_profile()
        profile = next(known for known in SrtpProfile if known.openssl_name == name)
        key, salt = profile.key_length, profile.salt_length
        material = self.connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client = material[:key] + material[2 * key :][:salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        local, remote = (server, client) if self.server else (client, server)
        return SrtpKeys(profile, local=local, remote=remote)


class Pair:
    """An Endpoint and a Client with 10 ms of path between, where `lose(n, datagram)` takes the n-th DTLS datagram."""

    def __init__(
        self,
        identity: Identity,
        *,
        client: Client | None = None,
        profiles: Sequence[SrtpProfile] = DEFAULT_PROFILES,
        lose_up: Lose = lambda number, datagram: False,
        lose_down: Lose = lambda number, datagram: False,
        find_origin: Callable[[Address], Address] = lambda address: address,
    ) -> None:
        self.now = START
        self.client = client or Client()
        self.endpoint = Endpoint(
            identity=identity,
            credentials=LOCAL,
            profiles=profiles,
            consent_timeout=CONSENT_TIMEOUT,
            handshake_timeout=HANDSHAKE_TIMEOUT,
            now=self.now,
            find_origin=find_origin,
        )
        self.address = HOME
        self.local = b""
        """To which of the server's addresses the client sends."""
        self.locals: list[bytes] = []
        """From which of them what was sent to it has left."""
        self.events: list[EndpointEvent] = []
        self.media: dict[Address, float] = {}
        self.stun_responses: list[tuple[stun.Message, Address]] = []
        self.up = self.down = 0
        self.down_sizes: list[int] = []
        self._lose_up, self._lose_down = lose_up, lose_down
        self._to_client: deque[bytes] = deque()

    def set_remote(self, fingerprints: Sequence[tuple[str, str]] | None = None) -> None:
        chosen = self.client.fingerprints if fingerprints is None else fingerprints
        self.endpoint.set_remote(
            ufrag=REMOTE_UFRAG, pwd="remote-password", fingerprints=chosen, dtls_client=self.client.server
        )
        self.drain()

    def check(self, address: Address | None = None, **options: Any) -> stun.Message | None:
        """Send a check; the response, if there is one."""
        before = len(self.stun_responses)
        self.endpoint.handle_datagram(build_check(**options), address or self.address, self.now, self.local)
        self.drain()
        new = self.stun_responses[before:]
        assert len(new) <= 1
        return new[0][0] if new else None

    def send(self, datagrams: Sequence[bytes], address: Address | None = None) -> None:
        """DTLS datagrams from the client."""
        for datagram in datagrams:
            self.up += 1
            if not self._lose_up(self.up, datagram):
                self.endpoint.handle_datagram(datagram, address or self.address, self.now, self.local)
        self.drain()

    def drain(self) -> None:
        while (event := self.endpoint.poll_event()) is not None:
            self.events.append(event)
        while (transmit := self.endpoint.poll_transmit()) is not None:
            datagram, address, local = transmit
            self.locals.append(local)
            if datagram[0] < 4:
                self.stun_responses.append((stun.parse_message(datagram), address))
                continue
            assert address == self.address
            self.down += 1
            self.down_sizes.append(len(datagram))
            if not self._lose_down(self.down, datagram):
                self._to_client.append(datagram)

    def wait(self, seconds: float, media: Address | None = None) -> None:
        """Let time pass, timers included; every 100 ms authentic media come from `media`."""
        end = self.now + seconds
        while self.now < end and self.closed() is None:
            self.now = min(self.now + 0.1, end)
            timeout = self.endpoint.poll_timeout()
            if media is not None:
                self.media[media] = self.now
            if timeout is not None and timeout <= self.now:
                for address, when in self.media.items():
                    self.endpoint.note_media(address, when)
                self.endpoint.handle_timeout(self.now)
            self.drain()

    def deliver(self) -> None:
        """Let everything under way arrive."""
        while self._to_client:
            self.now += 0.01
            self.send(self.client.step(self._to_client.popleft()))

    def advance(self) -> None:
        """Jump to the endpoint's next timer."""
        timeout = self.endpoint.poll_timeout()
        assert timeout is not None
        assert timeout > self.now
        self.now = timeout
        self.endpoint.handle_timeout(self.now)
        self.drain()

    def connect(self) -> None:
        """Signalling, a check and a handshake with nothing lost."""
        self.set_remote()
        assert self.check(use_candidate=True) is not None
        self.send([] if self.client.server else self.client.step())
        self.deliver()

    def connected(self) -> Connected | None:
        return next((event for event in self.events if isinstance(event, Connected)), None)

    def closed(self) -> Closed | None:
        return next((event for event in self.events if isinstance(event, Closed)), None)

    def selected(self) -> list[Address | None]:
        """Where to send, each change once."""
        told = [event.selected for event in self.events if isinstance(event, AddressesChanged)]
        return [address for address, _ in itertools.groupby(told)]

    def sent_from(self) -> list[bytes]:
        """From which of our addresses, each change once."""
        told = [event.local for event in self.events if isinstance(event, AddressesChanged)]
        return [local for local, _ in itertools.groupby(told)]

    def verified(self) -> tuple[Address, ...]:
        """What the owner knows of where the peer is."""
        return next((event.verified for event in reversed(self.events) if isinstance(event, AddressesChanged)), ())


@pytest.fixture(scope="session")
def identity() -> Identity:
    return Identity.generate(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC))


@pytest.fixture
def new_pair(identity: Identity) -> Callable[..., Pair]:
    """Makes a Pair; its arguments are Pair's."""
    return lambda **options: Pair(identity, **options)


@pytest.fixture
def new_client() -> Callable[..., Client]:
    """Makes a Client."""
    return Client


@pytest.fixture
def check() -> Callable[..., bytes]:
    """Makes a connectivity check."""
    return build_check
