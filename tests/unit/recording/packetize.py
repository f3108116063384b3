"""Senders of the four video codecs: frames to payloads, by the RFCs, in ways that are the test's to choose."""

from __future__ import annotations

import random
from collections.abc import Callable

VP8_KEY = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00"
VP9_KEY = b"\x82\x49\x83\x42\x00\x13\xf0\x0b\x30"
"""320x180, profile 0: VP9 bitstream specification, section 6.2."""
H264_SPS = bytes.fromhex("6742c01fd9005005bb016a02020280000003008000001e478c192400")
H264_PPS = bytes.fromhex("68cb83cb20")
AV1_SEQUENCE = bytes.fromhex("0a0b00000004473e9f7ccce02a")[2:]
"""Body of a sequence header."""


def cut(data: bytes, chance: random.Random, most: int = 40) -> list[bytes]:
    """Into pieces of at least one octet."""
    pieces = []
    while data:
        size = chance.randint(1, most)
        pieces.append(data[:size])
        data = data[size:]
    return pieces


def vp8(chance: random.Random, key: bool) -> tuple[bytes, list[bytes]]:
    """A frame, and its payloads: RFC 7741 section 4.2."""
    frame = VP8_KEY + chance.randbytes(60) if key else b"\x11" + chance.randbytes(chance.randint(0, 90))
    head = b""
    if chance.random() < 0.8:  # X, then which of I, L, T, K there are
        kinds = chance.randrange(16)
        head = bytes([kinds << 4])
        if kinds & 8:
            head += chance.choice((b"\x05", b"\x81\x05"))
        if kinds & 4:
            head += b"\x09"
        if kinds & 3:
            head += b"\x61"
    extended = 0x80 if head else 0
    pieces = cut(frame, chance)
    return frame, [bytes([extended | (0x10 if at == 0 else 0)]) + head + one for at, one in enumerate(pieces)]


def vp9(chance: random.Random, key: bool) -> tuple[bytes, list[bytes]]:
    """A picture of one layer: RFC 9628 section 4.2, in flexible mode or not."""
    frame = VP9_KEY + chance.randbytes(60) if key else b"\x86" + chance.randbytes(chance.randint(0, 90))
    flexible = chance.random() < 0.5
    layered = chance.random() < 0.5
    structure = key and chance.random() < 0.5
    payloads = []
    pieces = cut(frame, chance)
    for at, one in enumerate(pieces):
        first = 0x80 | (0 if key else 0x40) | (0x20 if layered else 0) | (0x10 if flexible else 0)
        first |= (0x08 if at == 0 else 0) | (0x04 if at == len(pieces) - 1 else 0)
        first |= 0x02 if structure and at == 0 else 0
        head = bytes([first]) + b"\x80\x05"
        if layered:
            head += b"\x20" if flexible else b"\x20\x07"
        if flexible and not key:
            head += b"\x03\x05\x06" if chance.random() < 0.5 else b"\x02"
        if structure and at == 0:
            head += b"\x18\x01\x40\x00\xb4\x02\x04\x01\x28\x01\x02"  # one layer of 320x180, two pictures
        payloads.append(head + one)
    return frame, payloads


def h264(chance: random.Random, key: bool) -> tuple[bytes, list[bytes]]:
    """An access unit as Matroska has it: RFC 6184, packetization mode 1."""
    units = [H264_SPS, H264_PPS] if key else []
    units += [b"\x06" + chance.randbytes(5)] if chance.random() < 0.3 and key else []
    for number in range(chance.randint(1, 3)):
        head = (b"\x65" if key else b"\x41") + (b"\x88" if number == 0 else b"\x48")
        units.append(head + chance.randbytes(chance.randint(1, 80)))
    frame = b"".join(len(unit).to_bytes(4) + unit for unit in units)
    payloads = []
    while units:
        count = chance.randint(1, len(units))
        if count > 1:
            part, units = units[:count], units[count:]
            payloads.append(b"\x78" + b"".join(len(unit).to_bytes(2) + unit for unit in part))
            continue
        unit, units = units[0], units[1:]
        pieces = cut(unit[1:], chance)
        if len(pieces) < 2:
            payloads.append(unit)
            continue
        for at, one in enumerate(pieces):
            mark = 0x80 if at == 0 else 0x40 if at == len(pieces) - 1 else 0
            payloads.append(bytes([unit[0] & 0xE0 | 28, mark | unit[0] & 0x1F]) + one)
    return frame, payloads


def leb128(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + leb128(value >> 7)


def av1(chance: random.Random, key: bool) -> tuple[bytes, list[bytes]]:
    """A temporal unit as Matroska has it: RTP Payload Format For AV1, section 4."""
    bodies = [(1, AV1_SEQUENCE)] if key else []
    if key and chance.random() < 0.3:
        bodies.append((5, chance.randbytes(4)))
    bodies.append((6, (b"\x10" if key else b"\x30") + chance.randbytes(chance.randint(0, 150))))
    frame = b"".join(bytes([kind << 3 | 2]) + leb128(len(body)) + body for kind, body in bodies)
    units = [bytes([kind << 3]) + body for kind, body in bodies]
    if chance.random() < 0.3:
        units.insert(0, b"\x10")  # a temporal delimiter, which senders should leave out
    payloads, elements, room = [], [], chance.randint(8, 60)
    goes_on = False
    started = False

    def flush(more: bool) -> None:
        nonlocal elements, room, goes_on, started
        counted = len(elements) < 4 and chance.random() < 0.7
        head = (0x80 if goes_on else 0) | (0x40 if more else 0) | (len(elements) << 4 if counted else 0)
        head |= 0x08 if key and not started else 0
        sized = [
            one if counted and at == len(elements) - 1 else leb128(len(one)) + one for at, one in enumerate(elements)
        ]
        payloads.append(bytes([head]) + b"".join(sized))
        elements, room, goes_on, started = [], chance.randint(8, 60), more, True

    for unit in units:
        rest = unit
        while True:
            part, rest = rest[:room], rest[room:]
            elements.append(part)
            room -= len(part)
            if not rest:
                break
            flush(True)
        if room <= 0 and unit is not units[-1]:
            flush(False)
    flush(False)
    return frame, payloads


SENDERS: dict[str, Callable[[random.Random, bool], tuple[bytes, list[bytes]]]] = {
    "VP8": vp8,
    "VP9": vp9,
    "H264": h264,
    "AV1": av1,
}
