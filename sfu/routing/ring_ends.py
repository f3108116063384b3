"""The control side's end of a ring whose other end a kernel has (`kernels/rings.py`)."""

from __future__ import annotations

import ctypes
import platform

import numpy as np
from numpy.typing import NDArray

from sfu.routing.kernels.rings import READ, WRITTEN

if platform.machine() == "x86_64":
    # The processor moves no read before an earlier one, and no write before what was read or written before it; and
    # the interpreter reads and writes eight octets at once.

    def _load_acquire(address: int) -> int:
        return ctypes.c_int64.from_address(address).value

    def _store_release(address: int, value: int) -> None:
        ctypes.c_int64.from_address(address).value = value

else:
    from sfu.wire.kernels.machine import atomics

    _load_acquire = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(
        atomics().get_function_address("sfu_load_acquire")
    )
    _store_release = ctypes.PYFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(
        atomics().get_function_address("sfu_store_release")
    )


class _End:
    """Where a ring's two positions stand; the index array must outlive it."""

    def __init__(self, index: NDArray[np.int64]) -> None:
        self._index = index
        self._written, self._read = (index.ctypes.data + 8 * at for at in (WRITTEN, READ))


class WriteEnd(_End):
    """The end that writes."""

    def publish(self, count: int) -> None:
        """Hand `count` further written entries to the consumer."""
        _store_release(self._written, self._index.item(WRITTEN) + count)


class ReadEnd(_End):
    """The end that reads."""

    def readable(self) -> int:
        """The number of waiting entries."""
        return _load_acquire(self._written) - self._index.item(READ)

    def release(self, count: int) -> None:
        """Give `count` entries that were read back to the producer."""
        _store_release(self._read, self._index.item(READ) + count)
