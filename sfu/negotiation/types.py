"""The values that negotiation speaks in: codecs, transports, and what comes in and goes out."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import NegotiationError
from .profiles import h264_profile, plain_number, takes_av1, takes_h264, takes_vp9

__all__ = [
    "AnswerDiff",
    "Candidate",
    "Codec",
    "DataSection",
    "Direction",
    "Incoming",
    "IncomingEncoding",
    "Kind",
    "LocalTransport",
    "NegotiationError",
    "OfferDiff",
    "Outgoing",
    "OutgoingSlot",
    "RemoteTransport",
    "is_cname",
    "is_msid_id",
]

Kind = Literal["audio", "video"]
"""The media that the server forwards (RFC 8866 section 5.14)."""

_MSID_ID = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,64}")
_CNAME = re.compile(r"[!-~]{1,255}")


def is_msid_id(text: str) -> bool:
    """Whether `text` may stand in `a=msid` (RFC 8830 section 2: one to 64 token characters)."""
    return _MSID_ID.fullmatch(text) is not None


def is_cname(text: str) -> bool:
    """Whether `text` may be an RTCP CNAME here (RFC 3550 section 6.5.1; visible ASCII, 1 to 255 octets)."""
    return _CNAME.fullmatch(text) is not None


class Direction(enum.StrEnum):
    """A media section's direction, as the side that wrote it sees it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @classmethod
    def of(cls, *, send: bool, receive: bool) -> Direction:
        """Return the direction of a side that does, or does not, send and receive."""
        if send:
            return cls.SENDRECV if receive else cls.SENDONLY
        return cls.RECVONLY if receive else cls.INACTIVE

    @property
    def reversed(self) -> Direction:
        """Return the same direction as the other side sees it (RFC 3264 section 6.1)."""
        if self is Direction.SENDONLY:
            return Direction.RECVONLY
        return Direction.SENDONLY if self is Direction.RECVONLY else self

    @property
    def sends(self) -> bool:
        """Whether the side that wrote it sends."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """Whether the side that wrote it receives."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True)
class Codec:
    """A codec as one side of one connection described it.

    `clock_rate` is in Hz; `channels` is 0 for video, and for audio that names none; `parameters` are the format
    parameters of `a=fmtp` with lower-case names; `feedback` are the RTCP feedback kinds of `a=rtcp-fb` ("nack pli", RFC
    4585 section 4.2). `repair_type` is the payload type of its retransmissions (RFC 4588), 0 without. `redundant_type`
    is that of the RED that carries it (RFC 2198; Opus only), 0 without; `redundant_first`: this side lists RED before
    Opus, which means that it would rather send RED.
    """

    kind: Kind
    name: str
    clock_rate: int
    channels: int
    payload_type: int
    parameters: Mapping[str, str] = field(default_factory=dict)
    feedback: tuple[str, ...] = ()
    repair_type: int = 0
    redundant_type: int = 0
    redundant_first: bool = False

    def matches(self, other: Codec) -> bool:
        """Whether a stream of this codec is also one of the other, payload type and level aside.

        H.264 compares packetization mode and profile (RFC 6184 section 8.2.2), VP9 the profile (RFC 9628
        section 6), AV1 the profile (AV1 RTP payload format section 7.2.1). Levels may differ: the server
        never encodes, and every receiver we know decodes above the level that it declares. So may the channels of
        Opus: each packet says how many it has (RFC 6716 section 3.1).
        """
        return self._is_named_as(other) and self.configuration == other.configuration

    def takes(self, stream: Codec) -> bool:
        """Whether a decoder that is described so can decode `stream`, which may use less than the decoder knows."""
        if not self._is_named_as(stream):
            return False
        name = self.name.upper()
        if name == "H264":
            return takes_h264(self.parameters, stream.parameters)
        if name in ("VP9", "AV1"):
            takes = takes_vp9 if name == "VP9" else takes_av1
            return takes(self.configuration[0], stream.configuration[0])
        return self.configuration == stream.configuration

    def _is_named_as(self, other: Codec) -> bool:
        mine = (self.kind, self.name.lower(), self.clock_rate)
        return mine == (other.kind, other.name.lower(), other.clock_rate)

    def describe(self) -> str:
        """Return the codec's name with the parameters that two sides have to agree on, for messages."""
        details = {"H264": "{1}, packetization-mode={0}", "VP9": "profile-id={}", "AV1": "profile={}"}
        detail = details.get(self.name.upper(), "").format(*self.configuration)
        return f"{self.name} ({detail})" if detail else self.name

    @property
    def configuration(self) -> tuple[str, ...]:
        """Return the parameters that two sides must agree on, in a comparable form."""
        name = self.name.upper()
        if name == "H264":
            mode = plain_number(self.parameters.get("packetization-mode"), "0")
            return (mode, h264_profile(self.parameters.get("profile-level-id")) or "unknown")
        if name == "VP9":
            return (plain_number(self.parameters.get("profile-id"), "0"),)
        if name == "AV1":
            return (plain_number(self.parameters.get("profile"), "0"),)
        return ()


@dataclass(frozen=True)
class RemoteTransport:
    """How to reach and recognise the client: ICE credentials (RFC 8839), certificate fingerprints (RFC 8122)
    as (algorithm, value) pairs, and its DTLS role (`a=setup`, RFC 8842).

    `setup` is `active` or `passive` once the two sides have agreed, and stays so for the connection's life.
    """

    ufrag: str
    pwd: str
    fingerprints: tuple[tuple[str, str], ...]
    setup: str

    @property
    def dtls_client(self) -> bool:
        """Whether we begin the DTLS handshake, because the client waits for it (`passive`). Else the client does."""
        return self.setup == "passive"


