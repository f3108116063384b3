"""Three hash indexes: an address to its row, which tells its connection, (connection, SSRC) to an encoding, and an ICE
user fragment to its row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfu.wire.kernels.kernel import i64, kernel, stage
from sfu.wire.kernels.octets import Octets
from sfu.wire.kernels.row_index import ROW, hash_address, insert, mix, remove, same_address


@kernel
def find_address(index: NDArray[np.int32], addresses: NDArray[Any], octets: Octets, at: int) -> int:
    """The row of the address that stands at `octets[at]`, or -1 when no connection has it."""
    mask = len(index) - 1
    slot = hash_address(octets, at) & mask
    while index[slot, ROW] >= 0:
        row = i64(index[slot, ROW])
        if same_address(addresses[row]["address"], 0, octets, at):
            return row
        slot = (slot + 1) & mask
    return -1


@kernel
def insert_address(index: NDArray[np.int32], addresses: NDArray[Any], row: int) -> None:
    """Enter `addresses[row]`; the caller has removed another row with that address."""
    insert(index, hash_address(addresses[row]["address"], 0), row)


@kernel
def remove_address(index: NDArray[np.int32], addresses: NDArray[Any], row: int) -> None:
    """Take `addresses[row]` out; does nothing when it is not in."""
    remove(index, hash_address(addresses[row]["address"], 0), row)


@stage
def hash_source(connection: int, ssrc: int) -> int:
    """Hash a connection's SSRC."""
    return mix(mix(29, i64(connection)), i64(ssrc))


@kernel
def find_encoding(index: NDArray[np.int32], encodings: NDArray[Any], connection: int, ssrc: int) -> int:
    """The encoding that `connection` sends as `ssrc`, or -1."""
    mask = len(index) - 1
    slot = hash_source(connection, ssrc) & mask
    while index[slot, ROW] >= 0:
        row = i64(index[slot, ROW])
        if encodings[row]["ssrc"] == ssrc and encodings[row]["connection"] == connection:
            return row
        slot = (slot + 1) & mask
    return -1


@kernel
def insert_encoding(index: NDArray[np.int32], encodings: NDArray[Any], row: int) -> None:
    """Enter `encodings[row]` under its connection and SSRC."""
    insert(index, hash_source(encodings[row]["connection"], encodings[row]["ssrc"]), row)


@kernel
def remove_encoding(index: NDArray[np.int32], encodings: NDArray[Any], row: int) -> None:
    """Take `encodings[row]` out; does nothing when it is not in."""
    remove(index, hash_source(encodings[row]["connection"], encodings[row]["ssrc"]), row)


@stage
def hash_ufrag(ufrag: int) -> int:
    """Hash a user fragment."""
    return mix(mix(41, i64(ufrag >> 32)), i64(ufrag & 0xFFFFFFFF))


@kernel
def find_ufrag(index: NDArray[np.int32], ufrags: NDArray[np.int64], ufrag: int) -> int:
    """The row of a user fragment, or -1."""
    mask = len(index) - 1
    slot = hash_ufrag(ufrag) & mask
    while index[slot, ROW] >= 0:
        row = i64(index[slot, ROW])
        if ufrags[row] == ufrag:
            return row
        slot = (slot + 1) & mask
    return -1


@kernel
def insert_ufrag(index: NDArray[np.int32], ufrags: NDArray[np.int64], row: int) -> None:
    """Enter `ufrags[row]`."""
    insert(index, hash_ufrag(i64(ufrags[row])), row)


@kernel
def remove_ufrag(index: NDArray[np.int32], ufrags: NDArray[np.int64], row: int) -> None:
    """Take `ufrags[row]` out; does nothing when it is not in."""
    remove(index, hash_ufrag(i64(ufrags[row])), row)
