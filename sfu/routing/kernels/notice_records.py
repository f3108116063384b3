"""The notices: what each says, and by which number it is known in the notice ring. See slots.py."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

from sfu.routing.kernels.slots import Int32, Int64, Octets, make_slot
from sfu.wire.local_address import LOCAL_BYTES

DATAGRAM_BYTES = 1600
"""The longest datagram that is passed on."""
_SOCKADDR_BYTES = 32


class NoticeKind(enum.IntEnum):
    """The kinds of notices; the first three pass a datagram on."""

    STUN = 1
    DTLS = 2
    RTCP = 3
    SOURCE_LEARNED = 4
    GAP = 5
    REPAIRED = 6
    REPEAT_MISSED = 7
    KEY_FRAME_NEEDED = 8
    ESTIMATE = 9
    UPLINK = 10


@dataclass(frozen=True, slots=True)
class StoredDatagram:
    """A datagram for the control side, with the address that it came from; the connection is -1 when it is nobody's."""

    connection: int
    address: Annotated[bytes, Octets(_SOCKADDR_BYTES)]
    local: Annotated[bytes, Octets(LOCAL_BYTES)]
    """Which of our addresses it came to; see wire/local_address.py."""
    data: Annotated[bytes, Octets(DATAGRAM_BYTES)]


@dataclass(frozen=True, slots=True)
class SourceLearned:
    """The first authentic packet of an encoding under a new SSRC has arrived."""

    connection: int
    encoding: Int32
    ssrc: Int64


@dataclass(frozen=True, slots=True)
class Gap:
    """Packets of an encoding are missing: `count` of them from extended sequence number `first` on."""

    connection: int
    encoding: Int32
    first: Int64
    count: Int64


@dataclass(frozen=True, slots=True)
class Repaired:
    """A publisher has sent a packet again."""

    connection: int
    encoding: Int32
    sequence: Int64


@dataclass(frozen=True, slots=True)
class RepeatMissed:
    """A subscriber asked for packets that the history no longer has."""

    connection: int
    subscription: Int32


@dataclass(frozen=True, slots=True)
class KeyFrameNeeded:
    """The publisher has left out frames on which the following ones of these Layers depended (the masks of
    sfu/wire/layers.py): their subscribers cannot go on without a key frame.
    """

    connection: int
    encoding: Int32
    layers: Int64


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a connection's path carries, in bits per second: it has clearly changed."""

    connection: int
    rate_bps: Int64


@dataclass(frozen=True, slots=True)
class UplinkEstimate:
    """What the path from a publisher carries, in bits per second; told again each second, and when it has fallen."""

    connection: int
    rate_bps: Int64


Numbers = SourceLearned | Gap | Repaired | RepeatMissed | KeyFrameNeeded | Estimate | UplinkEstimate
"""Notices whose fields are read as they stand, with the connection from the head."""

NOTICES: dict[NoticeKind, type[Numbers]] = {
    NoticeKind.SOURCE_LEARNED: SourceLearned,
    NoticeKind.GAP: Gap,
    NoticeKind.REPAIRED: Repaired,
    NoticeKind.REPEAT_MISSED: RepeatMissed,
    NoticeKind.KEY_FRAME_NEEDED: KeyFrameNeeded,
    NoticeKind.ESTIMATE: Estimate,
    NoticeKind.UPLINK: UplinkEstimate,
}
NOTICE = make_slot(("kind", "connection"), (StoredDatagram, *NOTICES.values()))
