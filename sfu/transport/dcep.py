"""The Data Channel Establishment Protocol (RFC 8832): how one side tells the other of a channel that it opens."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_ACK, _OPEN = 2, 3
_HEADER = struct.Struct("!BBHLHH")
_UNORDERED, _RETRANSMITS, _LIFETIME = 0x80, 1, 2

ACK = bytes((_ACK,))
"""The DATA_CHANNEL_ACK message."""

MAX_TEXT_LENGTH = 1024
"""Octets of a label, and of a subprotocol's name, that are taken."""


class DcepError(ValueError):
    """A message that is none of this protocol's."""


@dataclass(frozen=True)
class Open:
    """A DATA_CHANNEL_OPEN message (section 5.1). At most one of `max_retransmits` and `max_lifetime_ms` is given."""

    label: str
    protocol: str = ""
    ordered: bool = True
    max_retransmits: int | None = None
    max_lifetime_ms: int | None = None

    def build(self) -> bytes:
        """Write it; priority is that of RFC 8831's "normal", which browsers use."""
        kind, value = 0, 0
        if self.max_retransmits is not None:
            kind, value = _RETRANSMITS, self.max_retransmits
        elif self.max_lifetime_ms is not None:
            kind, value = _LIFETIME, self.max_lifetime_ms
        if not self.ordered:
            kind |= _UNORDERED
        label, protocol = self.label.encode(), self.protocol.encode()
        return _HEADER.pack(_OPEN, kind, 256, value, len(label), len(protocol)) + label + protocol


def is_ack(message: bytes) -> bool:
    """Whether it is a DATA_CHANNEL_ACK."""
    return message[:1] == ACK


def read_open(message: bytes) -> Open:
    """Read a DATA_CHANNEL_OPEN. Raises DcepError for anything else, and for texts that are too long or no UTF-8."""
    if len(message) < _HEADER.size or message[0] != _OPEN:
        raise DcepError("no DATA_CHANNEL_OPEN")
    _, kind, _, value, label_length, protocol_length = _HEADER.unpack_from(message)
    if max(label_length, protocol_length) > MAX_TEXT_LENGTH:
        raise DcepError(f"a label takes {MAX_TEXT_LENGTH} octets at most")
    if len(message) < _HEADER.size + label_length + protocol_length or kind & 0x7F > _LIFETIME:
        raise DcepError("a DATA_CHANNEL_OPEN is cut short, or of an unknown type")
    middle = _HEADER.size + label_length
    try:
        label = message[_HEADER.size : middle].decode()
        protocol = message[middle : middle + protocol_length].decode()
    except UnicodeDecodeError as error:
        raise DcepError("a label is no UTF-8") from error
    limit = kind & 0x7F
    return Open(
        label,
        protocol,
        ordered=not kind & _UNORDERED,
        max_retransmits=value if limit == _RETRANSMITS else None,
        max_lifetime_ms=value if limit == _LIFETIME else None,
    )
