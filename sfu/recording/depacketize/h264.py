"""H.264 (RFC 6184), packetization modes 0 and 1: access units of NAL units, each behind its length in four octets.

So Matroska wants them. Parameter sets stay where they came, since they may change within a file; a key frame that came
without them gets those that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sfu.recording.depacketize.frame import StreamFormat
from sfu.recording.depacketize.h264_parameters import parameter_id, parse_parameters
from sfu.recording.depacketize.picture import PictureDepacketizer

_SLICE, _PARTITION_A, _IDR, _ENHANCEMENT, _SEQUENCE, _PICTURE, _DELIMITER = 1, 2, 5, 6, 7, 8, 9
_STAP_A, _FU_A = 24, 28
_MAX_UNITS = 4096
"""Most NAL units of an access unit."""
_MAX_PARAMETER_BYTES = 4096
_MOST_SETS = 16
_RECOVERY_POINT = 6


class H264Depacketizer(PictureDepacketizer):
    """Takes single NAL units, STAP-A and FU-A; interleaving (packetization mode 2) is never negotiated, hence
    malformed.
    """

    def __init__(self, find_sets: Callable[[], Iterable[bytes]] | None = None) -> None:
        """`find_sets` returns the parameter sets known from elsewhere; it is called if the stream has brought none."""
        super().__init__()
        self._find_sets = find_sets
        self._parts: list[bytes] = []
        self._fragments: list[bytes] = []
        self._fragmented = 0  # the type of the unit whose fragments come, 0: none
        self._key = False
        self._came: set[int] = set()  # kinds of sets in this picture
        self._sets: dict[tuple[int, int], bytes] = {}  # by kind and id, the latest last

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
        if kind == _IDR or (kind == _ENHANCEMENT and _tells_recovery(unit)):
            self._key = True
        elif kind in (_SEQUENCE, _PICTURE):
            self._came.add(kind)
            self._note_set(unit)
        self._parts += [len(unit).to_bytes(4), unit]

    def _note_set(self, unit: bytes) -> None:
        """Remember a parameter set in place of the former one of the same kind and id."""
        kind = unit[0] & 0x1F
        if kind not in (_SEQUENCE, _PICTURE) or len(unit) > _MAX_PARAMETER_BYTES:
            return
        name = kind, parameter_id(unit)
        self._sets.pop(name, None)
        self._sets[name] = unit
        while len(self._sets) > _MOST_SETS:
            del self._sets[next(iter(self._sets))]

    def _known(self, kind: int) -> list[bytes]:
        """Return the parameter sets of a kind, the latest first."""
        return [unit for (each, _), unit in reversed(self._sets.items()) if each == kind]

    def _join(self) -> tuple[bytes, bool] | None:
        if self._fragmented or not self._parts:
            return None
        data = b"".join(self._parts)
        if not self._key:
            return data, False
        if self._find_sets is not None and not (self._known(_SEQUENCE) and self._known(_PICTURE)):
            for unit in self._find_sets():
                if unit and (unit[0] & 0x1F, parameter_id(unit)) not in self._sets:
                    self._note_set(unit)
        sequences, pictures = self._known(_SEQUENCE), self._known(_PICTURE)
        parameters = parse_parameters(sequences[0]) if sequences and pictures else None
        if parameters is None:
            return data, False  # nobody could decode it
        private = parameters.build_configuration(sequences, pictures)
        self.format = StreamFormat(parameters.width, parameters.height, private)
        if self._came >= {_SEQUENCE, _PICTURE}:
            return data, True
        at = 2 if self._parts[1][0] & 0x1F == _DELIMITER else 0  # which is an access unit's first
        added = [part for unit in (*sequences, *pictures) for part in (len(unit).to_bytes(4), unit)]
        return b"".join([*self._parts[:at], *added, *self._parts[at:]]), True

    def _clear(self) -> None:
        self._parts = []
        self._fragments = []
        self._fragmented = 0
        self._key = False
        self._came = set()


def _tells_recovery(unit: bytes) -> bool:
    """Whether a recovery point is among the messages of an SEI unit (H.264 sections 7.3.2.3.1 and D.1.8)."""
    rest = unit[1:].replace(b"\0\0\3", b"\0\0")
    while len(rest) > 1:
        kind, rest = _read_long(rest)
        if kind == _RECOVERY_POINT:
            return True
        size, rest = _read_long(rest)
        rest = rest[size:]
    return False


def _read_long(data: bytes) -> tuple[int, bytes]:
    """Read a number to which each octet of 255 adds, and return it with the offset behind it; -1 if it is cut off."""
    ends = len(data) - len(data.lstrip(b"\xff"))
    if ends == len(data):
        return -1, b""
    return 255 * ends + data[ends], data[ends + 1 :]


def _unit_begins(kind: int, after: int) -> bool:
    """Whether a unit of this type is the first of an access unit; `after`: the octet behind its header.

    A slice header begins with first_mb_in_slice, whose 0 is a single set bit (H.264 section 7.3.3). An IDR picture has
    its parameter sets before it, which may be what was lost.
    """
    return kind in (_SEQUENCE, _DELIMITER) or (kind in (_SLICE, _PARTITION_A) and bool(after & 0x80))
