"""Packets of data tracks: a message of the data channel `_data_track` is one.

Twelve octets of header: version (3 bits), start of a frame, end of a frame, extensions follow, ten reserved bits; then
handle, sequence number and frame number (16 bits each) and a timestamp (32 bits). Extensions, if there are any, are a
length in words of four octets, less one, and then id, length and value of each; an id of 0 begins the padding. What
they say and the payload are between the clients, which may have encrypted it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sfu.errors import RemoteError

MAX_PACKET_BYTES = 64_000
"""Of one packet: as much as SDKs put into one message."""
MAX_EXTENSION_BYTES = 1024
"""Of all extensions of a packet; the two that are defined take 25."""
MAX_HANDLE = 0xFFFF

_HEADER = struct.Struct(">BxHxxH4x")
_WORDS = struct.Struct(">H")
_VERSION, _STARTS, _EXTENDED = 0xE0, 0x10, 0x04
_HANDLE_AT = slice(2, 4)


class PacketError(RemoteError):
    """What came is no packet of a data track; `reason` is a word for it."""

    title = "Malformed packet of a data track"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Packet:
    """One that was looked at; the rest of `octets` is passed on as it is."""

    octets: bytes
    handle: int
    """Which data track it is of, as its sender calls it: 1 to 65,535."""
    frame: int
    """Number of the frame that it is a part of."""
    starts: bool
    """Whether it is the first of its frame."""

    def address(self, handle: int) -> bytes:
        """The same for somebody who calls the data track by another handle."""
        octets = bytearray(self.octets)
        octets[_HANDLE_AT] = handle.to_bytes(2, "big")
        return bytes(octets)


def parse_packet(octets: bytes) -> Packet:
    """Read a packet's header, and see that its extensions are where they say; raises PacketError."""
    if len(octets) < _HEADER.size:
        raise PacketError("malformed", f"A packet has a header of {_HEADER.size} octets.")
    if len(octets) > MAX_PACKET_BYTES:
        raise PacketError("too_large", f"A packet has at most {MAX_PACKET_BYTES} octets.")
    first, handle, frame = _HEADER.unpack_from(octets)
    if first & _VERSION:
        raise PacketError("unknown_version", f"Version {first >> 5} of packets is not known here; 0 is.")
    if not handle:
        raise PacketError("malformed", "Handle 0 stands for no data track.")
    if first & _EXTENDED:
        _check_extensions(octets)
    return Packet(octets, handle, frame, bool(first & _STARTS))


def _check_extensions(octets: bytes) -> None:
    at = _HEADER.size + _WORDS.size
    if len(octets) < at:
        raise PacketError("malformed", "The length of the extensions is missing.")
    end = _HEADER.size + 4 * (_WORDS.unpack_from(octets, _HEADER.size)[0] + 1)
    if end > len(octets):
        raise PacketError("malformed", "The extensions are longer than the packet.")
    if end - at > MAX_EXTENSION_BYTES:
        raise PacketError("malformed", f"The extensions have at most {MAX_EXTENSION_BYTES} octets.")
    while at < end and octets[at]:
        at += 2 + (octets[at + 1] if at + 1 < end else end)
        if at > end:
            raise PacketError("malformed", "An extension is longer than all of them.")
