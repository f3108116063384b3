"""The picture ID, which VP8 and VP9 write alike (RFC 7741 and RFC 9628, section 4.2)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets, load16


@kernel
def read_picture_id(buffer: Octets, at: int, end: int, packets: NDArray[Any], row: int) -> int:
    """Read the picture ID at `at`, 7 or 15 bits by its first bit; return the offset behind it, -1 if it is cut off."""
    packet = packets[row]
    if at >= end:
        return -1
    packet["picture_id_at"] = at - packet["payload"]
    if i64(buffer[at]) & 0x80 == 0:
        packet["picture_id"] = i64(buffer[at])
        packet["picture_id_bits"] = 7
        return at + 1
    if at + 2 > end:
        return -1
    packet["picture_id"] = load16(buffer, at) & 0x7FFF
    packet["picture_id_bits"] = 15
    return at + 2


@kernel
def read_tl0_picture(buffer: Octets, at: int, end: int, packets: NDArray[Any], row: int) -> int:
    """Read the TL0PICIDX at `at`; return the offset behind it, -1 if it is cut off."""
    if at >= end:
        return -1
    packets[row]["tl0_picture_at"] = at - packets[row]["payload"]
    packets[row]["tl0_picture"] = i64(buffer[at])
    return at + 1
