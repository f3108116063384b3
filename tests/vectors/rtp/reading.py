"""Read the captures of this directory."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORD = struct.Struct("!IHH")
"""Microseconds since the first packet, octets of the packet, octets of it that follow."""


@dataclass(frozen=True)
class CapturedPacket:
    """One RTP packet as the browser sent it, decrypted."""

    at_us: int
    data: bytes
    """Of its full length; what was not kept of the payload is zeros."""
    kept_bytes: int
    """How much of `data` is the packet's own."""

    @property
    def payload_type(self) -> int:
        return self.data[1] & 0x7F

    @property
    def sequence(self) -> int:
        return int.from_bytes(self.data[2:4])

    @property
    def timestamp(self) -> int:
        return int.from_bytes(self.data[4:8])

    @property
    def ssrc(self) -> int:
        return int.from_bytes(self.data[8:12])


@dataclass(frozen=True)
class Capture:
    """A browser's packets, in the order of their arrival, and what is known about them from outside."""

    facts: dict[str, Any]
    packets: list[CapturedPacket]

    def payload_type(self, codec: str) -> int:
        """The payload type of a codec's name in SDP, such as `VP8`."""
        return next(
            int(number)
            for number, one in self.facts["payload_types"].items()
            if one["codec"].split("/")[0].lower() == codec.lower()
        )

    def extension_id(self, uri: str) -> int:
        """The id of the header extension that `uri` names; 0: not offered."""
        return next((int(number) for number, one in self.facts["extensions"].items() if one == uri), 0)


def names() -> list[str]:
    """All captures."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.rtp"))


def load(name: str) -> Capture:
    """A capture by its file's stem, with "whole/" before it for one of those."""
    path = Path(__file__).parent / f"{name}.rtp"
    octets, at, packets = path.read_bytes(), 0, []
    while at < len(octets):
        at_us, length, kept = RECORD.unpack_from(octets, at)
        at += RECORD.size
        packets.append(CapturedPacket(at_us, octets[at : at + kept].ljust(length, b"\0"), kept))
        at += kept
    return Capture(json.loads(path.with_suffix(".json").read_text()), packets)
