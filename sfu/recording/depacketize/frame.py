"""The frames and formats that depacketizers yield."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """The media of one timestamp: an audio frame, or a picture with all its spatial layers."""

    data: bytes
    """The octets as Matroska stores them."""
    timestamp: int
    """Time in RTP units, unwrapped: it goes on beyond 32 bits."""
    arrival_us: int
    """Arrival time of its first packet."""
    key: bool
    """Whether a decoder can begin here; always true of audio."""
    first_sequence: int
    """Extended sequence number of its first packet."""
    last_sequence: int
    packets: int
    """Number of packets it was made of; 0 if it came as redundancy in a later packet."""
    repaired: int
    """How many of these came late, that is repaired or overtaken; 1 for redundancy."""
    duration_us: int = 0
    """Duration in microseconds; 0 if not known."""


class StreamFormat(NamedTuple):
    """What a container's header says of a stream, as of the latest key frame."""

    width: int
    height: int
    private: bytes
    """Matroska's CodecPrivate: a decoder configuration record (H.264, AV1), identification header (Opus), or empty."""


class TimestampUnwrapper:
    """Unwraps 32-bit RTP timestamps: each is taken to be near the one before (RFC 3550 section 5.1)."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = -1

    def unwrap(self, timestamp: int) -> int:
        """Return the unwrapped timestamp, the shorter way around from the last one; the first stays as it is."""
        if self._last < 0:
            # a wrap back from the first one must not make a negative number, which would look like "none"
            self._last = timestamp + (1 << 32)
        else:
            ahead = (timestamp - self._last) & 0xFFFFFFFF
            self._last += ahead if ahead < 0x80000000 else ahead - (1 << 32)
            self._last = max(self._last, 0)
        return self._last
