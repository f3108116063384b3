"""The media section of data channels (RFC 8841): which ones we take, what they say, and ours."""

from __future__ import annotations

from typing import Final

from .sdp import Attributes, MediaDescription, parse_number
from .types import DataSection

__all__ = ["DATA_FORMAT", "DATA_KIND", "DATA_PROTOCOL", "is_data", "read_data_section", "write_data_section"]

DATA_KIND: Final = "application"
DATA_PROTOCOL = "UDP/DTLS/SCTP"
DATA_FORMAT = "webrtc-datachannel"

_PROTOCOLS = (DATA_PROTOCOL, "TCP/DTLS/SCTP")
_PORT = 5000
_DEFAULT_MAX_MESSAGE_SIZE = 65536  # RFC 8841 section 6


def is_data(media: MediaDescription) -> bool:
    """Whether a section is open for data channels.

    The form of drafts before 2017, `m=application 9 DTLS/SCTP 5000` with `a=sctpmap`, is none that we take.
    """
    known = media.kind == DATA_KIND and media.protocol.upper() in _PROTOCOLS
    return known and media.open and DATA_FORMAT in media.formats


def read_data_section(mid: str, attributes: Attributes) -> DataSection:
    """What a section says; what is missing or malformed counts as the default."""
    port = parse_number(attributes.first("sctp-port") or "", 65535)
    size = parse_number((attributes.first("max-message-size") or "").strip(), 1 << 62)
    return DataSection(mid, port or _PORT, _DEFAULT_MAX_MESSAGE_SIZE if size is None else size)


def write_data_section(attributes: Attributes, *, max_message_size: int) -> None:
    """Add what our section says of data channels."""
    attributes.add("sctp-port", str(_PORT))
    attributes.add("max-message-size", str(max_message_size))
