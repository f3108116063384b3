"""The C functions that kernels call: system calls from libc, SRTP from the libsrtp inside pylibsrtp.

Symbols are registered by name, so that kernels which use them can be cached. With `NUMBA_DISABLE_JIT=1` an
external function silently does nothing, so all of them live here and in no other module: every kernel that does not
import this one also runs as plain Python.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba import extending, types
from pylibsrtp._binding import ffi, lib

intrinsic: Any = extending.intrinsic
_libc = ctypes.CDLL(None, use_errno=True)


def _bind_libc(name: str, signature: Any) -> Any:
    address = ctypes.cast(getattr(_libc, name), ctypes.c_void_p).value
    llvmlite.binding.add_symbol(f"sfu_{name}", address)
    return types.ExternalFunction(f"sfu_{name}", signature)


def _bind_srtp(name: str, signature: Any) -> Any:
    address = int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))
    llvmlite.binding.add_symbol(f"sfu_{name}", address)
    return types.ExternalFunction(f"sfu_{name}", signature)


_i32, _i64, _u32 = types.int32, types.int64, types.uint32

# Pointers are passed as plain 64-bit integers.
recvmmsg = _bind_libc("recvmmsg", _i32(_i32, _i64, _u32, _i32, _i64))
sendmmsg = _bind_libc("sendmmsg", _i32(_i32, _i64, _u32, _i32))
poll = _bind_libc("poll", _i32(_i64, _i64, _i32))
read = _bind_libc("read", _i64(_i32, _i64, _i64))
write = _bind_libc("write", _i64(_i32, _i64, _i64))
clock_gettime = _bind_libc("clock_gettime", _i32(_i32, _i64))
_errno_location = _bind_libc("__errno_location", _i64())

srtp_protect = _bind_srtp("srtp_protect", _i32(_i64, _i64, _i64))
srtp_unprotect = _bind_srtp("srtp_unprotect", _i32(_i64, _i64, _i64))
srtp_protect_rtcp = _bind_srtp("srtp_protect_rtcp", _i32(_i64, _i64, _i64))
srtp_unprotect_rtcp = _bind_srtp("srtp_unprotect_rtcp", _i32(_i64, _i64, _i64))
srtp_remove_stream = _bind_srtp("srtp_remove_stream", _i32(_i64, _u32))

SRTP_OK = 0
SRTP_AUTH_FAIL = 7
SRTP_REPLAY_FAIL = 9
SRTP_REPLAY_OLD = 10

CLOCK_MONOTONIC = 1
EINTR, EIO, EAGAIN, EINVAL, EMSGSIZE = 4, 5, 11, 22, 90
POLLIN, POLLOUT = 1, 4
MSG_DONTWAIT, MSG_TRUNC, MSG_NOSIGNAL = 0x40, 0x20, 0x4000
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104


def _pointer(builder: Any, address: Any, bits: int) -> Any:
    return builder.inttoptr(address, ir.IntType(bits).as_pointer())


@intrinsic
def _load_acquire(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_pointer(builder, arguments[0], 64), "acquire", 8, typ=ir.IntType(64))

    return types.int64(types.int64), generate


@intrinsic
def _store_release(typing_context: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[1], _pointer(builder, arguments[0], 64), "release", 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), generate


@intrinsic
def _load_i32(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(builder, arguments[0], 32), typ=ir.IntType(32))

    return types.int32(types.int64), generate


@numba.njit(nogil=True)
def errno() -> int:
    """The calling thread's error number after a failed system call."""
    return _load_i32(_errno_location())


@numba.njit(nogil=True)
def forget_stream(session: int, ssrc: int) -> None:
    """Free what libsrtp keeps for an SSRC; it knows the SSRC in network order."""
    swapped = ((ssrc & 0xFF) << 24) | ((ssrc & 0xFF00) << 8) | ((ssrc >> 8) & 0xFF00) | (ssrc >> 24)
    srtp_remove_stream(session, np.uint32(swapped))


if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]

    def load_acquire(address: int) -> int:
        """Read the 64-bit integer at `address`; later reads do not move before it."""
        return ctypes.c_int64.from_address(address).value

    def store_release(address: int, value: int) -> None:
        """Write the 64-bit integer at `address`; earlier writes do not move after it."""
        ctypes.c_int64.from_address(address).value = value

else:

    @numba.njit(nogil=True)
    def load_acquire(address: int) -> int:
        """Read the 64-bit integer at `address`; later reads do not move before it."""
        return _load_acquire(address)

    @numba.njit(nogil=True)
    def store_release(address: int, value: int) -> None:
        """Write the 64-bit integer at `address`; earlier writes do not move after it."""
        _store_release(address, value)


def srtp_handle(session: Any) -> int:
    """The address of a `pylibsrtp.Session`'s `srtp_t`, for `srtp_protect` and `srtp_unprotect`.

    The caller keeps the session alive for as long as a kernel may use the handle.
    """
    return int(ffi.cast("uintptr_t", session._srtp[0]))
