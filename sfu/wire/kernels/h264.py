"""H.264 payloads (RFC 6184 section 5): where a frame begins, and whether that is a key frame."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load16
from sfu.wire.layers import ALL_LAYERS

_BROKEN = 1
SEQUENCE_SET, PICTURE_SET = 7, 8
_SLICE, _PARTITION_A, _IDR, _ENHANCEMENT, _DELIMITER = 1, 2, 5, 6, 9
STAP_A = 24
_STAP_B, _MTAP16, _MTAP24, _FU_A, _FU_B = 25, 26, 27, 28, 29
_RECOVERY_POINT = 6
_MOST_ZEROS = 8


@kernel
def describe_h264(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """Describe an H.264 packet on top of `describe_opaque`; 0, or 1 when it is cut off or interleaved.

    A key frame begins with the first slice of an IDR picture, or with the SEI message of a recovery point; with both it
    may count twice. Parameter sets alone begin none: many encoders send them before every picture. Interleaving
    (packetization mode 2) is never negotiated.
    """
    packet = packets[row]
    start = packet["payload"]
    end = start + packet["payload_bytes"]
    if end == start:
        return 0
    kind = i64(buffer[start]) & 0x1F
    if kind == STAP_A:
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
    if kind in (SEQUENCE_SET, PICTURE_SET):
        packets[row]["sets"] |= 1 if kind == SEQUENCE_SET else 2
    begins = kind in (SEQUENCE_SET, _DELIMITER)
    starts = False
    if kind in (_SLICE, _PARTITION_A, _IDR):
        # A slice header begins with first_mb_in_slice, whose 0 is a single set bit (H.264 section 7.3.3)
        begins = at >= end or i64(buffer[at]) & 0x80 != 0
        starts = begins and kind == _IDR
    elif kind == _ENHANCEMENT:
        starts = _tells_recovery(buffer, at, end)
    if begins or starts:
        packets[row]["frame_start"] = 1
    if starts:
        packets[row]["key"] = 1
        packets[row]["switch"] = ALL_LAYERS


@kernel
def set_id(buffer: Octets, at: int, end: int) -> int:
    """The id of the parameter set in `buffer[at:end]` (H.264 sections 7.3.2.1.1 and 7.3.2.2); -1: it is cut off."""
    # of a sequence parameter set it follows the profile, its constraints and the level
    bit = 8 * (at + (4 if i64(buffer[at]) & 0x1F == SEQUENCE_SET else 1))
    zeros = i64(0)
    while bit < 8 * end and (i64(buffer[bit >> 3]) >> (7 - (bit & 7))) & 1 == 0:
        zeros += 1
        bit += 1
    if zeros > _MOST_ZEROS:
        return -1
    code = i64(0)  # an unsigned Exp-Golomb number (section 9.1)
    for _ in range(zeros + 1):
        if bit >= 8 * end:
            return -1
        code = (code << 1) | ((i64(buffer[bit >> 3]) >> (7 - (bit & 7))) & 1)
        bit += 1
    return code - 1


@stage
def _tells_recovery(buffer: Octets, at: int, end: int) -> bool:
    """Whether a recovery point is among the SEI messages in `buffer[at:end]` (H.264 sections 7.3.2.3.1 and D.1.8)."""
    while at + 1 < end:
        kind = i64(0)
        while at < end and i64(buffer[at]) == 0xFF:
            kind += 255
            at += 1
        if at >= end:
            return False
        kind += i64(buffer[at])
        at += 1
        if kind == _RECOVERY_POINT:
            return True
        size = i64(0)
        while at < end and i64(buffer[at]) == 0xFF:
            size += 255
            at += 1
        if at >= end:
            return False
        size += i64(buffer[at])
        at += 1
        zeros = i64(0)
        while size > 0 and at < end:
            if zeros >= 2 and i64(buffer[at]) == 3:
                zeros = 0  # emulation prevention is not counted (section 7.4.1)
            else:
                zeros = zeros + 1 if i64(buffer[at]) == 0 else i64(0)
                size -= 1
            at += 1
    return False
