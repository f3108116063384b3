"""Slow, plain-Python readers and writers of payload descriptors, made from the RFCs' figures and not from the kernels.

A reader gives a `Meaning`, or None for what is broken. Layers are pairs (spatial, temporal) here, not masks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

Layers = frozenset[tuple[int, int]]
EVERY: Layers = frozenset((s, t) for s in range(4) for t in range(8))
NONE: Layers = frozenset()


def layers(holds: Callable[[int, int], bool]) -> Layers:
    return frozenset((s, t) for s, t in EVERY if holds(s, t))


@dataclass
class Meaning:
    """The fields of a packet that a descriptor decides, as `describe_opaque` leaves them."""

    frame_end: int
    key: int = 0
    frame_start: int = 0
    spatial: int = 0
    temporal: int = 0
    present: Layers = EVERY
    switch: Layers = NONE
    discardable: Layers = NONE
    raises: int = -1
    picture_id: int = -1
    picture_id_at: int = -1
    picture_id_bits: int = 0
    tl0_picture: int = -1
    tl0_picture_at: int = -1


class CutOff(Exception):
    """The payload ends before the descriptor does."""


class Reader:
    """Bits of a payload, most significant first."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.bits = "".join(f"{octet:08b}" for octet in data)
        self.at = 0

    def take(self, count: int) -> int:
        if self.at + count > len(self.bits):
            raise CutOff
        self.at += count
        return int(self.bits[self.at - count : self.at] or "0", 2)

    def flags(self) -> list[bool]:
        return [bool(self.take(1)) for _ in range(8)]

    @property
    def octet(self) -> int:
        assert self.at % 8 == 0
        return self.at // 8

    def picture(self, meaning: Meaning) -> None:
        meaning.picture_id_at = self.octet
        meaning.picture_id_bits = 15 if self.take(1) else 7
        meaning.picture_id = self.take(meaning.picture_id_bits)

    def tl0(self, meaning: Meaning) -> None:
        meaning.tl0_picture_at = self.octet
        meaning.tl0_picture = self.take(8)

    def rest(self) -> bytes:
        if self.octet >= len(self.data):
            raise CutOff
        return self.data[self.octet :]


def read_vp8(data: bytes, marker: int) -> Meaning | None:
    """RFC 7741 section 4.2, figure 1, and the frame's first bit of section 4.3."""
    meaning = Meaning(frame_end=marker)
    if not data:
        return meaning
    reader = Reader(data)
    with contextlib.suppress(CutOff):
        extended, _, unused, starts, _ = [bool(reader.take(1)) for _ in range(5)]
        partition = reader.take(3)
        has_picture, has_tl0, has_tid, has_key_index = (reader.flags() if extended else [False] * 8)[:4]
        if has_picture:
            reader.picture(meaning)
        if has_tl0:
            reader.tl0(meaning)
        tid, sync = 0, False
        if has_tid or has_key_index:
            tid, sync, _ = reader.take(2), bool(reader.take(1)), reader.take(5)
            if not has_tid:
                tid, sync = 0, False
        frame = reader.rest()
        meaning.frame_start = int(starts and partition == 0)
        meaning.temporal = tid
        meaning.present = layers(lambda s, t: t >= tid)
        if meaning.frame_start and frame[0] % 2 == 0:
            meaning.key, meaning.switch = 1, EVERY
        elif sync and tid:
            meaning.switch = layers(lambda s, t: t == tid)
        if unused:
            meaning.discardable = meaning.present
        return meaning
    return None


@dataclass
class Structure:
    """VP9's scalability structure (RFC 9628 section 4.2.1)."""

    spatial_layers: int = 1
    sizes: bool = False
    pictures: list[list[int]] | None = None
    """The references of each picture of a group; None: no group is described."""

    def build(self) -> bytes:
        grouped = self.pictures is not None
        data = bytes([(self.spatial_layers - 1) << 5 | self.sizes << 4 | grouped << 3])
        data += bytes.fromhex("014000b4") * (self.spatial_layers * self.sizes)
        if self.pictures is not None:
            data += bytes([len(self.pictures)])
            for references in self.pictures:
                data += bytes([len(references) << 2, *references])
        return data


def read_structure(reader: Reader) -> int:
    """Read past a scalability structure; return how many spatial layers it announces."""
    count = reader.take(3) + 1
    sizes, grouped, _ = reader.take(1), reader.take(1), reader.take(3)
    for _ in range(count * sizes):
        reader.take(32)
    for _ in range(reader.take(8) if grouped else 0):
        reader.take(4)
        references, _ = reader.take(2), reader.take(2)
        reader.take(8 * references)
    return count


