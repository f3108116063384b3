"""Slow, plain-Python twins of kernels, written from the RFCs and not from the kernels."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from sfu.wire.kernels.transport_feedback import NOT_RECEIVED, FeedbackStatus

TICK_US, UNIT_US = 250, 64_000


@dataclass
class ParsedRtp:
    marker: int
    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    extensions: dict[int, bytes] = field(default_factory=dict)
    payload: bytes = b""


def parse_rtp(data: bytes, kinds: dict[int, int]) -> ParsedRtp | None:
    """Parse a packet with padding; None for what RFC 3550 or RFC 8285 forbids. Keys of extensions are kinds."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    packet = ParsedRtp(data[1] >> 7, data[1] & 127, *struct.unpack("!HII", data[2:12]))
    rest = data[12 + 4 * (data[0] & 15) :]
    if len(data) < 12 + 4 * (data[0] & 15):
        return None
    if data[0] & 16:
        if len(rest) < 4:
            return None
        profile, words = struct.unpack("!HH", rest[:4])
        if len(rest) < 4 + 4 * words:
            return None
        block, rest = rest[4 : 4 + 4 * words], rest[4 + 4 * words :]
        if profile == 0xBEDE or profile >> 4 == 0x100:
            found = _elements(block, one_byte=profile == 0xBEDE)
            if found is None:
                return None
            packet.extensions = {kinds[i]: v for i, v in found if kinds.get(i) and v}
            for i, v in found:  # a later empty element hides an earlier one
                if kinds.get(i) and not v:
                    packet.extensions.pop(kinds[i], None)
    if data[0] & 32:
        if not rest or rest[-1] == 0 or rest[-1] > len(rest):
            return None
        rest = rest[: len(rest) - rest[-1]]
    packet.payload = rest
    return packet


def _elements(block: bytes, one_byte: bool) -> list[tuple[int, bytes]] | None:
    found = []
    while block:
        if block[0] == 0:
            block = block[1:]
            continue
        if one_byte:
            identifier, length, block = block[0] >> 4, (block[0] & 15) + 1, block[1:]
            if identifier == 15:
                return _last_wins(found)
        else:
            if len(block) < 2:
                return None
            identifier, length, block = block[0], block[1], block[2:]
        if len(block) < length:
            return None
        found.append((identifier, block[:length]))
        block = block[length:]
    return _last_wins(found)


def _last_wins(found: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return list(dict(found).items())


def build_rtp(
    *,
    marker: int,
    payload_type: int,
    sequence: int,
    timestamp: int,
    ssrc: int,
    extensions: list[tuple[int, bytes]],
    payload: bytes,
    pad: int,
) -> bytes:
    """Build a packet with one-byte header extensions in the given order."""
    first = 0x80 | (0x10 if extensions else 0) | (0x20 if pad else 0)
    data = struct.pack("!BBHII", first, marker << 7 | payload_type, sequence, timestamp, ssrc)
    if extensions:
        block = b"".join(bytes([i << 4 | len(v) - 1]) + v for i, v in extensions)
        block += bytes(-len(block) % 4)
        data += struct.pack("!HH", 0xBEDE, len(block) // 4) + block
    return data + payload + (bytes(pad - 1) + bytes([pad]) if pad else b"")


def read_feedback(data: bytes, room: int) -> tuple[list[int], list[int]] | FeedbackStatus:
    """The head and the arrivals, by text of binary digits and lists; or what is wrong first."""
    if len(data) < 20:
        return FeedbackStatus.TRUNCATED
    first, kind, _, _, _, base, count, word = struct.unpack_from("!BBHLLHHL", data)
    if (first >> 6, first & 31, kind) != (2, 15, 205):
        return FeedbackStatus.OTHER
    if count == 0:
        return FeedbackStatus.NO_STATUS
    if count > room:
        return FeedbackStatus.TOO_MANY
    at = 20
    symbols: list[int] = []
    while len(symbols) < count:
        chunk = data[at : at + 2]
        if len(chunk) < 2:
            return FeedbackStatus.TRUNCATED
        at += 2
        bits = f"{int.from_bytes(chunk, 'big'):016b}"
        if bits[0] == "0":
            symbols += [int(bits[1:3], 2)] * int(bits[3:], 2)
        elif bits[1] == "0":
            symbols += [int(bit) for bit in bits[2:]]
        else:
            symbols += [int(bits[k : k + 2], 2) for k in range(2, 16, 2)]
    reference = word >> 8 if word < 1 << 31 else (word >> 8) - (1 << 24)
    now = reference * UNIT_US
    arrivals = []
    for symbol in symbols[:count]:
        if symbol == 3:
            return FeedbackStatus.BAD_SYMBOL
        delta = data[at : at + symbol]
        if len(delta) < symbol:
            return FeedbackStatus.TRUNCATED
        at += symbol
        now += TICK_US * int.from_bytes(delta, "big", signed=symbol == 2)
        arrivals.append(now if symbol else NOT_RECEIVED)
    return [base, count, reference * UNIT_US, word & 0xFF], arrivals
