"""What recording costs in Python: each case prints its time for a second of one track."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from sfu.recording.source import SourceRecorder
from sfu.routing.tap import TappedPacket, TappedPackets

_SECOND_US = 1_000_000
_PAYLOAD_BYTES = 1_100
_PACKETS = 110  # 1 Mbit/s
_FRAMES = 30
_VP8_DESCRIPTOR = bytes([0x80, 0xE0, 0x80, 0, 0, 0])
_VP8_KEY = b"\x00\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00"


class Track:
    """An endless stream of packets."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        kind = "audio" if codec == "opus" else "video"
        self.recorder = SourceRecorder(kind, codec, 48_000 if codec == "opus" else 90_000, 0)
        self.seconds = itertools.count()
        self.count = 0

    def make_second(self, *, disordered: bool = False) -> list[TappedPacket]:
        """The packets of the next second; `disordered`: each tenth comes after the five behind it."""
        second = next(self.seconds)
        made = list(self._sounds(second) if self.codec == "opus" else self._pictures(second))
        if disordered:
            for place in range(10, len(made) - 6, 10):
                made.insert(place + 5, made.pop(place))
        return made

    def _sounds(self, second: int) -> Any:
        for frame in range(50):
            yield self._packet(second, frame / 50, 960 * (50 * second + frame), True, b"\x78" + bytes(80))

    def _pictures(self, second: int) -> Any:
        for place in range(_PACKETS):
            frame = place * _FRAMES // _PACKETS
            begins = place == 0 or (place - 1) * _FRAMES // _PACKETS != frame
            ends = (place + 1) * _FRAMES // _PACKETS != frame
            head = bytes([0x90 if begins else 0x80]) + _VP8_DESCRIPTOR[1:]
            body = _VP8_KEY if begins and frame == 0 else b"\x01"
            yield self._packet(second, place / _PACKETS, 3_000 * (30 * second + frame), ends, head + body)

    def _packet(self, second: int, part: float, timestamp: int, marker: bool, head: bytes) -> TappedPacket:
        self.count += 1
        arrival_us = second * _SECOND_US + int(part * _SECOND_US)
        payload = head if self.codec == "opus" else head.ljust(_PAYLOAD_BYTES, b"\xaa")
        return TappedPacket(
            0, 1, 0, 0, self.count & 0xFFFF, timestamp, 1, marker, False, 0, False, False, arrival_us, payload
        )

    def record(self, packets: TappedPackets) -> int:
        """Take a second of packets, and cut a fragment of it; the fragment's size."""
        recorder = self.recorder
        recorder.handle_packets(packets)
        return sum(len(fragment.data) for fragment in recorder.poll(packets.arrivals[-1] + 10_000))


@pytest.mark.parametrize("codec", ["opus", "VP8"])
@pytest.mark.parametrize("disordered", [False, True])
def test_a_second_of_a_track(benchmark: Any, codec: str, disordered: bool) -> None:
    track = Track(codec)

    def setup() -> tuple[tuple[TappedPackets], dict[str, Any]]:
        return (TappedPackets.of(track.make_second(disordered=disordered), audio=codec == "opus"),), {}

    benchmark.extra_info["packets"] = 50 if codec == "opus" else _PACKETS
    benchmark.pedantic(track.record, setup=setup, rounds=200, warmup_rounds=5)
    assert track.recorder.dropped.total() == 0
