"""What stands in the chunks that we handle (RFC 9260 section 3.3, RFC 3758, RFC 6525), read and written."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sfu.transport.sctp.packet import (
    ChunkType,
    MalformedError,
    build_chunk,
    build_parameter,
    read_parameters,
)

LAST, FIRST, UNORDERED, IMMEDIATE = 1, 2, 4, 8
"""Flags of a DATA chunk (RFC 9260 section 3.3.1): where in its message it stands, how that is delivered, and that an
acknowledgement is wanted now."""

DATA_HEADER_LENGTH = 16
"""Octets of a DATA chunk before what it carries."""

_COOKIE, _EXTENSIONS, _PARTIAL_RELIABILITY = 7, 0x8008, 0xC000
_RESET_OUTGOING, _RESET_RESPONSE = 13, 16
_OTHER_REQUESTS = (14, 15, 17, 18)

_DATA = struct.Struct("!BBHLHHL")
_DATA_VALUE = struct.Struct("!LHHL")
_INIT = struct.Struct("!LLHHL")
_SACK = struct.Struct("!LLHH")
_PAIR = struct.Struct("!HH")
_RESET = struct.Struct("!LLL")
_RESPONSE = struct.Struct("!LL")


class Data(NamedTuple):
    """A DATA chunk: a fragment of a message, or all of it."""

    flags: int
    tsn: int
    stream: int
    sequence: int
    """Of its message within the stream; without meaning where it is unordered."""
    protocol: int
    payload: bytes


def read_data(flags: int, value: bytes) -> Data:
    """Read a DATA chunk; one without user data is malformed (RFC 9260 section 3.3.1)."""
    if len(value) <= _DATA_VALUE.size:
        raise MalformedError("a DATA chunk has no user data")
    tsn, stream, sequence, protocol = _DATA_VALUE.unpack_from(value)
    return Data(flags, tsn, stream, sequence, protocol, value[_DATA_VALUE.size :])


def build_data(chunk: Data) -> bytes:
    """Write a DATA chunk."""
    flags, tsn, stream, sequence, protocol, payload = chunk
    length = DATA_HEADER_LENGTH + len(payload)
    header = _DATA.pack(ChunkType.DATA, flags, length, tsn & 0xFFFF_FFFF, stream, sequence, protocol)
    return header + payload + bytes(-length & 3)


@dataclass(frozen=True)
class Init:
    """An INIT or INIT ACK chunk."""

    tag: int
    window: int
    outbound: int
    inbound: int
    tsn: int
    partial: bool
    """It knows FORWARD TSN (RFC 3758 section 3.3.1)."""
    resets: bool
    """It knows RE-CONFIG (RFC 6525 section 3.1)."""
    cookie: bytes = b""

    @classmethod
    def read(cls, value: bytes) -> Init:
        """Read its value."""
        if len(value) < _INIT.size:
            raise MalformedError("an INIT is too short")
        tag, window, outbound, inbound, tsn = _INIT.unpack_from(value)
        if not tag or not outbound or not inbound:
            raise MalformedError("an INIT has no tag, or no streams")
        parameters = read_parameters(value[_INIT.size :])
        extensions = [kind for name, listed in parameters if name == _EXTENSIONS for kind in listed]
        return cls(
            tag,
            window,
            outbound,
            inbound,
            tsn,
            partial=any(name == _PARTIAL_RELIABILITY for name, _ in parameters),
            resets=ChunkType.RE_CONFIG in extensions,
            cookie=next((given for name, given in parameters if name == _COOKIE), b""),
        )

    def build(self, kind: ChunkType) -> bytes:
        """Write it."""
        value = _INIT.pack(self.tag, self.window, self.outbound, self.inbound, self.tsn)
        if self.partial:
            value += build_parameter(_PARTIAL_RELIABILITY)
        if self.resets:
            value += build_parameter(_EXTENSIONS, bytes((ChunkType.RE_CONFIG, ChunkType.FORWARD_TSN)))
        if self.cookie:
            value += build_parameter(_COOKIE, self.cookie)
        return build_chunk(kind, value)


class Sack(NamedTuple):
    """A SACK chunk. `blocks` are the (first, last) of what came beyond the cumulative TSN, counted from there."""

    cumulative: int
    window: int
    blocks: Sequence[tuple[int, int]]


def read_sack(value: bytes) -> Sack:
    """Read a SACK; its duplicates are left aside. Blocks that are not in order are malformed."""
    if len(value) < _SACK.size:
        raise MalformedError("a SACK is too short")
    cumulative, window, count, duplicates = _SACK.unpack_from(value)
    end = _SACK.size + 4 * count
    if len(value) < end + 4 * duplicates:
        raise MalformedError("a SACK has fewer blocks than it says")
    blocks: list[tuple[int, int]] = list(_PAIR.iter_unpack(value[_SACK.size : end]))
    before = 0
    for first, last in blocks:
        if first <= before or last < first:
            raise MalformedError("the blocks of a SACK are not in order")
        before = last
    return Sack(cumulative, window, blocks)


def build_sack(sack: Sack) -> bytes:
    """Write a SACK."""
    value = _SACK.pack(sack.cumulative & 0xFFFF_FFFF, sack.window, len(sack.blocks), 0)
    return build_chunk(ChunkType.SACK, value + b"".join(_PAIR.pack(*block) for block in sack.blocks))


class ForwardTsn(NamedTuple):
    """A FORWARD TSN chunk (RFC 3758 section 3.2): nothing up to `cumulative` will come any more. `streams` has the last
    sequence number given up of each ordered stream.
    """

    cumulative: int
    streams: Sequence[tuple[int, int]]


def read_forward_tsn(value: bytes) -> ForwardTsn:
    """Read one."""
    if len(value) < 4 or len(value) % 4:
        raise MalformedError("a FORWARD TSN has a wrong length")
    return ForwardTsn(int.from_bytes(value[:4]), list(_PAIR.iter_unpack(value[4:])))


def build_forward_tsn(chunk: ForwardTsn) -> bytes:
    """Write one."""
    value = (chunk.cumulative & 0xFFFF_FFFF).to_bytes(4) + b"".join(_PAIR.pack(*stream) for stream in chunk.streams)
    return build_chunk(ChunkType.FORWARD_TSN, value)


class ResetRequest(NamedTuple):
    """An Outgoing SSN Reset Request (RFC 6525 section 4.1): its sender begins these streams anew, behind `last_tsn`."""

    number: int
    last_tsn: int
    streams: Sequence[int]


class ResetResponse(NamedTuple):
    """A Re-configuration Response (RFC 6525 section 4.4)."""

    number: int
    result: int


class OtherRequest(NamedTuple):
    """A request that we have no use for: it is to be answered all the same."""

    number: int
    kind: int


def read_reconfiguration(value: bytes) -> list[ResetRequest | ResetResponse | OtherRequest]:
    """What a RE-CONFIG chunk holds; parameters of other kinds are left aside."""
    found: list[ResetRequest | ResetResponse | OtherRequest] = []
    for kind, body in read_parameters(value):
        if kind == _RESET_OUTGOING:
            if len(body) < _RESET.size or len(body) % 2:
                raise MalformedError("a reset request has a wrong length")
            number, _, last_tsn = _RESET.unpack_from(body)
            streams = [stream for (stream,) in struct.iter_unpack("!H", body[_RESET.size :])]
            found.append(ResetRequest(number, last_tsn, streams))
        elif kind == _RESET_RESPONSE:
            if len(body) < _RESPONSE.size:
                raise MalformedError("a reset response is too short")
            found.append(ResetResponse(*_RESPONSE.unpack_from(body)))
        elif kind in _OTHER_REQUESTS:
            if len(body) < 4:
                raise MalformedError("a reconfiguration request is too short")
            found.append(OtherRequest(int.from_bytes(body[:4]), kind))
    return found


def build_reset_request(request: ResetRequest, answered: int) -> bytes:
    """A RE-CONFIG with a request; `answered` is the number of the peer's last one."""
    body = _RESET.pack(request.number & 0xFFFF_FFFF, answered & 0xFFFF_FFFF, request.last_tsn & 0xFFFF_FFFF)
    body += _pack_streams(request.streams)
    return build_chunk(ChunkType.RE_CONFIG, build_parameter(_RESET_OUTGOING, body))


def build_reset_response(response: ResetResponse) -> bytes:
    """A RE-CONFIG with a response."""
    body = _RESPONSE.pack(response.number & 0xFFFF_FFFF, response.result)
    return build_chunk(ChunkType.RE_CONFIG, build_parameter(_RESET_RESPONSE, body))


def _pack_streams(streams: Iterable[int]) -> bytes:
    return b"".join(stream.to_bytes(2) for stream in streams)
