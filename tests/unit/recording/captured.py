"""Captured packets as the plane would tap them, and files decoded again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import av
import av.logging

from sfu.recording.cutter import Fragment, Gap
from sfu.recording.source import Outcome, SourceRecorder
from sfu.routing.tap import TappedPacket, TappedPackets
from tests.vectors.rtp import reading

START_US = 1_000_000_000
"""The arrival clock at the record's start."""
FIRST_US = 5_000_000
"""On the record's clock, when a capture begins."""
CLOCK_RATES = {"opus": 48_000}


@dataclass(frozen=True)
class Taken:
    """The media packets of a capture; without those of RTX."""

    codec: str
    packets: list[TappedPacket]

    def of(self, encoding: int) -> list[TappedPacket]:
        return [packet for packet in self.packets if packet.encoding == encoding]


def codec_of(name: str) -> str:
    kind = name.split("_")[1]
    return "opus" if kind == "opus" else kind.upper()


def payload_of(packet: bytes) -> bytes:
    at = 12 + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10:
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4])
    padding = packet[-1] if packet[0] & 0x20 else 0
    return packet[at : max(at, len(packet) - padding)]


def take(name: str) -> Taken:
    """A capture, its SSRCs as Encodings in the order of their pictures' size."""
    capture = reading.load(name)
    codec = codec_of(name)
    red = capture.payload_type("red") if name.endswith("_red") else -1
    types = {capture.payload_type(codec), red}
    sizes = {one["ssrc"]: one.get("frameWidth", 0) for one in capture.facts["stats"]}
    ssrcs = sorted((int(ssrc) for ssrc in capture.facts["ssrcs"]), key=lambda ssrc: sizes.get(ssrc, 0))
    media = {packet.ssrc for packet in capture.packets if packet.payload_type in types}
    encodings = {ssrc: number for number, ssrc in enumerate(ssrc for ssrc in ssrcs if ssrc in media)}
    packets = [
        TappedPacket(
            track=0,
            generation=1,
            source=encodings[one.ssrc] << 32,
            encoding=encodings[one.ssrc],
            sequence=one.sequence,
            timestamp=one.timestamp,
            ssrc=one.ssrc,
            marker=bool(one.data[1] & 0x80),
            key=False,
            spatial=0,
            redundant=one.payload_type == red,
            late=False,
            arrival_us=START_US + FIRST_US + one.at_us,
            payload=payload_of(one.data),
        )
        for one in capture.packets
        if one.payload_type in types
    ]
    return Taken(codec, packets)


def recorder_of(codec: str, **options: int) -> SourceRecorder:
    kind = "audio" if codec == "opus" else "video"
    return SourceRecorder(kind, codec, CLOCK_RATES.get(codec, 90_000), START_US, **options)


def record(recorder: SourceRecorder, packets: Iterable[TappedPacket], each_us: int = 100_000) -> list[Outcome]:
    """Hand packets over by their arrival, polling in between; nothing is closed."""
    out: list[Outcome] = []
    now_us: int | None = None
    for packet in packets:
        if now_us is None:
            now_us = packet.arrival_us
        while now_us + each_us <= packet.arrival_us:
            now_us += each_us
            out += recorder.poll(now_us)
        recorder.handle_packets(TappedPackets.of([packet]))
    return out


def fragments(out: Sequence[Outcome]) -> list[Fragment]:
    return [one for one in out if isinstance(one, Fragment)]


def gaps(out: Sequence[Outcome]) -> list[Gap]:
    return [one for one in out if isinstance(one, Gap)]


def file_of(out: Sequence[Outcome]) -> bytes:
    return b"".join(fragment.data for fragment in fragments(out))


@dataclass(frozen=True)
class Decoded:
    """What libavcodec makes of a file."""

    codec: str
    times_ms: list[int]
    sizes: list[tuple[int, int]]
    """Of pictures."""
    frames: list[av.VideoFrame | av.AudioFrame]


def decode(data: bytes) -> Decoded:
    """Decode all; an AssertionError: libav complains of anything."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.WARNING)
    try:
        with av.logging.Capture(False) as complaints, av.open(io.BytesIO(data)) as container:
            (stream,) = container.streams
            frames = list(container.decode(stream))
            name = stream.codec_context.codec.canonical_name
            scale = stream.time_base
    finally:
        av.logging.set_level(before)
    assert not [text for *_, text in complaints]
    assert scale is not None and scale.denominator == 1000
    sizes = [(frame.width, frame.height) for frame in frames if isinstance(frame, av.VideoFrame)]
    return Decoded(name, [frame.pts for frame in frames], sizes, frames)
