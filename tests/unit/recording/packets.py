"""Packets made by hand."""

from __future__ import annotations

from sfu.routing.tap import TappedPacket


def packet(sequence: int, arrival_us: int = 0, payload: bytes = b"\x08x", **fields: int | bool) -> TappedPacket:
    """A packet of source 0 whose timestamp follows its number, unless `fields` say otherwise."""
    whole = {
        "track": 0,
        "use": 1,
        "source": 0,
        "encoding": 0,
        "sequence": sequence & 0xFFFF,
        "timestamp": 960 * sequence & 0xFFFFFFFF,
        "ssrc": 0x1234,
        "marker": True,
        "key": False,
        "spatial": 0,
        "redundant": False,
        "late": False,
        "arrival_us": arrival_us,
        "payload": payload,
    }
    return TappedPacket(**(whole | fields))
