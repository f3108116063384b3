"""Packets made by hand."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.routing.tap import TappedPacket

from .captured import START_US

OPUS_US = 20_000
VP8_US = 40_000
KEY = b"\x10\x00\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" + bytes(20)
DELTA = b"\x10\x01" + bytes(30)


def packet(sequence: int, arrival_us: int = 0, payload: bytes = b"\x08x", **fields: int | bool) -> TappedPacket:
    """A packet of source 0 whose timestamp follows its number, unless `fields` say otherwise."""
    whole = {
        "track": 0,
        "generation": 1,
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


def sounds(first: int, count: int, begin_us: int, **fields: int | bool) -> list[TappedPacket]:
    """One-octet Opus frames of 20 ms: silence."""
    return [
        packet(number, START_US + begin_us + (number - first) * OPUS_US, b"\x08", **fields)
        for number in range(first, first + count)
    ]


def pictures(
    first: int, count: int, begin_us: int, keys: Iterable[int] = (), **fields: int | bool
) -> list[TappedPacket]:
    """VP8 frames of one packet; the numbers in `keys` are key frames of 320x180."""
    chosen = set(keys)
    return [
        packet(
            number,
            START_US + begin_us + (number - first) * VP8_US,
            KEY if number in chosen else DELTA,
            timestamp=3600 * number & 0xFFFFFFFF,
            **fields,
        )
        for number in range(first, first + count)
    ]


def near(value_us: int, expected_us: int, within_us: int = 3_000) -> bool:
    return abs(value_us - expected_us) <= within_us
