"""HMAC-SHA1 (RFC 2104, RFC 3174) of messages that consist of whole 32-bit words, as STUN's do (RFC 8489 section 5).

The first two of the four blocks of a short message depend on the key alone. So the key is kept as the states behind
them, its *pads*, which are as secret as the key.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets, load32

PADS = 10
"""Length of a key's pads: the inner state, then the outer one."""
STATE = 80
"""Where the state stands in the working memory, behind the 80 words of a block's schedule; there a digest is, too."""
WORK = 85
"""Length of the working memory."""
DIGEST_WORDS = 5
MOST_KEY_BYTES = 64

_BLOCK_WORDS = 16
_MASK_32 = 0xFFFFFFFF
_INNER, _OUTER = 0x36, 0x5C

Words = NDArray[np.int64]
"""32-bit words, one in each element."""


@stage
def _rotate(word: int, bits: int) -> int:
    return ((word << bits) | (word >> (32 - bits))) & _MASK_32


@stage
def _begin(work: Words) -> None:
    work[STATE] = 0x67452301
    work[STATE + 1] = 0xEFCDAB89
    work[STATE + 2] = 0x98BADCFE
    work[STATE + 3] = 0x10325476
    work[STATE + 4] = 0xC3D2E1F0


@stage
def _compress(work: Words) -> None:
    """Take the block in the first 16 words into the state (RFC 3174 section 6.1)."""
    for k in range(_BLOCK_WORDS, STATE):
        work[k] = _rotate(work[k - 3] ^ work[k - 8] ^ work[k - 14] ^ work[k - 16], 1)
    a, b, c, d, e = work[STATE], work[STATE + 1], work[STATE + 2], work[STATE + 3], work[STATE + 4]
    for k in range(20):
        a, b, c, d, e = (
            (_rotate(a, 5) + ((b & c) | ((b ^ _MASK_32) & d)) + e + work[k] + 0x5A827999) & _MASK_32,
            a,
            _rotate(b, 30),
            c,
            d,
        )
    for k in range(20, 40):
        a, b, c, d, e = (_rotate(a, 5) + (b ^ c ^ d) + e + work[k] + 0x6ED9EBA1) & _MASK_32, a, _rotate(b, 30), c, d
    for k in range(40, 60):
        a, b, c, d, e = (
            (_rotate(a, 5) + ((b & c) | (b & d) | (c & d)) + e + work[k] + 0x8F1BBCDC) & _MASK_32,
            a,
            _rotate(b, 30),
            c,
            d,
        )
    for k in range(60, 80):
        a, b, c, d, e = (_rotate(a, 5) + (b ^ c ^ d) + e + work[k] + 0xCA62C1D6) & _MASK_32, a, _rotate(b, 30), c, d
    work[STATE] = (work[STATE] + a) & _MASK_32
    work[STATE + 1] = (work[STATE + 1] + b) & _MASK_32
    work[STATE + 2] = (work[STATE + 2] + c) & _MASK_32
    work[STATE + 3] = (work[STATE + 3] + d) & _MASK_32
    work[STATE + 4] = (work[STATE + 4] + e) & _MASK_32


@stage
def _finish(work: Words, filled: int, words: int) -> None:
    """Pad what is left, `filled` words of the last block, of so many words after the pad (RFC 3174 section 4)."""
    work[filled] = 0x80000000
    for k in range(filled + 1, _BLOCK_WORDS):
        work[k] = 0
    if filled + 1 > _BLOCK_WORDS - 2:
        _compress(work)
        for k in range(_BLOCK_WORDS):
            work[k] = 0
    work[_BLOCK_WORDS - 1] = 32 * (_BLOCK_WORDS + words)
    _compress(work)


@kernel
def prepare_key(key: Octets, key_bytes: int, pads: Words, work: Words) -> None:
    """Compute the pads of the first `key_bytes` (at most 64) octets of `key`."""
    for half in range(2):
        _begin(work)
        for k in range(_BLOCK_WORDS):
            word = i64(0)
            for j in range(4 * k, 4 * k + 4):
                octet = i64(key[j]) if j < key_bytes else i64(0)
                word = word << 8 | (octet ^ (_OUTER if half else _INNER))
            work[k] = word
        _compress(work)
        for k in range(DIGEST_WORDS):
            pads[DIGEST_WORDS * half + k] = work[STATE + k]
    for k in range(WORK):
        work[k] = 0  # what the key could be computed from


@kernel
def compute_hmac(pads: Words, buffer: Octets, start: int, end: int, first: int, work: Words) -> None:
    """Leave the HMAC-SHA1 of `buffer[start:end]`, a multiple of four octets, in `work[STATE:]`; `first` stands for its
    first word.
    """
    for k in range(DIGEST_WORDS):
        work[STATE + k] = pads[k]
    words = (end - start) // 4
    filled = 0
    for k in range(words):
        work[filled] = first if k == 0 else load32(buffer, start + 4 * k)
        filled += 1
        if filled == _BLOCK_WORDS:
            _compress(work)
            filled = 0
    _finish(work, filled, words)
    for k in range(DIGEST_WORDS):
        work[k] = work[STATE + k]
        work[STATE + k] = pads[DIGEST_WORDS + k]
    _finish(work, DIGEST_WORDS, DIGEST_WORDS)
