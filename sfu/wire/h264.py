"""H.264 payloads (RFC 6184 section 5): where a key frame begins."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernel import i64, kernel
from sfu.wire.layers import ALL_LAYERS
from sfu.wire.octets import Octets, load16

_BROKEN = 1
_IDR, _PARAMETERS, _STAP_A, _STAP_B, _MTAP16, _MTAP24, _FU_A, _FU_B = 5, 7, 24, 25, 26, 27, 28, 29


@kernel
def describe_h264(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """Describe an H.264 packet on top of `describe_opaque`; 0, or 1 when it is cut off or interleaved.

    A key frame begins with its sequence parameter set, or with its first slice where that came before. Interleaving
    (packetization mode 2) is never negotiated.
    """
    packet = packets[row]
    start = packet["payload"]
    end = start + packet["payload_bytes"]
    if end == start:
        return 0
    kind = i64(buffer[start]) & 0x1F
    key = False
    if kind == _STAP_A:
        at = start + 1
        while at < end:
            if at + 2 > end:
                return _BROKEN
            length = load16(buffer, at)
            at += 2
            if length == 0 or at + length > end:
                return _BROKEN
            inner = i64(buffer[at]) & 0x1F
            if inner in (_IDR, _PARAMETERS):
                key = True
            at += length
    elif kind == _FU_A:
        if start + 2 > end:
            return _BROKEN
        head = i64(buffer[start + 1])
        key = head & 0x80 != 0 and head & 0x1F == _IDR
    elif kind in (_STAP_B, _MTAP16, _MTAP24, _FU_B):
        return _BROKEN
    else:
        key = kind in (_IDR, _PARAMETERS)
    if key:
        packet["key"] = 1
        packet["frame_start"] = 1
        packet["switch"] = ALL_LAYERS
    return 0
