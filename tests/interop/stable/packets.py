"""What a viewer saw, from the RTP packets that its client kept: which frames came whole, and what they show.

It knows the payload formats by itself (RFC 7741, RFC 6184, RFC 9628, RTP Payload Format For AV1), since it is there to
find faults in ours.
"""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import av
import av.error
import numpy as np

_FU_A, _STAP_A, _IDR = 28, 24, 5
_SEQUENCE, _DELIMITER = 1, 2
"""Types of OBUs."""
_DECODERS = {"av1": "libdav1d"}
"""Where the codec's own name is that of a decoder which needs hardware."""
_PLAIN = 4.0
"""A picture whose luma spreads less than this shows nothing."""
_SILENT = 0.02
"""Of full scale."""
_UNDER_WAY_US = 500_000
"""What is on its way, or waits in a client's jitter buffer, when the viewer leaves, is not missed."""


class Packet(NamedTuple):
    at_us: int
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def read_packets(data: bytes) -> list[Packet]:
    """The packets of a client's file, as they came; one that was cut short by the client's end is left out."""
    at, packets = 0, []
    while at + 10 <= len(data):
        at_us, length = struct.unpack_from(">QH", data, at)
        body = data[at + 10 : at + 10 + length]
        at += 10 + length
        if len(body) == length >= 12:
            packets.append(_parse(at_us, body))
    return packets


def _parse(at_us: int, body: bytes) -> Packet:
    """RFC 3550 section 5.1."""
    first, second, sequence, timestamp, ssrc = struct.unpack_from(">BBHII", body)
    start = 12 + 4 * (first & 0x0F)
    if first & 0x10:
        start += 4 + 4 * int.from_bytes(body[start + 2 : start + 4])
    end = len(body) - (body[-1] if first & 0x20 else 0)
    return Packet(at_us, second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, body[start : max(start, end)])


class Frame(NamedTuple):
    """A picture that came whole."""

    at_us: int
    """When the last of its packets came."""
    timestamp: int
    """Unwrapped, 90 kHz."""
    key: bool
    data: bytes
    follows: bool
    """Whether nothing is missing between it and the frame before."""


def frames_of(packets: Iterable[Packet], codec: str) -> list[Frame]:
    """The frames of one video that came whole, in the order of their numbers."""
    came: dict[int, Packet] = {}
    for number, packet in _unwrapped(packets):
        came.setdefault(number, packet)
    media = [number for number in sorted(came) if came[number].payload]  # what else there is, is padding
    frames: list[Frame] = []
    until, timestamp, previous = -1, 0, 0
    for stamp, group in itertools.groupby(media, lambda number: came[number].timestamp):
        numbers = list(group)
        timestamp += _nearest(stamp - previous, 32) if previous or frames else stamp
        previous = stamp
        parts = [came[number].payload for number in numbers]
        last = came[numbers[-1]]
        complete = all(number in came for number in range(numbers[0], numbers[-1]))
        if complete and last.marker and (data := _FORMATS[codec](parts)) is not None:
            follows = bool(frames) and all(number in came for number in range(until + 1, numbers[0]))
            arrived = max(came[number].at_us for number in numbers)
            frames.append(Frame(arrived, timestamp, _IS_KEY[codec](data), data, follows))
            until = numbers[-1]
    return frames


def _unwrapped(packets: Iterable[Packet]) -> Iterator[tuple[int, Packet]]:
    highest = None
    for packet in packets:
        number = packet.sequence + (1 << 16) if highest is None else highest + _nearest(packet.sequence - highest, 16)
        highest = number if highest is None else max(highest, number)
        yield number, packet


