"""RTP packets: the fixed header (RFC 3550 section 5.1) and header extensions (RFC 8285)."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.extensions import EXTENSION_COUNT, MAX_EXTENSION_ID
from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load16, load32

HEADER_BYTES = 12
ONE_BYTE_PROFILE = 0xBEDE
TWO_BYTE_PROFILE = 0x1000

PACKET = np.dtype(
    [
        ("start", np.int64),  # offset of the RTP header in its buffer
        ("payload", np.int64),  # offset of the payload in the same buffer
        ("payload_bytes", np.int32),  # without padding
        ("sequence", np.int32),  # 0..65535
        ("timestamp", np.int64),  # 0..2**32-1
        ("ssrc", np.int64),
        ("payload_type", np.int32),
        ("marker", np.int32),
        ("extension_at", np.int64, (EXTENSION_COUNT,)),  # offset of the value, by Extension
        ("extension_bytes", np.int32, (EXTENSION_COUNT,)),  # 0: not present
        ("source", np.int64),  # encoding and its generation: changes when the numbering starts anew
        ("clock_rate", np.int32),  # Hz
        ("audio", np.int32),
        ("pad", np.int32),  # bytes of RTP padding to add on egress, to level sizes for UDP_SEGMENT
        ("next", np.int32),  # the next packet of the same track in the batch, -1: none; in the history see history.py
        ("arrival_us", np.int64),
        ("codec", np.int32),  # a PayloadFormat
        ("index", np.int32),  # which Encoding of its Track, 0 the lowest
        ("late", np.int32),  # 1: a higher sequence number came before
        ("gap", np.int32),  # 1: the one before it has not come yet
        ("primary", np.int32),  # RED: offset of the primary block relative to the payload
        ("aligned", np.int32),  # 1: `clock_offset` is known
        ("clock_offset", np.int64),  # timestamp + clock_offset is on the common clock of the Track's Encodings
        ("history", np.int64),  # its position in the packet history, -1: none
        ("follows", np.int32),  # a key frame that begins late: how far the packets behind it reach, see replay.py
        ("sets", np.int32),  # H.264: parameter sets in it, 1: of a sequence, 2: of a picture, 3: both
        ("bare", np.int32),  # H.264, with `key`: 1: the picture came without its parameter sets; see parameters.py
        ("parameters", np.int64),  # H.264, with `key`: the position in the history of those it needs, -1: none
        # what the frame is, from the payload or the dependency descriptor; the masks: see sfu/wire/layers.py
        ("key", np.int32),  # 1: a key frame begins with this packet
        ("frame_start", np.int32),
        ("frame_end", np.int32),
        ("spatial", np.int32),
        ("temporal", np.int32),
        ("present", np.int64),  # the Layers that the frame is part of
        ("switch", np.int64),  # the Layers that can be decoded from this frame on
        ("discardable", np.int64),  # the Layers in which no other frame depends on it
        ("raises", np.int32),  # T: whoever has T in full may rise above it from this picture on; -1: no
        # what selection has to rewrite; offsets are relative to the payload, -1: not there
        ("picture_id", np.int32),
        ("picture_id_at", np.int32),
        ("picture_id_bits", np.int32),  # 7 or 15
        ("tl0_picture", np.int32),
        ("tl0_picture_at", np.int32),
        ("frame_number", np.int32),  # of the dependency descriptor, -1: none
    ]
)
"""One received RTP packet, parsed. Offsets refer to the buffer that it was parsed from, or as their line says."""


class RtpStatus(enum.IntEnum):
    """Outcome of `parse_rtp`."""

    OK = 0
    TRUNCATED = 1
    BAD_VERSION = 2
    BAD_EXTENSION = 3
    BAD_PADDING = 4


_OK = int(RtpStatus.OK)
_TRUNCATED = int(RtpStatus.TRUNCATED)
_BAD_VERSION = int(RtpStatus.BAD_VERSION)
_BAD_EXTENSION = int(RtpStatus.BAD_EXTENSION)
_BAD_PADDING = int(RtpStatus.BAD_PADDING)


@kernel
def parse_rtp(buffer: Octets, start: int, end: int, kinds: NDArray[np.uint8], packets: NDArray[Any], row: int) -> int:
    """Parse the header of the packet in `buffer[start:end]` into `packets[row]`; return an `RtpStatus`.

    `kinds[id]` is the `Extension` that the connection agreed on for each id 1..14 (0: none). The payload's end is
    taken to be `end`; `strip_padding` corrects it once the packet is decrypted. Extension values are only located.
    """
    if end - start < HEADER_BYTES:
        return _TRUNCATED
    first = i64(buffer[start])
    if first >> 6 != 2:
        return _BAD_VERSION
    second = i64(buffer[start + 1])
    packets[row]["start"] = start
    packets[row]["marker"] = second >> 7
    packets[row]["payload_type"] = second & 0x7F
    packets[row]["sequence"] = load16(buffer, start + 2)
    packets[row]["timestamp"] = load32(buffer, start + 4)
    packets[row]["ssrc"] = load32(buffer, start + 8)
    packets[row]["pad"] = 0
    packets[row]["next"] = -1
    for kind in range(EXTENSION_COUNT):
        packets[row]["extension_bytes"][kind] = 0
    at = start + HEADER_BYTES + 4 * (first & 0x0F)
    if at > end:
        return _TRUNCATED
    if first & 0x10:
        if at + 4 > end:
            return _TRUNCATED
        profile = load16(buffer, at)
        values_end = at + 4 + 4 * load16(buffer, at + 2)
        if values_end > end:
            return _BAD_EXTENSION
        status = _locate_extensions(buffer, at + 4, values_end, profile, kinds, packets, row)
        if status != _OK:
            return status
        at = values_end
    packets[row]["payload"] = at
    packets[row]["payload_bytes"] = end - at
    return _OK


@stage
def _locate_extensions(
    buffer: Octets,
    at: int,
    end: int,
    profile: int,
    kinds: NDArray[np.uint8],
    packets: NDArray[Any],
    row: int,
) -> int:
    one_byte = profile == ONE_BYTE_PROFILE
    if not one_byte and profile & 0xFFF0 != TWO_BYTE_PROFILE:
        return _OK  # RFC 3550 section 5.3.1: a form that we do not know is skipped
    while at < end:
        lead = i64(buffer[at])
        if lead == 0:  # padding between elements
            at += 1
            continue
        if one_byte:
            identifier = lead >> 4
            length = (lead & 0x0F) + 1
            if identifier == 15:  # RFC 8285 section 4.2: stop here
                return _OK
            at += 1
        else:
            if at + 2 > end:
                return _BAD_EXTENSION
            identifier = lead
            length = i64(buffer[at + 1])
            at += 2
        if at + length > end:
            return _BAD_EXTENSION
        if 0 < identifier <= MAX_EXTENSION_ID:
            kind = i64(kinds[identifier])
            if 0 < kind < EXTENSION_COUNT:
                packets[row]["extension_at"][kind] = at
                packets[row]["extension_bytes"][kind] = length
        at += length
    return _OK


@kernel
def strip_padding(buffer: Octets, end: int, packets: NDArray[Any], row: int) -> int:
    """Set the payload's length of a decrypted packet that ends at `end`, without padding; return an `RtpStatus`."""
    start = packets[row]["start"]
    payload = packets[row]["payload"]
    if payload > end:
        return _TRUNCATED
    if i64(buffer[start]) & 0x20:
        if end == payload:
            return _BAD_PADDING
        padding = i64(buffer[end - 1])
        if padding == 0 or payload + padding > end:
            return _BAD_PADDING
        end -= padding
    packets[row]["payload_bytes"] = end - payload
    return _OK


@stage
def move_offsets(packets: NDArray[Any], row: int, by: int) -> None:
    """Move a packet's offsets, after its bytes were copied elsewhere."""
    packets[row]["start"] += by
    packets[row]["payload"] += by
    for kind in range(EXTENSION_COUNT):
        packets[row]["extension_at"][kind] += by
