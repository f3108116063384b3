"""RTCP reports as the plane writes them (RFC 3550 section 6); `sfu/wire/rtcp.py` builds the same in Python.

Each function writes at `at`, returns where the packet ends, and checks no bounds: the caller has made room.
"""

from __future__ import annotations

from sfu.wire.kernels.copying import copy_octets
from sfu.wire.kernels.kernel import kernel
from sfu.wire.kernels.octets import Octets, store16, store24, store32

SENDER_REPORT_BYTES = 28
RECEIVER_REPORT_BYTES = 8
BLOCK_BYTES = 24

_VERSION = 0x80
_SENDER_REPORT, _RECEIVER_REPORT, _SOURCE_DESCRIPTION, _GOODBYE = 200, 201, 202, 203
_CNAME = 1


@kernel
def _write_head(out: Octets, at: int, count: int, kind: int, words: int, ssrc: int) -> None:
    out[at] = _VERSION | count
    out[at + 1] = kind
    store16(out, at + 2, words)
    store32(out, at + 4, ssrc)


@kernel
def write_sender_report(
    out: Octets, at: int, ssrc: int, seconds: int, fraction: int, timestamp: int, packets: int, octets: int
) -> int:
    """Write a sender report without blocks: `seconds` and `fraction` (1/2^32 s) are the NTP time."""
    _write_head(out, at, 0, _SENDER_REPORT, 6, ssrc)
    store32(out, at + 8, seconds)
    store32(out, at + 12, fraction)
    store32(out, at + 16, timestamp)
    store32(out, at + 20, packets)
    store32(out, at + 24, octets)
    return at + SENDER_REPORT_BYTES


@kernel
def write_receiver_report(out: Octets, at: int, ssrc: int, blocks: int) -> int:
    """Write the head of a receiver report, which so many blocks (0..31) are to follow."""
    _write_head(out, at, blocks, _RECEIVER_REPORT, 1 + 6 * blocks, ssrc)
    return at + RECEIVER_REPORT_BYTES


@kernel
def write_block(
    out: Octets, at: int, ssrc: int, lost_256: int, lost: int, highest: int, jitter: int, last: int, delay: int
) -> int:
    """Write a report block: `lost_256` is the share that was lost, in 1/256, `lost` the number of packets (-2^23 to
    2^23-1), `last` the compact NTP time of the last sender report, and `delay` the time since then, in 1/65536 s.
    """
    store32(out, at, ssrc)
    out[at + 4] = lost_256
    store24(out, at + 5, lost)
    store32(out, at + 8, highest)
    store32(out, at + 12, jitter)
    store32(out, at + 16, last)
    store32(out, at + 20, delay)
    return at + BLOCK_BYTES


@kernel
def write_description(out: Octets, at: int, ssrc: int, cname: Octets, cname_bytes: int) -> int:
    """Write an SDES packet with the first `cname_bytes` (at most 255) octets of `cname` as CNAME."""
    item = 6 + cname_bytes
    words = item // 4 + 1  # at least one null octet ends the chunk
    _write_head(out, at, 1, _SOURCE_DESCRIPTION, words, ssrc)
    out[at + 8] = _CNAME
    out[at + 9] = cname_bytes
    copy_octets(out, at + 10, cname, 0, cname_bytes)
    end = at + 4 + 4 * words
    for k in range(at + 10 + cname_bytes, end):
        out[k] = 0
    return end


@kernel
def write_goodbye(out: Octets, at: int, ssrc: int) -> int:
    """Write a BYE of one source."""
    _write_head(out, at, 1, _GOODBYE, 1, ssrc)
    return at + 8
