"""ICE-lite, DTLS-SRTP and data channels of one connection, sans-IO: bytes and the time go in, bytes and events out."""

from __future__ import annotations

from sfu.transport.channel import (
    BufferDrained,
    Channel,
    ChannelClosed,
    ChannelOpened,
    ChannelReady,
    DataEvent,
    DataLimits,
    MessageArrived,
    TransportEnded,
)
from sfu.transport.data_transport import DataTransport
from sfu.transport.endpoint import Endpoint
from sfu.transport.endpoint_events import (
    AddressesChanged,
    Closed,
    CloseReason,
    Connected,
    EndpointEvent,
    RoutineChanged,
)
from sfu.transport.ice import MAX_ADDRESSES, Address, IceCredentials, RoutineChecks
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
    "BufferDrained",
    "Channel",
    "ChannelClosed",
    "ChannelOpened",
    "ChannelReady",
    "CloseReason",
    "Closed",
    "Connected",
    "DataEvent",
    "DataLimits",
    "DataTransport",
    "Endpoint",
    "EndpointEvent",
    "Fingerprint",
    "IceCredentials",
    "Identity",
    "MessageArrived",
    "RoutineChanged",
    "RoutineChecks",
    "RtcpCipher",
    "SrtpError",
    "SrtpKeys",
    "SrtpProfile",
    "TransportEnded",
    "new_inbound",
    "new_outbound",
    "parse_username",
]
