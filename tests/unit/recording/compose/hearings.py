"""Makes records of hearings that never were: media encoded with libav, lines by the ledger that all records have."""

from __future__ import annotations

import datetime
import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from sfu.recording.folder import LEDGER, MEDIA, media_file
from sfu.recording.ledger import Ledger
from sfu.recording.signing import SigningKey

START = datetime.datetime(2026, 3, 14, 9, 14, 58, tzinfo=datetime.UTC)
RECORD_ID = "5ca1ab1e" * 4
FRAGMENT_US = 1_000_000
_CLUSTER = b"\x1f\x43\xb6\x75"

Picture = Callable[[int], np.ndarray]
"""RGB of a moment, in microseconds of the record."""
Sound = Callable[[np.ndarray], np.ndarray]
"""Samples of moments, in seconds of the record."""


@dataclass
class Hearing:
    """A record in the making; times are seconds of the record."""

    path: Path
    room: str = "Case 4 O 123/26"
    _events: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    _sources: int = 0

    def note(self, at: float, kind: str, /, **fields: Any) -> None:
        self._events.append((at, kind, fields))

    def gap(self, source: int, cause: str, begin: float, end: float) -> None:
        self.note(end, "gap", source=source, cause=cause, begin_us=_us(begin), end_us=_us(end))

    def pause(self, begin: float, end: float, ground: str, authoriser: str, note: str = "") -> None:
        self.note(begin, "pause", ground=ground, authoriser=authoriser, note=note)
        self.note(end, "resume", authoriser=authoriser)

    def add_video(
        self,
        peer: str,
        spans: Sequence[tuple[float, float]],
        picture: Picture,
        *,
        label: str = "",
        fps: int = 15,
        codec: str = "libvpx",
        encryption: str = "",
        scramble: Callable[[bytes], bytes] | None = None,
        **metadata: str,
    ) -> int:
        """Add a camera; the size of its pictures may change from one to the next."""
        fragments = []
        for begin, end in spans:
            packets = _encode_video(begin, end, picture, fps, codec)
            if scramble is not None:
                packets = [(scramble(data), *rest) for data, *rest in packets]
            fragments += _cut(packets)
        name = {"libvpx": "vp8", "libvpx-vp9": "vp9", "libx264": "h264", "libsvtav1": "av1"}[codec]
        return self._add("video", name, peer, label, metadata, fragments, 1_000_000 // fps, encryption)

    def add_audio(
        self,
        peer: str,
        spans: Sequence[tuple[float, float]],
        sound: Sound,
        *,
        label: str = "",
        encryption: str = "",
        drift_ppm: int = 0,
        jitter_ms: int = 0,
        **metadata: str,
    ) -> int:
        """Add a microphone; its clock may be slow by so much, and its timestamps shake."""
        rng = np.random.default_rng(1)
        fragments = []
        for begin, end in spans:
            packets = _encode_audio(begin, end, sound)
            first = packets[0][1]
            stretched = [round(first + (at - first) * (1 + drift_ppm / 1e6)) for _, at, *_ in packets]
            shaken = [at + int(rng.integers(-jitter_ms, jitter_ms + 1)) for at in stretched]
            fragments += _cut(
                [(packet[0], max(at, 0), *packet[2:]) for packet, at in zip(packets, shaken, strict=True)]
            )
        return self._add("audio", "opus", peer, label, metadata, fragments, 20_000, encryption)

    def write(self, duration: float, *, close: bool = True) -> Path:
        """Write the ledger, and return the folder."""
        ledger = Ledger(RECORD_ID, SigningKey.generate())
        lines = [ledger.start(self.room, START, "sfu test", {})]
        for at, kind, fields in sorted(self._events, key=lambda each: each[0]):
            lines.append(ledger.append(kind, _us(at), **fields))
        if close:
            lines.append(ledger.append("stop", _us(duration), cause="stopped", utc="2026-03-14T10:00:00.000000Z"))
        lines.append(ledger.sign_head(_us(duration), START))
        (self.path / MEDIA).mkdir(parents=True, exist_ok=True)
        (self.path / LEDGER).write_bytes(b"".join(lines))
        return self.path

    def _add(
        self,
        kind: str,
        codec: str,
        peer: str,
        label: str,
        metadata: dict[str, str],
        fragments: list[list[tuple[bytes, int, bool, int, int]]],
        last_us: int,
        encryption: str = "",
    ) -> int:
        self._sources += 1
        number, file = self._sources, media_file(self._sources, kind)
        begin = fragments[0][0][1] / 1e3 if fragments else 0.0
        self.note(
            begin, "source", source=number, file=file, kind=kind, codec=codec,
            clock_rate=90_000 if kind == "video" else 48_000, peer=peer, label=label, metadata=metadata,
            **({"encryption": encryption} if encryption else {}),
        )  # fmt: skip
        path = self.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        offset = 0
        with path.open("wb") as out:
            for index, packets in enumerate(fragments):
                data = _mux(codec, kind, packets)
                if index:
                    data = data[data.index(_CLUSTER) :]
                out.write(data)
                begin_us, end_us = packets[0][1] * 1000, packets[-1][1] * 1000 + last_us
                self.note(
                    end_us / 1e6, "fragment", source=number, index=index, offset=offset, bytes=len(data),
                    sha256=hashlib.sha256(data).hexdigest(), begin_us=begin_us, end_us=end_us,
                )  # fmt: skip
                offset += len(data)
        return number


def plain(*colour: int, width: int = 320, height: int = 180) -> Picture:
    """One colour."""
    image = np.full((height, width, 3), colour, np.uint8)
    return lambda at_us: image


def tone(hertz: float, amplitude: float = 0.3) -> Sound:
    return lambda at: amplitude * np.sin(2 * np.pi * hertz * at)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _encode_video(
    begin: float, end: float, picture: Picture, fps: int, codec: str
) -> list[tuple[bytes, int, bool, int, int]]:
    packets: list[tuple[bytes, int, bool, int, int]] = []
    context: Any = None
    size = (0, 0)
    for number in range(round((end - begin) * fps)):
        at_ms = round(begin * 1000) + number * 1000 // fps
        image = picture(at_ms * 1000)
        if (image.shape[1], image.shape[0]) != size:
            size = image.shape[1], image.shape[0]
            packets += _drain(context, size)
            context = _open_video(codec, size)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p", dst_colorspace="itu601")
        frame.pts, frame.time_base = at_ms, Fraction(1, 1000)
        packets += [(bytes(p), p.pts, p.is_keyframe, *size) for p in context.encode(frame)]
    return packets + _drain(context, size)


def _open_video(codec: str, size: tuple[int, int]) -> Any:
    context: Any = av.CodecContext.create(codec, "w")
    context.width, context.height = size
    context.pix_fmt, context.time_base, context.framerate = "yuv420p", Fraction(1, 1000), Fraction(15)
    context.bit_rate, context.gop_size, context.thread_count = 1_500_000, 30, 1
    context.options = {
        "libx264": {"tune": "zerolatency", "preset": "ultrafast"},
        "libsvtav1": {"preset": "12", "svtav1-params": "pred-struct=1:lp=1:rc=2"},
    }.get(codec, {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"})
    return context


def _drain(context: Any, size: tuple[int, int]) -> list[tuple[bytes, int, bool, int, int]]:
    return [] if context is None else [(bytes(p), p.pts, p.is_keyframe, *size) for p in context.encode(None)]


def _encode_audio(begin: float, end: float, sound: Sound) -> list[tuple[bytes, int, bool, int, int]]:
    context: Any = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48_000, "mono", "flt"
    context.time_base, context.bit_rate = Fraction(1, 48_000), 64_000
    packets = []
    # the encoder is one lookahead behind: shift what it hears, so that what it says is in its place
    lookahead = 312 / 48_000
    for number in range(round((end - begin) * 50)):
        at = begin + lookahead + (number * 960 + np.arange(960)) / 48_000
        frame = av.AudioFrame.from_ndarray(sound(at).astype(np.float32)[None], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, Fraction(1, 48_000)
        packets += [bytes(packet) for packet in context.encode(frame)]
    return [(data, round(begin * 1000) + 20 * number, True, 0, 0) for number, data in enumerate(packets)]


def _cut(packets: list[tuple[bytes, int, bool, int, int]]) -> list[list[tuple[bytes, int, bool, int, int]]]:
    fragments: list[list[tuple[bytes, int, bool, int, int]]] = []
    for packet in packets:
        if not fragments or packet[1] - fragments[-1][0][1] >= FRAGMENT_US // 1000:
            fragments.append([])
        fragments[-1].append(packet)
    return fragments


def _mux(codec: str, kind: str, packets: list[tuple[bytes, int, bool, int, int]]) -> bytes:
    out = io.BytesIO()

    class Sink:
        def write(self, data: bytes) -> int:
            return out.write(data)

    options = {
        "live": "1", "fflags": "+bitexact", "cluster_time_limit": "100000", "cluster_size_limit": "100000000"
    }  # fmt: skip
    container: Any = av.open(Sink(), "w", format="matroska", options=options)
    if kind == "video":
        stream = container.add_mux_stream(codec, width=packets[0][3], height=packets[0][4])
    else:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
    stream.time_base = Fraction(1, 1000)
    for data, pts, key, _, _ in packets:
        packet: Any = av.Packet(data)
        packet.pts = packet.dts = pts
        packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 1000), stream, key
        container.mux(packet)
    container.close()
    return out.getvalue()
