"""CRC-32 (ITU-T V.42), as in STUN's FINGERPRINT (RFC 8489 section 14.7)."""

from __future__ import annotations

import numpy as np

from sfu.wire.kernels.kernel import i64, kernel
from sfu.wire.kernels.octets import Octets

_POLYNOMIAL = 0xEDB88320
_MASK_32 = 0xFFFFFFFF


def _remainder(octet: int) -> int:
    for _ in range(8):
        octet = octet >> 1 ^ (_POLYNOMIAL if octet & 1 else 0)
    return octet


_REMAINDERS = np.array([_remainder(octet) for octet in range(256)], np.int64)


@kernel
def compute_crc32(buffer: Octets, start: int, end: int) -> int:
    """The CRC-32 of `buffer[start:end]`."""
    crc = i64(_MASK_32)
    for k in range(start, end):
        crc = crc >> 8 ^ _REMAINDERS[(crc ^ i64(buffer[k])) & 0xFF]
    return crc ^ _MASK_32
