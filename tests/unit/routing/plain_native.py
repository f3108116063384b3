"""What encrypts and sends for kernels in plain Python: there Numba's external functions silently do nothing."""

from __future__ import annotations

import contextlib
import ctypes
from typing import Any
from unittest import mock

import numba
from pylibsrtp._binding import ffi, lib

from sfu.routing.kernels import native

_libc = ctypes.CDLL(None, use_errno=True)


def _sendmmsg(socket: int, messages: int, count: int, flags: int) -> int:
    result: int = _libc.sendmmsg(int(socket), ctypes.c_void_p(int(messages)), ctypes.c_uint(int(count)), int(flags))
    return result


def _protect(session: int, packet: int, length: int) -> int:
    handle, octets = ffi.cast("srtp_t", int(session)), ffi.cast("void *", int(packet))
    result: int = lib.srtp_protect(handle, octets, ffi.cast("int *", int(length)))
    return result


def native_calls() -> contextlib.AbstractContextManager[Any]:
    """Within it kernels in plain Python encrypt and send; compiled ones do so anyway."""
    if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return contextlib.nullcontext()
    return mock.patch.multiple(native, sendmmsg=_sendmmsg, srtp_protect=_protect, errno=ctypes.get_errno)
