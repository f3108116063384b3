"""ICE-lite and DTLS-SRTP of one connection, sans-IO: bytes and the time go in, bytes and events come out."""

from __future__ import annotations

from sfu.transport.endpoint import (
    AddressesChanged,
    Closed,
    CloseReason,
    Connected,
    Endpoint,
    EndpointEvent,
)
from sfu.transport.ice import MAX_ADDRESSES, Address, IceCredentials
from sfu.transport.identity import Fingerprint, Identity
from sfu.transport.srtp import (
    DEFAULT_PROFILES,
    RtcpCipher,
    SrtpError,
    SrtpKeys,
    SrtpProfile,
    new_inbound,
    new_outbound,
)
from sfu.transport.stun import parse_username

__all__ = [
    "DEFAULT_PROFILES",
    "MAX_ADDRESSES",
    "Address",
    "AddressesChanged",
    "CloseReason",
    "Closed",
    "Connected",
    "Endpoint",
    "EndpointEvent",
    "Fingerprint",
    "IceCredentials",
    "Identity",
    "RtcpCipher",
    "SrtpError",
    "SrtpKeys",
    "SrtpProfile",
    "new_inbound",
    "new_outbound",
    "parse_username",
]
