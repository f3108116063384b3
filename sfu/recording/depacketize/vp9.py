"""VP9 (RFC 9628). All spatial layers of a picture become one packet: a superframe."""

from __future__ import annotations

from sfu.recording.depacketize.frame import StreamFormat
from sfu.recording.depacketize.picture import PictureDepacketizer
from sfu.recording.depacketize.vp9_header import hide_frame, parse_key_frame_size

_MAX_REFERENCES = 3
_MAX_LAYERS = 8


class Vp9Depacketizer(PictureDepacketizer):
    """Removes the payload descriptor (section 4.2), and joins the layer frames.

    Of frames that are `encrypted` only the descriptor is read: a picture without a reference to another one is a key
    frame, and its size is the one that the stream has announced.
    """

    def __init__(self, *, encrypted: bool = False) -> None:
        super().__init__()
        self._encrypted = encrypted
        self._key = False  # the picture at hand, by its descriptor
        self._layers: list[list[bytes]] = []
        self._spatial: list[int] = []  # of each layer frame
        self._ended = True  # the layer frame
        self._layer = 0  # of the packet at hand
        self._sizes: list[tuple[int, int]] = []  # of the spatial layers, as they were last announced

    def _begins(self, payload: bytes) -> bool:
        if not payload[0] & 0x08:
            return False
        if not payload[0] & 0x20:
            return True
        at = 1
        if payload[0] & 0x80 and len(payload) > 1:
            at += 2 if payload[1] & 0x80 else 1
        return at < len(payload) and payload[at] & 0x0E == 0

    def _add(self, payload: bytes) -> bool:
        first = payload[0]
        at = self._skip_descriptor(payload)
        if at >= len(payload):
            return False
        if first & 0x08:  # B: a layer frame begins
            if not self._ended or len(self._layers) == _MAX_LAYERS:
                return False
            if not self._layers:
                self._key = not first & 0x40  # P: predicted from another picture
            self._layers.append([])
            self._spatial.append(self._layer)
        elif self._ended:
            return False
        self._ended = bool(first & 0x04)
        self._layers[-1].append(payload[at:])
        return True

    def _skip_descriptor(self, payload: bytes) -> int:
        """Return the offset behind the descriptor; the end, or an offset beyond it, if it is cut off."""
        length = len(payload)
        first = payload[0]
        at = 1
        if first & 0x80:  # I: picture ID
            if at >= length:
                return length
            at += 2 if payload[at] & 0x80 else 1
        flexible = first & 0x90 == 0x90
        self._layer = 0
        if first & 0x20:  # L: layer indices, then TL0PICIDX
            if at >= length:
                return length
            self._layer = payload[at] >> 1 & 0x07
            at += 1 if flexible else 2
        if flexible and first & 0x40:  # P: references
            for number in range(_MAX_REFERENCES + 1):
                if at >= length or number == _MAX_REFERENCES:
                    return length
                at += 1
                if not payload[at - 1] & 0x01:
                    break
        if first & 0x02:  # V: scalability structure
            at = self._read_structure(payload, at)
        return at

    def _read_structure(self, payload: bytes, at: int) -> int:
        """Read the sizes of the layers from the scalability structure (section 4.2.1)."""
        length = len(payload)
        if at >= length:
            return length
        head = payload[at]
        at += 1
        if head & 0x10:  # Y: sizes
            start = at
            at += 4 * ((head >> 5) + 1)
            if at > length:
                return length
            self._sizes = [
                (int.from_bytes(payload[one : one + 2]), int.from_bytes(payload[one + 2 : one + 4]))
                for one in range(start, at, 4)
            ]
        if head & 0x08:  # G: the group of pictures
            if at >= length:
                return length
            pictures = payload[at]
            at += 1
            for _ in range(pictures):
                if at >= length:
                    return length
                at += 1 + (payload[at] >> 2 & 0x03)
        return at

    def _join(self) -> tuple[bytes, bool] | None:
        if not self._ended:
            return None  # its last packet should have said so
        frames = [b"".join(parts) for parts in self._layers]
        if self._encrypted:
            if self._key:
                self.format = StreamFormat(*self._size_of(self._spatial[-1]), b"")
            return build_superframe(frames), self._key
        size = parse_key_frame_size(frames[0])
        if len(frames) > 1:
            frames[:-1] = [
                hide_frame(frame, self._size_of(spatial)[0])
                for frame, spatial in zip(frames[:-1], self._spatial[:-1], strict=True)
            ]
        if size is not None:
            top = self._size_of(self._spatial[-1]) if len(frames) > 1 else (0, 0)
            self.format = StreamFormat(*(top if all(top) else size), b"")
        return build_superframe(frames), size is not None

    def _size_of(self, spatial: int) -> tuple[int, int]:
        """Return the size of a layer; zeros if the stream has not announced it."""
        return self._sizes[spatial] if spatial < len(self._sizes) else (0, 0)

    def _clear(self) -> None:
        self._layers = []
        self._spatial = []
        self._ended = True


def build_superframe(frames: list[bytes]) -> bytes:
    """Join 1 to 8 frames of one picture, with the index behind them (VP9 bitstream specification, annex B)."""
    if len(frames) == 1:
        return frames[0]
    octets = (max(map(len, frames)).bit_length() + 7) // 8
    marker = bytes([0xC0 | (octets - 1) << 3 | (len(frames) - 1)])
    sizes = b"".join(len(frame).to_bytes(octets, "little") for frame in frames)
    return b"".join([*frames, marker, sizes, marker])
