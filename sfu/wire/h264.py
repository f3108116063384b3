"""H.264 payloads (RFC 6184 section 5): where a frame begins, and whether that is a key frame."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernel import i64, kernel, stage
from sfu.wire.layers import ALL_LAYERS
from sfu.wire.octets import Octets, load16

_BROKEN = 1
_SLICE, _PARTITION_A, _IDR, _PARAMETERS, _DELIMITER = 1, 2, 5, 7, 9
_STAP_A, _STAP_B, _MTAP16, _MTAP24, _FU_A, _FU_B = 24, 25, 26, 27, 28, 29


@kernel
def describe_h264(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """Describe an H.264 packet on top of `describe_opaque`; 0, or 1 when it is cut off or interleaved.

    A key frame begins with its sequence parameter set, and with its first slice, so that it may count twice.
    Interleaving (packetization mode 2) is never negotiated.
    """
    packet = packets[row]
    start = packet["payload"]
    end = start + packet["payload_bytes"]
    if end == start:
        return 0
    kind = i64(buffer[start]) & 0x1F
    if kind == _STAP_A:
        at = start + 1
        while at < end:
            if at + 2 > end:
                return _BROKEN
            length = load16(buffer, at)
            at += 2
            if length == 0 or at + length > end:
                return _BROKEN
            _note_unit(buffer, i64(buffer[at]) & 0x1F, at + 1, at + length, packets, row)
            at += length
    elif kind == _FU_A:
        if start + 2 > end:
            return _BROKEN
        head = i64(buffer[start + 1])
        if head & 0x80:  # the unit starts here
            _note_unit(buffer, head & 0x1F, start + 2, end, packets, row)
    elif kind in (_STAP_B, _MTAP16, _MTAP24, _FU_B):
        return _BROKEN
    else:
        _note_unit(buffer, kind, start + 1, end, packets, row)
    return 0


@stage
def _note_unit(buffer: Octets, kind: int, at: int, end: int, packets: NDArray[Any], row: int) -> None:
    """Take what a NAL unit says by its type and by the start of its body in `buffer[at:end]`."""
    begins = kind in (_PARAMETERS, _DELIMITER)
    if kind in (_SLICE, _PARTITION_A, _IDR):
        # A slice header begins with first_mb_in_slice, whose 0 is a single set bit (H.264 section 7.3.3)
        begins = at >= end or i64(buffer[at]) & 0x80 != 0
    if not begins:
        return
    packets[row]["frame_start"] = 1
    if kind in (_IDR, _PARAMETERS):
        packets[row]["key"] = 1
        packets[row]["switch"] = ALL_LAYERS
