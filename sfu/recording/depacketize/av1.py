"""AV1 (RTP Payload Format For AV1, version 1.0.0): temporal units in the low-overhead format, sizes put back.

Matroska wants no temporal delimiters, and does without. Not so a decoder of spatial layers: dav1d, which shows the
highest, learns from the next delimiter that no higher one is coming; without any it shows no picture whose highest
layer was not sent, however long that lasts. So where there are spatial layers each unit begins with a delimiter.
"""

from __future__ import annotations

from sfu.recording.depacketize.av1_sequence import Sequence, parse_sequence
from sfu.recording.depacketize.frame import StreamFormat
from sfu.recording.depacketize.picture import PictureDepacketizer

_SEQUENCE, _DELIMITER, _FRAME_HEADER, _FRAME, _TILE_LIST = 1, 2, 3, 6, 8
_DELIMITER_UNIT = bytes([_DELIMITER << 3 | 0x02, 0])
_MAX_UNITS = 4096
"""Most OBUs of a temporal unit."""
_MAX_LEB128_OCTETS = 8


class Av1Depacketizer(PictureDepacketizer):
    """Walks the OBU elements of payloads (section 4.3), and joins fragments."""

    def __init__(self) -> None:
        super().__init__()
        self._units: list[list[bytes]] = []
        self._open = False  # the last OBU goes on in the next packet
        self._layered = False

    def _begins(self, payload: bytes) -> bool:
        head = payload[0]
        if head & 0x80 or len(payload) < 2:  # Z: goes on with the OBU of the packet before
            return False
        at = 1
        if head >> 4 & 3 != 1:
            _, at = read_leb128(payload, at)
        if not 0 <= at < len(payload):
            return False
        kind = payload[at] >> 3 & 0x0F
        if kind in (_SEQUENCE, _DELIMITER):
            return True
        body = at + (2 if payload[at] & 0x04 else 1)
        if kind not in (_FRAME_HEADER, _FRAME) or body >= len(payload):
            return False
        spatial = payload[at + 1] >> 3 & 3 if payload[at] & 0x04 else 0
        # a key frame has its sequence header before it, which may be what was lost
        return spatial == 0 and not _is_key(payload[body:])

    def _add(self, payload: bytes) -> bool:
        head = payload[0]
        if bool(head & 0x80) != self._open or len(self._units) > _MAX_UNITS:
            return False
        count = head >> 4 & 3
        at = 1
        length = len(payload)
        goes_on = self._open
        number = 0
        while at < length:
            number += 1
            if number == count:
                end = length
            else:
                size, at = read_leb128(payload, at)
                end = at + size
                if at < 0 or end > length:
                    return False
            if goes_on:
                self._units[-1].append(payload[at:end])
                goes_on = False
            elif end > at:
                self._units.append([payload[at:end]])
            at = end
        self._open = bool(head & 0x40)  # Y: the last element goes on in the next packet
        return number > 0 and (not count or number == count) and bool(self._units)

    def _join(self) -> tuple[bytes, bool] | None:
        if self._open:
            return None
        joined: list[bytes] = []
        sequence: Sequence | None = None
        header = b""
        key = False
        seen_frame = False
        for parts in self._units:
            unit = parts[0] if len(parts) == 1 else b"".join(parts)
            kind = unit[0] >> 3 & 0x0F
            if kind in (_DELIMITER, _TILE_LIST):
                continue
            sized = restore_size(unit)
            if sized is None:
                return None
            whole, body = sized
            if kind == _SEQUENCE:
                sequence = parse_sequence(body)
                header = whole
            elif kind in (_FRAME, _FRAME_HEADER) and not seen_frame:
                seen_frame = True
                key = _is_key(body)
            joined.append(whole)
        if not joined:
            return None
        if sequence is not None:
            self._layered = sequence.layers > 1
        if self._layered:
            joined.insert(0, _DELIMITER_UNIT)
        if key and sequence is not None:
            private = sequence.build_configuration(header)
            self.format = StreamFormat(sequence.width, sequence.height, private)
            return b"".join(joined), True
        return b"".join(joined), False

    def _clear(self) -> None:
        self._units = []
        self._open = False


def _is_key(body: bytes) -> bool:
    """Whether a frame header begins with show_existing_frame 0 and frame_type KEY_FRAME (AV1 bitstream specification,
    section 5.9.2).
    """
    return bool(body) and body[0] & 0xE0 == 0


def restore_size(unit: bytes) -> tuple[bytes, bytes] | None:
    """Return an OBU with its size field (section 5.3 of the bitstream specification), and its body; None: malformed."""
    head = unit[0]
    at = 2 if head & 0x04 else 1
    if head & 0x80 or at > len(unit):
        return None
    if head & 0x02:  # senders should leave it out, but may not
        size, start = read_leb128(unit, at)
        if start < 0 or start + size > len(unit):
            return None
        return unit[: start + size], unit[start : start + size]
    body = unit[at:]
    return bytes([head | 0x02]) + unit[1:at] + build_leb128(len(body)) + body, body


def read_leb128(data: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at` (section 4.10.5) and the offset behind it; -1 there if it is cut off or too long."""
    value = 0
    for shift in range(0, 7 * _MAX_LEB128_OCTETS, 7):
        if at >= len(data):
            break
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if not octet & 0x80:
            return value, at
    return 0, -1


def build_leb128(value: int) -> bytes:
    """Encode a number in the shortest form."""
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)
