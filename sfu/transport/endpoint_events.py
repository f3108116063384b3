"""What an Endpoint tells its owner."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple

from sfu.transport.ice import Address, RoutineChecks
from sfu.transport.srtp import SrtpKeys


class Transmit(NamedTuple):
    """A datagram to be sent."""

    data: bytes
    address: Address
    """Where to."""
    local: bytes
    """From which of our addresses: as it was given with what came there."""


class CloseReason(enum.StrEnum):
    """Why an endpoint closed by itself."""

    CONSENT_LOST = "consent_lost"
    """Nothing authentic, neither checks nor media, came for the consent time-out: the peer is gone (RFC 7675)."""
    HANDSHAKE_FAILED = "handshake_failed"
    """DTLS found no common ground, or the peer broke its rules."""
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    """No keys within the handshake time-out: no path, or a peer that never came."""
    FINGERPRINT_MISMATCH = "fingerprint_mismatch"
    """The peer's certificate is not the one that signalling named: an impostor, or wrong SDP."""
    REMOTE_CLOSE = "remote_close"
    """The peer closed DTLS."""


@dataclass(frozen=True)
class AddressesChanged:
    """The addresses at which the peer has proved to be, and the one to send to from now on."""

    verified: tuple[Address, ...]
    """Addresses whose datagrams belong to this peer; at most `MAX_ADDRESSES`."""
    selected: Address | None
    """The address to send to; None: send nothing, since the peer's consent for the last address is gone."""
    local: bytes = b""
    """The local address to send from; see `Transmit`."""


@dataclass(frozen=True)
class RoutineChanged:
    """Other checks of the peer than before are routine, or none is any more."""

    checks: RoutineChecks | None


@dataclass(frozen=True)
class Connected:
    """The peer is the one that signalling named; media may flow with these keys."""

    keys: SrtpKeys


@dataclass(frozen=True)
class Closed:
    """The endpoint is finished, and drops whatever it receives."""

    reason: CloseReason
    detail: str = ""
    """Details for the log, such as OpenSSL's message."""


EndpointEvent = AddressesChanged | RoutineChanged | Connected | Closed
