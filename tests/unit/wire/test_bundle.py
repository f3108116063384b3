"""Tables as one argument of kernels."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from sfu.wire.kernels.bundle import bundle
from sfu.wire.kernels.kernel import kernel, stage


@bundle
class Store(NamedTuple):
    counts: NDArray[np.int64]
    scale: int
    octets: NDArray[np.uint8]


@bundle
class Shelf(NamedTuple):
    store: Store
    rows: NDArray[np.int32]


@stage
def _add(store: Store, row: int) -> None:
    store.counts[row] += store.scale * store.octets[row]


@kernel
def add_all(shelf: Shelf) -> int:
    for k in range(len(shelf.rows)):
        _add(shelf.store, shelf.rows[k])
    return len(shelf.rows)


@kernel
def add_twice(shelf: Shelf) -> int:
    return add_all(shelf) + add_all(shelf)


def test_a_bundle_is_read_and_written_as_in_plain_python() -> None:
    store = Store(np.zeros(4, np.int64), 3, np.array([1, 2, 3, 250], np.uint8))
    shelf = Shelf(store, np.array([3, 0, 3], np.int32))
    assert add_twice(shelf) == 6
    assert store.counts.tolist() == [6, 0, 0, 3000]
    again = Shelf(store._replace(scale=-1), shelf.rows[:1])
    assert add_all(again) == 1
    assert store.counts.tolist() == [6, 0, 0, 2750]


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="runs without compiling: NUMBA_DISABLE_JIT=1")  # type: ignore[attr-defined]
def test_bundles_of_other_parts_have_other_types() -> None:
    store = Store(np.zeros(4, np.int64), 3, np.zeros(4, np.uint8))
    assert numba.typeof(store) == numba.typeof(store._replace(scale=7))
    assert numba.typeof(store) != numba.typeof(store._replace(counts=np.zeros(4, np.int32)))
    assert numba.typeof(store) != numba.typeof(store._replace(counts=np.zeros(8, np.int64)[::2]))
    assert len(str(numba.typeof(store))) < 40
