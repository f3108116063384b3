"""A plane with raw SRTP peers around it: real sockets and real libsrtp, no ICE or DTLS."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterator

import pytest
from aioice import stun
from pylibsrtp import Error, Policy, Session

from sfu.routing.plane import Plane, PlaneLimits, link_planes
from sfu.wire.extensions import Extension

PROFILES = {
    "AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
    "AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
    "AES128_CM_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
}


def make_session(profile: str, direction: int, fill: int) -> Session:
    number, length = PROFILES[profile]
    policy = Policy(key=bytes([fill]) * length, ssrc_type=direction, srtp_profile=number)
    policy.window_size = 128
    return Session(policy)


def rtp(
    sequence: int,
    payload: bytes,
    *,
    ssrc: int = 0x1234,
    payload_type: int = 96,
    timestamp: int = 1000,
    marker: bool = False,
    extensions: dict[int, bytes] | None = None,
    padding: int = 0,
) -> bytes:
    """Build a plain RTP packet with one-byte extensions."""
    first = 0x80 | (0x10 if extensions else 0) | (0x20 if padding else 0)
    head = struct.pack("!BBHII", first, payload_type | (0x80 if marker else 0), sequence, timestamp, ssrc)
    if extensions:
        block = b"".join(bytes([(k << 4) | (len(v) - 1)]) + v for k, v in extensions.items())
        block += bytes(-len(block) % 4)
        head += struct.pack("!HH", 0xBEDE, len(block) // 4) + block
    return head + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def build_check(ufrag: str, *, remote: str = "remo", software: str = "") -> bytes:
    """A connectivity check, as an agent builds it."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    if software:
        message.attributes["SOFTWARE"] = software
    message.attributes["USERNAME"] = f"{ufrag}:{remote}"
    message.add_message_integrity(b"password")
    return bytes(message)


class RawPeer:
    """A client socket with both SRTP directions, known to a plane as one connection."""

    def __init__(
        self, plane: Plane, fill: int, profile: str = "AEAD_AES_128_GCM", keyed: bool = True, host: str = "127.0.0.1"
    ) -> None:
        self.plane = plane
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.connect((host, plane.port))
        self.send_srtp = make_session(profile, Policy.SSRC_ANY_OUTBOUND, fill)
        self.receive_srtp = make_session(profile, Policy.SSRC_ANY_INBOUND, fill + 100)
        self.connection = plane.open_connection()
        if keyed:
            plane.set_keys(
                self.connection,
                make_session(profile, Policy.SSRC_ANY_INBOUND, fill),
                make_session(profile, Policy.SSRC_ANY_OUTBOUND, fill + 100),
            )
        plane.addresses.set(self.connection, [self.socket.getsockname()[:2]], self.socket.getsockname()[:2])

    def send(self, packet: bytes) -> bytes:
        """Encrypt and send; returns what went out."""
        protected = self.send_srtp.protect(packet)
        self.socket.send(protected)
        return protected

    def receive(self, count: int, timeout: float = 5.0) -> list[bytes]:
        """Wait for `count` packets, decrypted."""
        found: list[bytes] = []
        while len(found) < count and select.select([self.socket], [], [], timeout)[0]:
            found.append(self.receive_srtp.unprotect(self.socket.recv(2048)))
        return found

    def ask(self, row: int, first: int, mask: int = 0, *, interval_ms: int) -> None:
        """Ask for packets of a subscription again, by NACK (RFC 4585 section 6.2.1), and wait until it was heard."""
        wait_until(lambda: self.plane.settled)
        self.plane._tables.subscriptions[row]["repeat_interval_ms"] = interval_ms
        state = self.plane.subscription_state(row)
        self.send_rtcp(struct.pack("!BBHIIHH", 0x81, 205, 3, 1, state.ssrc, first, mask))
        wait_until(lambda: self.plane.subscription_state(row).nacks == state.nacks + 1 + mask.bit_count())

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send."""
        self.socket.send(self.send_srtp.protect_rtcp(packet))

    def silent(self) -> bool:
        """Whether nothing waits in the socket."""
        return not select.select([self.socket], [], [], 0)[0]


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll for something the plane's thread is about to do, for at most five seconds."""
    never = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for _ in range(5000):
            if condition():
                return
            select.select([never], [], [], 0.001)
    finally:
        never.close()
    raise AssertionError("the plane did not get there within five seconds")


@pytest.fixture
def make_planes() -> Iterator[Callable[[int], list[Plane]]]:
    made: list[Plane] = []

    def make(count: int, host: str = "127.0.0.1") -> list[Plane]:
        planes = [Plane(k, host=host, port=0, limits=PlaneLimits(64, 64, 64, 256)) for k in range(count)]
        link_planes(planes)
        for plane in planes:
            plane.start()
        made.extend(planes)
        return planes

    yield make
    for plane in made:
        plane.stop()


@pytest.fixture
def plane(make_planes: Callable[[int], list[Plane]]) -> Plane:
    return make_planes(1)[0]


@pytest.fixture
def make_peer() -> Iterator[Callable[..., RawPeer]]:
    made: list[RawPeer] = []

    def make(plane: Plane, fill: int, **options: object) -> RawPeer:
        made.append(RawPeer(plane, fill, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for peer in made:
        peer.socket.close()


EXTENSIONS = {
    Extension.MID: 1,
    Extension.AUDIO_LEVEL: 2,
    Extension.ABS_SEND_TIME: 3,
    Extension.TRANSPORT_SEQUENCE: 4,
}

__all__ = ["EXTENSIONS", "Error", "RawPeer", "build_check", "make_session", "rtp", "wait_until"]
