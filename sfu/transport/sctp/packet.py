"""SCTP packets (RFC 9260 section 3): the common header, its checksum, and the chunks behind it, bounds-checked."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable
from typing import NamedTuple

import google_crc32c

MAX_PACKET_LENGTH = 1160
"""Octets of one packet that we send: with a DTLS record's overhead it stays within the 1,200 that any path carries."""

HEADER_LENGTH = 12
CHUNK_HEADER_LENGTH = 4

_HEADER = struct.Struct("!HHL")
_CHUNK = struct.Struct("!BBH")
_PARAMETER = struct.Struct("!HH")


def _checksum(data: bytes) -> int:
    value: int = google_crc32c.value(data)
    return value


class ChunkType(enum.IntEnum):
    """The chunks that we know (RFC 9260 section 3.2, RFC 3758, RFC 6525)."""

    DATA = 0
    INIT = 1
    INIT_ACK = 2
    SACK = 3
    HEARTBEAT = 4
    HEARTBEAT_ACK = 5
    ABORT = 6
    SHUTDOWN = 7
    SHUTDOWN_ACK = 8
    ERROR = 9
    COOKIE_ECHO = 10
    COOKIE_ACK = 11
    SHUTDOWN_COMPLETE = 14
    RE_CONFIG = 130
    FORWARD_TSN = 192


class MalformedError(ValueError):
    """A packet or chunk is not what RFC 9260 says; the message names what is wrong."""


class Chunk(NamedTuple):
    """One chunk: its type as on the wire, its flags, and what stands behind its header."""

    kind: int
    flags: int
    value: bytes


class Packet(NamedTuple):
    """A packet whose checksum is right."""

    source: int
    destination: int
    tag: int
    """The verification tag."""
    chunks: list[Chunk]


def read_packet(data: bytes) -> Packet:
    """Take a packet apart. Raises MalformedError unless its checksum and all of its chunks' lengths are right."""
    if len(data) < HEADER_LENGTH + CHUNK_HEADER_LENGTH:
        raise MalformedError("a packet has a header and a chunk")
    if int.from_bytes(data[8:12], "little") != _checksum(b"%b\0\0\0\0%b" % (data[:8], data[12:])):
        raise MalformedError("the checksum is wrong")
    source, destination, tag = _HEADER.unpack_from(data)
    chunks = []
    position, end = HEADER_LENGTH, len(data)
    while position + CHUNK_HEADER_LENGTH <= end:
        kind, flags, length = _CHUNK.unpack_from(data, position)
        if length < CHUNK_HEADER_LENGTH or position + length > end:
            raise MalformedError("a chunk's length is wrong")
        chunks.append(Chunk(kind, flags, data[position + CHUNK_HEADER_LENGTH : position + length]))
        position += length + (-length & 3)
    return Packet(source, destination, tag, chunks)


def build_packet(source: int, destination: int, tag: int, chunks: Iterable[bytes]) -> bytes:
    """A packet of chunks that are built already."""
    header, body = _HEADER.pack(source, destination, tag), b"".join(chunks)
    return header + _checksum(b"%b\0\0\0\0%b" % (header, body)).to_bytes(4, "little") + body


def build_chunk(kind: int, value: bytes = b"", flags: int = 0) -> bytes:
    """A chunk with its padding."""
    length = CHUNK_HEADER_LENGTH + len(value)
    return _CHUNK.pack(kind, flags, length) + value + bytes(-length & 3)


def read_parameters(data: bytes) -> list[tuple[int, bytes]]:
    """The (type, value) parameters that fill `data` (RFC 9260 section 3.2.1); raises MalformedError."""
    found = []
    position, end = 0, len(data)
    while position + CHUNK_HEADER_LENGTH <= end:
        kind, length = _PARAMETER.unpack_from(data, position)
        if length < CHUNK_HEADER_LENGTH or position + length > end:
            raise MalformedError("a parameter's length is wrong")
        found.append((kind, data[position + CHUNK_HEADER_LENGTH : position + length]))
        position += length + (-length & 3)
    return found


def build_parameter(kind: int, value: bytes = b"") -> bytes:
    """A parameter with its padding."""
    length = CHUNK_HEADER_LENGTH + len(value)
    return _PARAMETER.pack(kind, length) + value + bytes(-length & 3)


def unwrap(value: int, reference: int) -> int:
    """The number nearest to `reference` that is `value` in its lowest 32 bits: TSNs count on without a wrap here."""
    return reference + ((value - reference + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000
