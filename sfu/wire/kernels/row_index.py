"""Hash indexes of rows: open addressing with linear probing, in which a removal shifts later entries back, so that no
tombstones pile up. A slot has a row and the hash of its key, by which it may be moved; the keys are read from the rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, stage
from sfu.wire.kernels.octets import Octets, load32

AF_INET = 2
AF_INET6 = 10
_MASK = 0x7FFFFFFF

ROW, HASH = 0, 1
"""Fields of a slot; a row of -1 means that the slot is empty."""


@stage
def mix(state: int, value: int) -> int:
    """One step of a multiplicative hash within 31 bits, equal in compiled and plain Python."""
    state = (state ^ value) & _MASK
    state = (state * 0x9E3779B1) & 0x3FFFFFFFFFFFFFFF
    return (state ^ (state >> 29)) & _MASK


@stage
def may_fill(hole: int, slot: int, start: int, mask: int) -> bool:
    """Whether what stands in `slot` is still found once it has moved back into `hole`: the search for it begins at
    `start`, and must not begin behind the hole.
    """
    return ((slot - start) & mask) >= ((slot - hole) & mask)


@stage
def insert(index: NDArray[np.int32], hashed: int, row: int) -> None:
    """Enter a row under the hash of its key."""
    mask = len(index) - 1
    slot = hashed & mask
    while index[slot, ROW] >= 0:
        slot = (slot + 1) & mask
    index[slot, ROW] = row
    index[slot, HASH] = hashed


@stage
def remove(index: NDArray[np.int32], hashed: int, row: int) -> None:
    """Take a row out that was entered under this hash, and close the hole; does nothing when it is not in."""
    mask = len(index) - 1
    slot = hashed & mask
    while index[slot, ROW] != row:
        if index[slot, ROW] < 0:
            return
        slot = (slot + 1) & mask
    hole = slot
    slot = (slot + 1) & mask
    while index[slot, ROW] >= 0:
        if may_fill(hole, slot, i64(index[slot, HASH]) & mask, mask):
            index[hole, ROW] = index[slot, ROW]
            index[hole, HASH] = index[slot, HASH]
            hole = slot
        slot = (slot + 1) & mask
    index[hole, ROW] = -1


@stage
def hash_address(octets: Octets, at: int) -> int:
    """Hash the port and IP of the sockaddr at `octets[at]` (native-endian family, network-order port)."""
    state = mix(17, (i64(octets[at + 2]) << 8) | i64(octets[at + 3]))
    if octets[at] == AF_INET:
        return mix(state, load32(octets, at + 4))
    for word in range(4):
        state = mix(state, load32(octets, at + 8 + 4 * word))
    return state


@stage
def same_address(left: Octets, left_at: int, right: Octets, right_at: int) -> bool:
    """Whether two sockaddrs name the same IP and port; flow label and scope are not compared."""
    if left[left_at] != right[right_at]:
        return False
    for k in range(2, 4):
        if left[left_at + k] != right[right_at + k]:
            return False
    first, last = (4, 8) if left[left_at] == AF_INET else (8, 24)
    for k in range(first, last):
        if left[left_at + k] != right[right_at + k]:
            return False
    return True
