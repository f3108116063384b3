"""The C functions that the plane's kernels call: system calls from libc, SRTP from the libsrtp inside pylibsrtp.

With `NUMBA_DISABLE_JIT=1` an external function silently does nothing, so all of them live here and in `system.py`:
every kernel that imports neither also runs as plain Python.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from pylibsrtp._binding import ffi, lib

from sfu.wire.kernels.deferred import external, intrinsic
from sfu.wire.kernels.kernel import stage
from sfu.wire.kernels.modes import PLAIN
from sfu.wire.kernels.system import (
    CLOCK_MONOTONIC,
    EAGAIN,
    EINTR,
    EINVAL,
    EIO,
    EMSGSIZE,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_TRUNC,
    SOL_UDP,
    UDP_SEGMENT,
    bind_libc,
    clock_gettime,
    errno,
    read,
    recvmmsg,
    write,
)

__all__ = [
    "CLOCK_MONOTONIC",
    "EAGAIN",
    "EINTR",
    "EINVAL",
    "EIO",
    "EMSGSIZE",
    "MSG_DONTWAIT",
    "MSG_NOSIGNAL",
    "MSG_TRUNC",
    "POLLIN",
    "POLLOUT",
    "SOL_UDP",
    "UDP_SEGMENT",
    "clock_gettime",
    "errno",
    "read",
    "recvmmsg",
    "write",
]

_I32, _I64, _U32 = "int32", "int64", "uint32"  # pointers are passed as plain 64-bit integers


def _bind_srtp(name: str, *signature: str) -> Any:
    return external(f"sfu_{name}", int(ffi.cast("uintptr_t", ffi.addressof(lib, name))), *signature)


sendmmsg = bind_libc("sendmmsg", _I32, _I32, _I64, _U32, _I32)
poll = bind_libc("poll", _I32, _I64, _I64, _I32)
usleep = bind_libc("usleep", _I32, _U32)

srtp_protect = _bind_srtp("srtp_protect", _I32, _I64, _I64, _I64)
srtp_unprotect = _bind_srtp("srtp_unprotect", _I32, _I64, _I64, _I64)
srtp_protect_rtcp = _bind_srtp("srtp_protect_rtcp", _I32, _I64, _I64, _I64)
srtp_unprotect_rtcp = _bind_srtp("srtp_unprotect_rtcp", _I32, _I64, _I64, _I64)
srtp_remove_stream = _bind_srtp("srtp_remove_stream", _I32, _I64, _U32)

_load_acquire, _store_release = map(intrinsic, ("load_acquire", "store_release"))

SRTP_OK = 0
SRTP_AUTH_FAIL = 7
SRTP_REPLAY_FAIL = 9
SRTP_REPLAY_OLD = 10

POLLIN, POLLOUT = 1, 4


@stage
def forget_stream(session: int, ssrc: int) -> None:
    """Free what libsrtp keeps for an SSRC; it knows the SSRC in network order."""
    swapped = ((ssrc & 0xFF) << 24) | ((ssrc & 0xFF00) << 8) | ((ssrc >> 8) & 0xFF00) | (ssrc >> 24)
    srtp_remove_stream(session, np.uint32(swapped))


if PLAIN:

    def load_acquire(address: int) -> int:
        """Read the 64-bit integer at `address`; later reads do not move before it."""
        return ctypes.c_int64.from_address(address).value

    def store_release(address: int, value: int) -> None:
        """Write the 64-bit integer at `address`; earlier writes do not move after it."""
        ctypes.c_int64.from_address(address).value = value

else:

    @stage
    def load_acquire(address: int) -> int:
        """Read the 64-bit integer at `address`; later reads do not move before it."""
        return _load_acquire(address)

    @stage
    def store_release(address: int, value: int) -> None:
        """Write the 64-bit integer at `address`; earlier writes do not move after it."""
        _store_release(address, value)


def srtp_handle(session: Any) -> int:
    """The address of a `pylibsrtp.Session`'s `srtp_t`, for `srtp_protect` and `srtp_unprotect`.

    The caller keeps the session alive for as long as a kernel may use the handle.
    """
    return int(ffi.cast("uintptr_t", session._srtp[0]))
