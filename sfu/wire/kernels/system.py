"""What the compiled parts of the process ask of the system: calls of libc, and how their arguments are laid out.

Symbols are registered by name, so that kernels which use them can be cached. In plain Python (`NUMBA_DISABLE_JIT=1`)
these functions do nothing, silently.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from sfu.wire.kernels.deferred import external, intrinsic
from sfu.wire.kernels.kernel import stage

_libc = ctypes.CDLL(None, use_errno=True)
_I32, _I64, _U32 = "int32", "int64", "uint32"  # pointers are passed as plain 64-bit integers


def bind_libc(name: str, *signature: str) -> Any:
    """A function of libc: its result's type, then its parameters', as Numba names them."""
    address = ctypes.cast(getattr(_libc, name), ctypes.c_void_p).value
    assert address is not None
    return external(f"sfu_{name}", address, *signature)


recvmmsg = bind_libc("recvmmsg", _I32, _I32, _I64, _U32, _I32, _I64)
read = bind_libc("read", _I64, _I32, _I64, _I64)
write = bind_libc("write", _I64, _I32, _I64, _I64)
clock_gettime = bind_libc("clock_gettime", _I32, _I32, _I64)
_errno_location = bind_libc("__errno_location", _I64)
_load_i32 = intrinsic("load_i32")

CLOCK_MONOTONIC = 1
EINTR, EIO, EAGAIN, EINVAL, EMSGSIZE = 4, 5, 11, 22, 90
MSG_DONTWAIT, MSG_TRUNC, MSG_NOSIGNAL = 0x40, 0x20, 0x4000
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104

MESSAGE = np.dtype(
    [
        ("name", np.int64),
        ("name_bytes", np.int64),
        ("vectors", np.int64),
        ("vector_count", np.int64),
        ("control", np.int64),
        ("control_bytes", np.int64),
        ("flags", np.int64),
        ("bytes", np.int64),
    ]
)
"""`struct mmsghdr` of 64-bit Linux; pointers as integers."""
VECTOR = np.dtype([("base", np.int64), ("bytes", np.int64)])
"""`struct iovec`."""


@stage
def errno() -> int:
    """The calling thread's error number after a failed system call."""
    return _load_i32(_errno_location())
