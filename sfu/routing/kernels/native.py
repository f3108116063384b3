"""The C functions that kernels call: system calls from libc, SRTP from the libsrtp inside pylibsrtp.

Symbols are registered by name, so that kernels which use them can be cached. With `NUMBA_DISABLE_JIT=1` an
external function silently does nothing, so all of them live here and in no other module: every kernel that does not
import this one also runs as plain Python.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from pylibsrtp._binding import ffi, lib

from sfu.wire.kernels.deferred import external, intrinsic
from sfu.wire.kernels.kernel import stage
from sfu.wire.kernels.modes import PLAIN

_libc = ctypes.CDLL(None, use_errno=True)
_I32, _I64, _U32 = "int32", "int64", "uint32"  # pointers are passed as plain 64-bit integers


def _bind_libc(name: str, *signature: str) -> Any:
    address = ctypes.cast(getattr(_libc, name), ctypes.c_void_p).value
    return external(f"sfu_{name}", address, *signature)


def _bind_srtp(name: str, *signature: str) -> Any:
    return external(f"sfu_{name}", int(ffi.cast("uintptr_t", ffi.addressof(lib, name))), *signature)


recvmmsg = _bind_libc("recvmmsg", _I32, _I32, _I64, _U32, _I32, _I64)
sendmmsg = _bind_libc("sendmmsg", _I32, _I32, _I64, _U32, _I32)
poll = _bind_libc("poll", _I32, _I64, _I64, _I32)
read = _bind_libc("read", _I64, _I32, _I64, _I64)
write = _bind_libc("write", _I64, _I32, _I64, _I64)
clock_gettime = _bind_libc("clock_gettime", _I32, _I32, _I64)
_errno_location = _bind_libc("__errno_location", _I64)

srtp_protect = _bind_srtp("srtp_protect", _I32, _I64, _I64, _I64)
srtp_unprotect = _bind_srtp("srtp_unprotect", _I32, _I64, _I64, _I64)
srtp_protect_rtcp = _bind_srtp("srtp_protect_rtcp", _I32, _I64, _I64, _I64)
srtp_unprotect_rtcp = _bind_srtp("srtp_unprotect_rtcp", _I32, _I64, _I64, _I64)
srtp_remove_stream = _bind_srtp("srtp_remove_stream", _I32, _I64, _U32)

_load_acquire, _store_release, _load_i32 = map(intrinsic, ("load_acquire", "store_release", "load_i32"))

SRTP_OK = 0
SRTP_AUTH_FAIL = 7
SRTP_REPLAY_FAIL = 9
SRTP_REPLAY_OLD = 10

CLOCK_MONOTONIC = 1
EINTR, EIO, EAGAIN, EINVAL, EMSGSIZE = 4, 5, 11, 22, 90
POLLIN, POLLOUT = 1, 4
MSG_DONTWAIT, MSG_TRUNC, MSG_NOSIGNAL = 0x40, 0x20, 0x4000
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104


@stage
def errno() -> int:
    """The calling thread's error number after a failed system call."""
    return _load_i32(_errno_location())


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
