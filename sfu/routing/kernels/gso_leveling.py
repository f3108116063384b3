"""Levelling: give the packets of a frame one size, so that UDP_SEGMENT can take them in one message.

libwebrtc splits a frame into packets whose sizes differ by a byte or so; RTP padding (RFC 3550 section 5.1) makes up
the difference. The last packet of a message may be shorter and needs none.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from sfu.wire.extensions import EXTENSION_COUNT, Extension
from sfu.wire.kernels.kernel import i64, kernel, stage

MAX_PAD_BYTES = 4
"""Padding costs bandwidth; beyond this a message of its own is the better deal."""

_VARYING = (
    int(Extension.VIDEO_ORIENTATION),
    int(Extension.DEPENDENCY_DESCRIPTOR),
    int(Extension.PLAYOUT_DELAY),
)
assert max(_VARYING) < EXTENSION_COUNT


@stage
def _size(packets: NDArray[Any], row: int) -> int:
    extensions = 0
    for kind in _VARYING:
        length = i64(packets[row]["extension_bytes"][kind])
        if length > 0:
            extensions += 1 + length
    return i64(packets[row]["payload_bytes"]) + ((extensions + 3) & ~3)


@stage
def _pad_run(packets: NDArray[Any], row: int, last: int, size: int) -> None:
    while row != last:
        packets[row]["pad"] = size - _size(packets, row)
        row = i64(packets[row]["next"])
    # the run's last packet may end the message shorter, but then nothing can follow it
    packets[row]["pad"] = 0


@kernel
def level_sizes(packets: NDArray[Any], first: int) -> None:
    """Set `pad` in the chain of packets that begins at row `first`.

    A run is a stretch of packets whose sizes lie within `MAX_PAD_BYTES` of each other; all but its last are padded to
    the run's largest, and a shorter packet may close it.
    """
    run = first
    while run >= 0:
        low = _size(packets, run)
        high = low
        last = run
        row = i64(packets[run]["next"])
        while row >= 0:
            size = _size(packets, row)
            lowest = min(low, size)
            highest = max(high, size)
            if packets[row]["audio"] == 1 or highest - lowest > MAX_PAD_BYTES:
                break
            low = lowest
            high = highest
            last = row
            row = i64(packets[row]["next"])
        if packets[run]["audio"] == 1:
            packets[run]["pad"] = 0
        elif row >= 0 and packets[row]["audio"] == 0 and _size(packets, row) < low:
            # a shorter packet follows and ends the message: the whole run has to be level
            _pad_run(packets, run, last, high)
            packets[last]["pad"] = high - _size(packets, last)
            packets[row]["pad"] = 0
            row = i64(packets[row]["next"])
        else:
            _pad_run(packets, run, last, high)
            if _size(packets, last) == high:
                packets[last]["pad"] = 0
        run = row
