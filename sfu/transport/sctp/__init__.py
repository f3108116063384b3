"""SCTP for data channels: what comes in DTLS records, and what is to go out in them."""

from __future__ import annotations

from sfu.transport.sctp.association import MAX_STREAMS, PORT, Association
from sfu.transport.sctp.events import (
    Arrived,
    AssociationEvent,
    Ended,
    Established,
    OwnReset,
    PeerReset,
    Settled,
)
from sfu.transport.sctp.outgoing import MESSAGE_OVERHEAD, Outgoing
from sfu.transport.sctp.reassembly import Message

__all__ = [
    "MAX_STREAMS",
    "MESSAGE_OVERHEAD",
    "PORT",
    "Arrived",
    "Association",
    "AssociationEvent",
    "Ended",
    "Established",
    "Message",
    "Outgoing",
    "OwnReset",
    "PeerReset",
    "Settled",
]
