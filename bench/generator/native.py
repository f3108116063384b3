"""C functions that the bench's kernels call: libc's socket calls and libsrtp as shipped in pylibsrtp.

Every pointer is passed as an unsigned 64-bit integer, so a kernel does its own address arithmetic on
the base addresses of arrays that the caller keeps alive.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Any

import llvmlite.binding
import numpy as np
from numba import types
from numpy.typing import NDArray
from pylibsrtp import Session
from pylibsrtp._binding import ffi, lib

from bench.generator.kernel import kernel

_ADDRESS = types.uint64
_INT = types.int32

CLOCK_REALTIME = 0
CLOCK_MONOTONIC = 1
MSG_DONTWAIT = 0x40
MSG_TRUNC = 0x20
EPOLLIN = 1
SO_TIMESTAMPNS = 35
SOL_UDP = 17
UDP_SEGMENT = 103
UDP_GRO = 104

_libc = ctypes.CDLL(None, use_errno=True)


def _libc_function(name: str, signature: Any) -> Any:
    symbol = f"bench_{name}"
    address = ctypes.cast(getattr(_libc, name), ctypes.c_void_p).value
    llvmlite.binding.add_symbol(symbol, address)
    return types.ExternalFunction(symbol, signature)


def _srtp_function(name: str) -> Any:
    symbol = f"bench_{name}"
    address = int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))
    llvmlite.binding.add_symbol(symbol, address)
    # srtp_err_status_t f(srtp_t context, void *packet, int *length)
    return types.ExternalFunction(symbol, _INT(_ADDRESS, _ADDRESS, _ADDRESS))


clock_gettime = _libc_function("clock_gettime", _INT(_INT, _ADDRESS))
epoll_pwait2 = _libc_function("epoll_pwait2", _INT(_INT, _ADDRESS, _INT, _ADDRESS, _ADDRESS))
recvmmsg = _libc_function("recvmmsg", _INT(_INT, _ADDRESS, types.uint32, _INT, _ADDRESS))
sendmmsg = _libc_function("sendmmsg", _INT(_INT, _ADDRESS, types.uint32, _INT))
send = _libc_function("send", types.int64(_INT, _ADDRESS, types.uint64, _INT))
clock_nanosleep = _libc_function("clock_nanosleep", _INT(_INT, _INT, _ADDRESS, _ADDRESS))
memcpy = _libc_function("memcpy", _ADDRESS(_ADDRESS, _ADDRESS, types.uint64))

srtp_protect = _srtp_function("srtp_protect")
srtp_unprotect = _srtp_function("srtp_unprotect")
srtp_protect_rtcp = _srtp_function("srtp_protect_rtcp")
srtp_unprotect_rtcp = _srtp_function("srtp_unprotect_rtcp")

#: Of `srtp_unprotect`: the packet came before, or is too old to tell (srtp_err_status_t).
REPLAY_FAIL, REPLAY_OLD = 9, 10

# Linux x86-64 packs struct epoll_event; every other 64-bit architecture aligns its data member.
_EPOLL_ALIGNED = platform.machine() not in ("x86_64", "AMD64")
EPOLL_EVENT = np.dtype(
    {
        "names": ["events", "data"],
        "formats": ["u4", "u8"],
        "offsets": [0, 8] if _EPOLL_ALIGNED else [0, 4],
        "itemsize": 16 if _EPOLL_ALIGNED else 12,
    }
)

#: struct iovec, 64-bit.
IOVEC = np.dtype([("base", "u8"), ("length", "u8")])

#: struct mmsghdr, 64-bit Linux.
MMSGHDR = np.dtype(
    [
        ("name", "u8"),
        ("name_length", "u4"),
        ("_pad0", "u4"),
        ("iov", "u8"),
        ("iov_count", "u8"),
        ("control", "u8"),
        ("control_length", "u8"),
        ("flags", "i4"),
        ("_pad1", "u4"),
        ("length", "u4"),
        ("_pad2", "u4"),
    ]
)


def session_address(session: Session) -> int:
    """The `srtp_t` of a pylibsrtp session; valid only as long as `session` lives."""
    return int(ffi.cast("uintptr_t", session._srtp[0]))


@kernel
def monotonic_ns(timespec: NDArray[Any]) -> int:
    """CLOCK_MONOTONIC in nanoseconds; `timespec` is an int64[2] to write through."""
    clock_gettime(CLOCK_MONOTONIC, timespec.ctypes.data)
    return timespec[0] * 1_000_000_000 + timespec[1]


def message_array(buffers: NDArray[Any], iov: NDArray[Any], control: NDArray[Any] | None = None) -> NDArray[Any]:
    """A `struct mmsghdr` array with message i reading or writing row i of `buffers`, shape (count, bytes).

    `iov` (IOVEC, count) and `control` (uint8, (count, bytes)) are allocated by the caller, which keeps them,
    `buffers` and the result alive while a kernel uses any of them.
    """
    count, size = buffers.shape
    messages = np.zeros(count, MMSGHDR)
    for index in range(count):
        iov[index] = (buffers.ctypes.data + index * buffers.strides[0], size)
        messages[index]["iov"] = iov.ctypes.data + index * IOVEC.itemsize
        messages[index]["iov_count"] = 1
        if control is not None:
            messages[index]["control"] = control.ctypes.data + index * control.strides[0]
            messages[index]["control_length"] = control.shape[1]
    return messages