_UDP_PREFERENCE, _TCP_PREFERENCE = 126, 90
"""Of a host candidate; what waits for lost packets comes behind what does not (RFC 6544 section 4.2)."""


@dataclass(frozen=True)
class Candidate:
    """A host candidate of ours (RFC 8445 section 5.1.1.1): a textual IP address and a port of UDP, or of TCP, where
    the client connects (RFC 6544).
    """

    ip: str
    port: int
    tcp: bool = False

    def line(self, index: int) -> str:
        """The candidate attribute's value (RFC 8839 section 5.1) for the candidate at place `index` of our list.

        The place is the local preference, so that priorities are unique (RFC 8445 section 5.1.2.1).
        """
        priority = ((_TCP_PREFERENCE if self.tcp else _UDP_PREFERENCE) << 24) | ((65535 - index) << 8) | 255
        protocol, kind = ("tcp", " tcptype passive") if self.tcp else ("udp", "")
        return f"{index + 1} 1 {protocol} {priority} {self.ip} {self.port} typ host{kind}"


@dataclass(frozen=True)
class LocalTransport:
    """How the client reaches and recognises us; `fingerprint` is an (algorithm, value) pair."""

    ufrag: str
    pwd: str
    fingerprint: tuple[str, str]
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class IncomingEncoding:
    """One RTP stream of what a client sends in a section.

    `rid` names it (RFC 8852), "" where no name is agreed. `ssrc` and `repair_ssrc` are those of its media and
    of its retransmissions (RFC 5576 section 4.2, FID) where the client declared them; None means that the
    packets' header extensions, or for a section of one encoding their payload types, have to tell.
    """

    rid: str = ""
    ssrc: int | None = None
    repair_ssrc: int | None = None


@dataclass(frozen=True)
class Incoming:
    """Media that the client sends in one section.

    `codec` is the one that we chose, with the payload types it arrives with. `encodings` are those accepted,
    the lowest quality first: one without simulcast, never none. `stream_id`, `track_id` (RFC 8830) and `cname`
    are "" where the client named none.
    """

    mid: str
    kind: Kind
    codec: Codec
    encodings: tuple[IncomingEncoding, ...]
    stream_id: str
    track_id: str
    cname: str


@dataclass(frozen=True)
class OutgoingSlot:
    """A section in which the client wants to receive: what it can decode, with its payload types.

    `codecs` is empty where it offers none that we forward, and `offered` are the names of all, for messages. `filled`
    tells whether something is assigned to it already.
    """

    mid: str
    kind: Kind
    codecs: tuple[Codec, ...]
    filled: bool = False
    offered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outgoing:
    """What we send in one section. `codec` is the Track's; its payload types are of no importance here.

    `repair_ssrc` is the SSRC of our retransmissions, 0 for none; it is written only where the client takes
    them. Raises `ValueError` (the caller's fault) for identifiers that cannot stand in SDP.
    """

    ssrc: int
    cname: str
    stream_id: str
    track_id: str
    codec: Codec
    repair_ssrc: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.ssrc < 1 << 32:
            raise ValueError(f"ssrc must be in 1..2^32-1, not {self.ssrc}")
        if not 0 <= self.repair_ssrc < 1 << 32 or self.repair_ssrc == self.ssrc:
            raise ValueError(f"repair_ssrc must be 0 or another SSRC in 1..2^32-1, not {self.repair_ssrc}")
        if not is_cname(self.cname):
            raise ValueError(f"cname must be 1 to 255 visible ASCII characters, not {self.cname!r}")
        for name, value in (("stream_id", self.stream_id), ("track_id", self.track_id)):
            if not is_msid_id(value):
                raise ValueError(f"{name} must be 1 to 64 token characters (RFC 8830 section 2), not {value!r}")


@dataclass(frozen=True)
class DataSection:
    """The section of a connection's data channels (RFC 8841).

    `port` is the SCTP port of who wrote it, and `max_message_size` the octets of a message that it takes; 0: any.
    """

    mid: str
    port: int
    max_message_size: int


@dataclass(frozen=True)
class OfferDiff:
    """What an offer asks for.

    `incoming` is all that the client sends now and `slots` all that it is ready to receive into, not only the
    changes. `restarted`: the ICE credentials differ from the former offer's (RFC 8839 section 4.4.1.1.1).
    `ended`: sections whose incoming media stopped; `withdrawn`: sections that had an Outgoing assigned and
    cannot carry it any more (it is unassigned already). `data` is the section that data channels have, None without.
    """

    remote: RemoteTransport
    incoming: list[Incoming]
    slots: list[OutgoingSlot]
    restarted: bool
    ended: list[str]
    withdrawn: list[str]
    data: DataSection | None = None


@dataclass(frozen=True)
class AnswerDiff:
    """What an answer settled.

    `accepted` holds each section that the client receives in now, with the codec and payload type to send;
    `rejected` those it refused, which are taken out of the session already. `incoming` and `ended` are as in
    `OfferDiff`, and so are `restarted` and `data`.
    """

    remote: RemoteTransport
    accepted: dict[str, Codec]
    rejected: list[str]
    incoming: list[Incoming]
    ended: list[str]
    restarted: bool
    data: DataSection | None = None