def read_vp9(data: bytes, marker: int, top: int) -> tuple[Meaning, int] | None:
    """RFC 9628 section 4.2, figures 2 to 4; and the highest spatial layer that the packet announces (-1: none)."""
    meaning, announced = Meaning(frame_end=marker), -1
    if not data:
        return meaning, announced
    reader = Reader(data)
    with contextlib.suppress(CutOff):
        picture, predicted, indices, flexible, begins, ends, structured, apart = reader.flags()
        flexible = flexible and picture
        if picture:
            reader.picture(meaning)
        tid = up = sid = inter = 0
        if indices:
            tid, up, sid, inter = reader.take(3), reader.take(1), reader.take(3), reader.take(1)
            if not flexible:
                reader.tl0(meaning)
        if flexible and predicted:
            more, references = 1, 0
            while more:
                _, more = reader.take(7), reader.take(1)
                references += 1
            if references > 3:
                return None
        if structured:
            announced = top = read_structure(reader) - 1
        frame = reader.rest()
        if sid > 3 or (inter and not sid):
            return None
        if begins and not sid and not predicted and frame[0] >> 6 == 2:
            head = f"{frame[0]:08b}"
            shows, other = head[5:7] if head[2:4] == "11" else head[4:6]
            predicted = (shows, other) != ("0", "0")
        meaning.frame_start, meaning.frame_end = int(begins), int(ends)
        meaning.spatial, meaning.temporal = sid, tid
        below_top = sid < top
        meaning.present = layers(lambda s, t: t >= tid and (s == sid if apart and below_top else s >= sid))
        if not predicted:
            meaning.key = int(begins and sid == 0)
            meaning.switch = layers(lambda s, t: sid == 0 or (s == sid if below_top else s >= sid))
        meaning.raises = tid if up else -1
        return meaning, announced
    return None


def units_of(data: bytes) -> list[tuple[int, bytes]] | None:
    """The NAL units that begin in a packet, as type and body (RFC 6184 sections 5.6 to 5.8)."""
    kind, rest = data[0] % 32, data[1:]
    if kind in (25, 26, 27, 29):
        return None
    if kind == 28:
        if not rest:
            return None
        return [(rest[0] % 32, rest[1:])] if rest[0] >= 128 else []
    if kind != 24:
        return [(kind, rest)]
    units = []
    while rest:
        length = int.from_bytes(rest[:2], "big")
        if len(rest) < 2 or length == 0 or len(rest) < 2 + length:
            return None
        units.append((rest[2] % 32, rest[3 : 2 + length]))
        rest = rest[2 + length :]
    return units


def sei_types(body: bytes) -> list[int]:
    """The types of SEI messages (H.264 section 7.3.2.3.1)."""
    found = []
    plain, zeros = bytearray(), 0
    for octet in body:
        if zeros >= 2 and octet == 3:
            zeros = 0
            continue
        zeros = zeros + 1 if octet == 0 else 0
        plain.append(octet)
    rest = bytes(plain)
    while len(rest) > 1:
        numbers = []
        for _ in range(2):
            size = len(rest) - len(rest.lstrip(b"\xff"))
            if size == len(rest):
                return found + numbers[:1]
            numbers.append(255 * size + rest[size])
            rest = rest[size + 1 :]
        found.append(numbers[0])
        rest = rest[numbers[1] :]
    return found


def read_h264(data: bytes, marker: int) -> Meaning | None:
    """Key frames begin with the first slice of an IDR picture (5), or with the SEI (6) of a recovery point."""
    meaning = Meaning(frame_end=marker)
    if not data:
        return meaning
    units = units_of(data)
    if units is None:
        return None
    for kind, body in units:
        first = not body or body[0] >= 128
        starts = (kind == 5 and first) or (kind == 6 and 6 in sei_types(body))
        if starts or kind in (7, 9) or (kind in (1, 2) and first):
            meaning.frame_start = 1
        if starts:
            meaning.key, meaning.switch = 1, EVERY
    return meaning


@dataclass
class Red:
    """A RED payload (RFC 2198 section 3): copies with their timestamp offsets, and the primary block."""

    payload_type: int
    copies: list[tuple[int, bytes]] = field(default_factory=list)
    primary: bytes = b""

    def build(self) -> bytes:
        heads = b"".join(
            bytes([128 | self.payload_type]) + (offset << 10 | len(block)).to_bytes(3, "big")
            for offset, block in self.copies
        )
        return heads + bytes([self.payload_type]) + b"".join(block for _, block in self.copies) + self.primary


def primary_of(data: bytes) -> int | None:
    """The offset of the primary block; None for no, too many or cut off blocks."""
    if not data:
        return 0
    reader, lengths = Reader(data), []
    with contextlib.suppress(CutOff):
        while reader.take(1):
            reader.take(7 + 14)
            lengths.append(reader.take(10))
        reader.take(7)
        found = reader.octet + sum(lengths)
        return found if len(lengths) < 8 and found < len(data) else None
    return None
