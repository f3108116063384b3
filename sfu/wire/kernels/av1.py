"""The AV1 payload's aggregation header and OBUs (RTP Payload Format For AV1, sections 4.3 and 4.4)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.layers import ALL_LAYERS

_BROKEN = 1
_SEQUENCE, _FRAME_HEADER, _FRAME = 1, 3, 6
_SILENT, _KEY, _OTHER = 0, 1, 2
_MOST_SIZE_BYTES = 4


@kernel
def describe_av1(buffer: Octets, packets: NDArray[Any], row: int) -> int:
    """Describe an AV1 packet on top of `describe_opaque`; 0, or 1 when its aggregation header contradicts itself.

    Layers stand in the dependency descriptor alone. N marks the first packet of a coded video sequence, which begins
    with a key frame and so cannot continue an OBU of the packet before (Z). Where the packet has a frame's header, that
    has the last word: a sequence header may be repeated before any frame, and some senders mark each.
    """
    packet = packets[row]
    if packet["payload_bytes"] == 0:
        return 0
    start = packet["payload"]
    first = i64(buffer[start])
    if first & 0x88 == 0x88:
        return _BROKEN
    if first & 0x80:
        return 0
    says = _read_frame(buffer, start, start + packet["payload_bytes"])
    if says == _KEY or (says == _SILENT and first & 0x08 != 0):
        packet["key"] = 1
        packet["frame_start"] = 1
        packet["switch"] = ALL_LAYERS
    return 0


@stage
def _read_frame(buffer: Octets, at: int, end: int) -> int:
    """What the OBUs that begin in a payload say of the frame behind a sequence header."""
    count = (i64(buffer[at]) >> 4) & 0x03
    at += 1
    number = 0
    sequence = False
    while at < end:
        number += 1
        stop = end
        if number != count:
            size, at = read_size(buffer, at, end)
            if at < 0 or at + size > end:
                return _SILENT
            stop = at + size
        if stop > at:
            kind = (i64(buffer[at]) >> 3) & 0x0F
            body = _find_body(buffer, at, stop)
            if kind == _SEQUENCE:
                if 0 <= body < stop and i64(buffer[body]) & 0x08:
                    return _SILENT  # reduced_still_picture_header: its frames have a header of another form
                sequence = True
            elif kind in (_FRAME, _FRAME_HEADER) and 0 <= body < stop:
                if i64(buffer[body]) & 0xE0 != 0:  # show_existing_frame, frame_type (bitstream, section 5.9.2)
                    return _OTHER
                return _KEY if sequence else _SILENT
        at = stop
    return _SILENT


@stage
def _find_body(buffer: Octets, at: int, end: int) -> int:
    """Return where the body of the OBU at `at` begins; -1 if it is cut off."""
    head = i64(buffer[at])
    at += 2 if head & 0x04 else 1
    if head & 0x02:
        _, at = read_size(buffer, at, end)
    return at


@kernel
def read_size(buffer: Octets, at: int, end: int) -> tuple[int, int]:
    """Return the number at `at` (leb128, section 4.10.5) and the offset behind it; -1 there if it is cut off or too
    long.
    """
    value = i64(0)
    for k in range(_MOST_SIZE_BYTES):
        if at >= end:
            break
        octet = i64(buffer[at])
        at += 1
        value |= (octet & 0x7F) << (7 * k)
        if octet & 0x80 == 0:
            return value, at
    return i64(0), i64(-1)
