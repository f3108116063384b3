"""Numbers that do not begin at octets: `f(n)` and `ns(n)` of the AV1 specifications.

A position is counted in bits from the octet `at`; `end` is the position after the last bit that may be touched. What
would go beyond it is refused with -1, and so is the position -1: a failure passes on through a chain of calls.
"""

from __future__ import annotations

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets


@kernel
def skip_bits(bit: int, count: int, end: int) -> int:
    """Return the position `count` bits further on; -1 if it is beyond `end`."""
    if bit < 0 or bit + count > end:
        return -1
    return bit + count


@kernel
def read_bits(buffer: Octets, at: int, bit: int, count: int, end: int) -> int:
    """Read `f(count)`, up to 62 bits, high to low order; -1 if it goes beyond `end`."""
    if bit < 0 or bit + count > end:
        return -1
    value = i64(0)
    while count > 0:
        left = 8 - (bit & 7)
        taken = min(left, count)
        octet = i64(buffer[at + (bit >> 3)]) >> (left - taken)
        value = (value << taken) | (octet & ((1 << taken) - 1))
        bit += taken
        count -= taken
    return value


@kernel
def write_bits(buffer: Octets, at: int, bit: int, count: int, value: int, end: int) -> int:
    """Write the low `count` bits of `value` as `f(count)`; return the position after them, -1 if it is beyond `end`."""
    if bit < 0 or bit + count > end:
        return -1
    while count > 0:
        left = 8 - (bit & 7)
        taken = min(left, count)
        mask = ((1 << taken) - 1) << (left - taken)
        placed = ((value >> (count - taken)) << (left - taken)) & mask
        octet = at + (bit >> 3)
        buffer[octet] = (i64(buffer[octet]) & (0xFF ^ mask)) | placed
        bit += taken
        count -= taken
    return bit


@kernel
def copy_bits(
    source: Octets, source_at: int, source_bit: int, target: Octets, at: int, bit: int, count: int, end: int
) -> int:
    """Copy `count` bits to position `bit` after octet `at` of `target`, which ends at `end`; the position after them.

    The caller has checked that the source has them.
    """
    if bit < 0 or bit + count > end:
        return -1
    while count > 0:
        taken = min(8 - (bit & 7), count)
        value = read_bits(source, source_at, source_bit, taken, source_bit + taken)
        bit = write_bits(target, at, bit, taken, value, end)
        source_bit += taken
        count -= taken
    return bit


@kernel
def short_bits(count: int) -> int:
    """Return the length of the shorter codes of `ns(count)`: the binary logarithm, rounded down."""
    width = 0
    while count >> (width + 1):
        width += 1
    return width


@kernel
def read_ns(buffer: Octets, at: int, bit: int, count: int, end: int) -> int:
    """Read `ns(count)`, one of the numbers 0..count - 1; -1 if it goes beyond `end`."""
    width = short_bits(count)
    value = read_bits(buffer, at, bit, width, end)
    shorter = (2 << width) - count
    if value < shorter:  # -1, too
        return value
    extra = read_bits(buffer, at, bit + width, 1, end)
    return -1 if extra < 0 else (value << 1) - shorter + extra


@kernel
def ns_bits(value: int, count: int) -> int:
    """Return the number of bits that `value` takes as `ns(count)`."""
    width = short_bits(count)
    return width if value < (2 << width) - count else width + 1
