"""VP8 (RFC 7741)."""

from __future__ import annotations

from sfu.recording.depacketize.frame import StreamFormat
from sfu.recording.depacketize.picture import PictureDepacketizer

_START_CODE = b"\x9d\x01\x2a"
_KEY_HEADER_BYTES = 10


class Vp8Depacketizer(PictureDepacketizer):
    """Removes the payload descriptor (section 4.2); what is left are the frame's octets in order."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def _begins(self, payload: bytes) -> bool:
        return payload[0] & 0x17 == 0x10  # S, of partition 0

    def _add(self, payload: bytes) -> bool:
        first = payload[0]
        if not self._parts and first & 0x17 != 0x10:
            return False
        at = 1
        if first & 0x80:
            if len(payload) < 2:
                return False
            extended = payload[1]
            at = 2
            if extended & 0x80:  # picture ID, 7 or 15 bits
                if at >= len(payload):
                    return False
                at += 2 if payload[at] & 0x80 else 1
            if extended & 0x40:  # TL0PICIDX
                at += 1
            if extended & 0x30:  # TID and KEYIDX share an octet
                at += 1
        if at >= len(payload):
            return False
        self._parts.append(payload[at:])
        return True

    def _join(self) -> tuple[bytes, bool] | None:
        data = b"".join(self._parts)
        if data[0] & 0x01:
            return data, False
        if len(data) < _KEY_HEADER_BYTES or data[3:6] != _START_CODE:  # RFC 6386 section 9.1
            return None
        width = int.from_bytes(data[6:8], "little") & 0x3FFF
        height = int.from_bytes(data[8:10], "little") & 0x3FFF
        if not width or not height:
            return None
        self.format = StreamFormat(width, height, b"")
        return data, True

    def _clear(self) -> None:
        self._parts = []