def _nearest(difference: int, bits: int) -> int:
    """A difference of two numbers of so many bits, as the one of least size."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half


# Payload formats: the parts of a frame joined, or None if its beginning is missing ------------------------------------


def _join_vp8(parts: list[bytes]) -> bytes | None:
    """RFC 7741 section 4.2."""
    bodies = []
    for number, part in enumerate(parts):
        start, at = part[0], 1
        if start & 0x80:
            flags, at = part[1], 2
            if flags & 0x80:
                at += 2 if part[at] & 0x80 else 1
            at += bool(flags & 0x40)
            at += bool(flags & 0x30)
        if number == 0 and not (start & 0x10 and not start & 0x07):
            return None
        bodies.append(part[at:])
    return b"".join(bodies)


def _join_vp9(parts: list[bytes]) -> bytes | None:
    """RFC 9628 section 4.2."""
    bodies = []
    for number, part in enumerate(parts):
        flags, at = part[0], 1
        if flags & 0x80:  # picture id
            at += 2 if part[at] & 0x80 else 1
        if flags & 0x20:  # layer indices
            at += 1 if flags & 0x10 else 2
        if flags & 0x10 and flags & 0x40:  # reference indices of flexible mode
            while part[at] & 0x01:
                at += 1
            at += 1
        if flags & 0x02:  # scalability structure
            at += _structure_bytes(part, at)
        if number == 0 and not flags & 0x08:
            return None
        bodies.append(part[at:])
    return b"".join(bodies)


def _structure_bytes(part: bytes, at: int) -> int:
    head, size = part[at], 1
    if head & 0x10:
        size += 4 * ((head >> 5) + 1)
    if head & 0x08:
        pictures, size = part[at + size], size + 1
        for _ in range(pictures):
            size += 1 + (part[at + size] >> 2 & 0x03)
    return size


def _join_h264(parts: list[bytes]) -> bytes | None:
    """RFC 6184 sections 5.6 to 5.8, as Annex B."""
    units: list[bytes] = []
    for number, part in enumerate(parts):
        kind = part[0] & 0x1F
        if kind == _STAP_A:
            at = 1
            while at + 2 < len(part):
                length = int.from_bytes(part[at : at + 2])
                units.append(part[at + 2 : at + 2 + length])
                at += 2 + length
        elif kind == _FU_A:
            if part[1] & 0x80:
                units.append(bytes([part[0] & 0xE0 | part[1] & 0x1F]) + part[2:])
            elif number == 0:
                return None
            else:
                units[-1] += part[2:]
        else:
            units.append(part)
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def _units(data: bytes) -> set[int]:
    """The types of the NAL units of an access unit in Annex B."""
    return {unit[0] & 0x1F for unit in data.split(b"\0\0\1")[1:] if unit}


def _join_av1(parts: list[bytes]) -> bytes | None:
    """RTP Payload Format For AV1, section 4: the OBUs of a temporal unit, each with its size again."""
    units: list[bytes] = []
    for number, part in enumerate(parts):
        continues, count, at = bool(part[0] & 0x80), part[0] >> 4 & 0x03, 1
        if number == 0 and continues:
            return None
        element = 0
        while at < len(part):
            element += 1
            length, at = (len(part) - at, at) if element == count else _leb128(part, at)
            if element == 1 and continues:
                units[-1] += part[at : at + length]
            else:
                units.append(part[at : at + length])
            at += length
    return b"\x12\0" + b"".join(_with_size(unit) for unit in units if unit and unit[0] >> 3 & 0x0F != _DELIMITER)


def _with_size(unit: bytes) -> bytes:
    if unit[0] & 0x02:
        return unit
    head = 2 if unit[0] & 0x04 else 1
    size, octets = len(unit) - head, b""
    while size > 0x7F:
        octets, size = octets + bytes([size & 0x7F | 0x80]), size >> 7
    return bytes([unit[0] | 0x02]) + unit[1:head] + octets + bytes([size]) + unit[head:]


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 0x80:
            return value, at


_FORMATS = {"vp8": _join_vp8, "vp9": _join_vp9, "h264": _join_h264, "av1": _join_av1}
_IS_KEY = {
    "vp8": lambda data: not data[0] & 0x01,  # RFC 6386 section 9.1
    "vp9": lambda data: not data[0] & 0x0C,  # neither shown again nor an inter frame, of profile 0
    "h264": lambda data: _IDR in _units(data),
    "av1": lambda data: data[2] >> 3 & 0x0F == _SEQUENCE,  # behind the delimiter
}


# What a viewer sees ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """What a viewer saw between being connected and leaving."""

    pictures: int
    """Frames that a decoder made a picture of which is not plain."""
    missed: int
    """Frames of the source since the first picture of which it could not."""
    first_s: float
    """From being connected to the first picture; infinite if none came."""
    freeze_s: float
    """The longest time between a picture and the next, or the end."""
    packets: int

    @property
    def share(self) -> float:
        """Which part of the source's frames since the first picture was seen."""
        return self.pictures / max(1, self.pictures + self.missed)


def look_at(packets: Sequence[Packet], codec: str, *, connected_us: int, left_us: int, fps: int) -> Seen:
    """Decode what came, as a player does that waits for a key frame whenever something is missing.

    `fps`: how many frames of 90 kHz timestamps the source has in a second.
    """
    decoder = av.CodecContext.create(_DECODERS.get(codec, codec), "r")
    assert isinstance(decoder, av.VideoCodecContext)
    decoder.thread_count = 1  # a picture for each frame, none later
    shown: list[Frame] = []
    intact = False
    for frame in frames_of(packets, codec):
        intact = frame.key or (intact and frame.follows)
        if intact and _decodes(decoder, frame.data):
            shown.append(frame)
        else:
            intact = False
    if not shown:
        return Seen(0, 0, math.inf, math.inf, len(packets))
    times = sorted(frame.at_us for frame in shown)
    end = max(left_us, times[-1])
    freeze = max(after - before for before, after in itertools.pairwise([*times, end]))
    between = round((shown[-1].timestamp - shown[0].timestamp) * fps / 90_000) + 1
    behind = max(0, end - times[-1] - _UNDER_WAY_US) * fps // 1_000_000
    missed = max(0, between - len(shown)) + behind
    return Seen(len(shown), missed, (times[0] - connected_us) / 1e6, freeze / 1e6, len(packets))


def listen_to(packets: Iterable[Packet]) -> int:
    """How many Opus packets (RFC 7587) decode to a sound that is not silence."""
    decoder = av.CodecContext.create("opus", "r")
    assert isinstance(decoder, av.AudioCodecContext)
    once = {packet.sequence: packet for packet in packets if packet.payload}
    return sum(_sounds(decoder, packet.payload) for packet in once.values())


def _sounds(decoder: av.AudioCodecContext, data: bytes) -> bool:
    try:
        return any(float(np.abs(frame.to_ndarray()).max()) > _SILENT for frame in decoder.decode(av.Packet(data)))
    except av.error.FFmpegError:
        return False


def _decodes(decoder: av.VideoCodecContext, data: bytes) -> bool:
    try:
        pictures = decoder.decode(av.Packet(data))
    except av.error.FFmpegError:
        return False
    return any(float(np.std(picture.to_ndarray(format="gray"))) > _PLAIN for picture in pictures)
