"""What an association tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfu.transport.sctp.reassembly import Message


@dataclass(frozen=True)
class Arrived:
    """A message has come; tell `release` when it is done with."""

    message: Message


@dataclass(frozen=True)
class Established:
    """Messages may flow."""


@dataclass(frozen=True)
class PeerReset:
    """The peer has begun streams of its own anew: nothing more of what it sent there before will come."""

    streams: Sequence[int]


@dataclass(frozen=True)
class OwnReset:
    """Streams of ours begin anew."""

    streams: Sequence[int]


@dataclass(frozen=True)
class Settled:
    """So many octets of a stream are acknowledged or given up, with the ends of so many messages."""

    stream: int
    octets: int
    messages: int


@dataclass(frozen=True)
class Ended:
    """It is finished; `reason` is a word, `detail` a sentence for the log."""

    reason: str
    detail: str = ""


AssociationEvent = Arrived | Established | PeerReset | OwnReset | Settled | Ended
