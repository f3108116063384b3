"""From the RTP packets of one source, in order, to frames as a container stores them: a module per codec."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sfu.recording.depacketize.av1 import Av1Depacketizer
from sfu.recording.depacketize.frame import Frame, StreamFormat
from sfu.recording.depacketize.h264 import H264Depacketizer
from sfu.recording.depacketize.opus import OpusDepacketizer
from sfu.recording.depacketize.picture import MAX_FRAME_BYTES, PictureDepacketizer
from sfu.recording.depacketize.vp8 import Vp8Depacketizer
from sfu.recording.depacketize.vp9 import Vp9Depacketizer

__all__ = ["CODECS", "MAX_FRAME_BYTES", "Depacketizer", "Frame", "StreamFormat", "make_depacketizer"]

Depacketizer = PictureDepacketizer | OpusDepacketizer
_BY_CODEC: dict[str, type[PictureDepacketizer] | type[OpusDepacketizer]] = {
    "opus": OpusDepacketizer,
    "vp8": Vp8Depacketizer,
    "vp9": Vp9Depacketizer,
    "h264": H264Depacketizer,
    "av1": Av1Depacketizer,
}
CODECS = frozenset(_BY_CODEC)
"""Names of the codecs, in lower case."""


def make_depacketizer(
    codec: str, find_sets: Callable[[], Iterable[bytes]] | None = None, *, encrypted: bool = False
) -> Depacketizer:
    """Return a depacketizer for a codec, by its SDP name in any case; raises KeyError unless it is in `CODECS`.

    `find_sets` is for H.264: see `H264Depacketizer`. Of frames that are `encrypted`, end to end, only what senders
    leave in the clear is read: the first octet of audio, the header of a VP8 frame, the NAL units before the first
    slice of H.264, and payload descriptors. Of AV1 nothing is in the clear that a frame could be put together by.
    """
    kind = _BY_CODEC[codec.lower()]
    if kind is H264Depacketizer:
        return H264Depacketizer(find_sets)
    if encrypted and kind in (OpusDepacketizer, Vp9Depacketizer):
        return OpusDepacketizer(encrypted=True) if kind is OpusDepacketizer else Vp9Depacketizer(encrypted=True)
    return kind()
