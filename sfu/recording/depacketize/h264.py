"""H.264 (RFC 6184), packetization modes 0 and 1: access units of NAL units, each behind its length in four octets.

So Matroska wants them. Parameter sets stay where they came, since they may change within a file.
"""

from __future__ import annotations

from sfu.recording.depacketize.frame import StreamFormat
from sfu.recording.depacketize.h264_parameters import parse_parameters
from sfu.recording.depacketize.picture import PictureDepacketizer

_SLICE, _PARTITION_A, _IDR, _SEQUENCE, _PICTURE, _DELIMITER = 1, 2, 5, 7, 8, 9
_STAP_A, _FU_A = 24, 28
_MAX_UNITS = 4096
"""Of an access unit."""
_MAX_PARAMETER_BYTES = 4096


class H264Depacketizer(PictureDepacketizer):
    """Single NAL units, STAP-A and FU-A; interleaving (packetization mode 2) is never negotiated, hence malformed."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._fragments: list[bytes] = []
        self._fragmented = 0  # the type of the unit whose fragments come, 0: none
        self._key = False
        self._sequence = b""
        self._picture = b""

    def _begins(self, payload: bytes) -> bool:
        kind = payload[0] & 0x1F
        if kind == _STAP_A:
            return len(payload) > 4 and _unit_begins(payload[3] & 0x1F, payload[4])
        if kind == _FU_A:
            return len(payload) > 2 and bool(payload[1] & 0x80) and _unit_begins(payload[1] & 0x1F, payload[2])
        return len(payload) > 1 and _unit_begins(kind, payload[1])

    def _add(self, payload: bytes) -> bool:
        kind = payload[0] & 0x1F
        if len(self._parts) > 2 * _MAX_UNITS:
            return False
        if kind == _FU_A:
            return self._add_fragment(payload)
        if self._fragmented:
            return False
        if kind == _STAP_A:
            at = 1
            while at < len(payload):
                length = int.from_bytes(payload[at : at + 2])
                at += 2
                if not length or at + length > len(payload):
                    return False
                self._add_unit(payload[at : at + length])
                at += length
            return len(payload) > 1
        if not 1 <= kind < _STAP_A:
            return False
        self._add_unit(payload)
        return True

    def _add_fragment(self, payload: bytes) -> bool:
        if len(payload) < 3:
            return False
        head = payload[1]
        if head & 0x80:
            if self._fragmented or head & 0x40 or not 1 <= head & 0x1F < _STAP_A:
                return False
            self._fragmented = head & 0x1F
            self._fragments = [bytes([payload[0] & 0xE0 | self._fragmented]), payload[2:]]
            return True
        if not self._fragmented or self._fragmented != head & 0x1F:
            return False
        self._fragments.append(payload[2:])
        if head & 0x40:
            self._fragmented = 0
            self._add_unit(b"".join(self._fragments))
        return True

    def _add_unit(self, unit: bytes) -> None:
        kind = unit[0] & 0x1F
        if kind == _IDR:
            self._key = True
        elif kind == _SEQUENCE and len(unit) <= _MAX_PARAMETER_BYTES:
            self._sequence = unit
        elif kind == _PICTURE and len(unit) <= _MAX_PARAMETER_BYTES:
            self._picture = unit
        self._parts += [len(unit).to_bytes(4), unit]

    def _join(self) -> tuple[bytes, bool] | None:
        if self._fragmented or not self._parts:
            return None
        data = b"".join(self._parts)
        if not self._key:
            return data, False
        parameters = parse_parameters(self._sequence) if self._picture else None
        if parameters is None:
            return data, False  # nobody could decode it
        private = parameters.build_configuration(self._sequence, self._picture)
        self.format = StreamFormat(parameters.width, parameters.height, private)
        return data, True

    def _clear(self) -> None:
        self._parts = []
        self._fragments = []
        self._fragmented = 0
        self._key = False


def _unit_begins(kind: int, after: int) -> bool:
    """Whether a unit of this type is the first of an access unit; `after`: the octet behind its header.

    A slice header begins with first_mb_in_slice, whose 0 is a single set bit (H.264 section 7.3.3). An IDR picture has
    its parameter sets before it, which may be what was lost.
    """
    return kind in (_SEQUENCE, _DELIMITER) or (kind in (_SLICE, _PARTITION_A) and bool(after & 0x80))
