"""What depacketizers yield."""

from __future__ import annotations

from typing import NamedTuple


class Frame(NamedTuple):
    """What one timestamp carries: an audio frame, or a picture with all its spatial layers."""

    data: bytes
    """As Matroska stores it."""
    timestamp: int
    """RTP units, unwrapped: it goes on beyond 32 bits."""
    arrival_us: int
    """Of its first packet."""
    key: bool
    """A decoder can begin here; always so for audio."""
    first_sequence: int
    """Extended."""
    last_sequence: int
    packets: int
    """That it was made of; 0: it came as redundancy in a later packet."""
    repaired: int
    """How many of them came late, that is repaired or overtaken; 1 for redundancy."""
    duration_us: int = 0
    """0: not known."""


class StreamFormat(NamedTuple):
    """What a container's header says of a stream, as of the latest key frame."""

    width: int
    height: int
    private: bytes
    """Matroska's CodecPrivate: a decoder configuration record (H.264, AV1), identification header (Opus), or empty."""


class TimestampUnwrapper:
    """32-bit RTP timestamps, each the nearest to the one before (RFC 3550 section 5.1 has them wrap)."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last = -1

    def unwrap(self, timestamp: int) -> int:
        """The timestamp, as far from the last one as the shorter way around says; the first is as it is."""
        if self._last < 0:
            # a wrap back from the first one must not make a negative number, which would look like "none"
            self._last = timestamp + (1 << 32)
        else:
            ahead = (timestamp - self._last) & 0xFFFFFFFF
            self._last += ahead if ahead < 0x80000000 else ahead - (1 << 32)
            self._last = max(self._last, 0)
        return self._last
