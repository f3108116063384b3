"""Coverage-guided fuzzing of the packet path: `make fuzz`, or this file with libFuzzer's arguments.

The kernels run as plain Python here, so that the fuzzer sees their branches and NumPy checks their indexes. The C
functions, which do nothing in that mode, get stand-ins: a cipher that only adds and takes away a tag, and a socket
that refuses. The compiled kernels, with libsrtp and bounds checks, are fuzzed by `test_packet_path.py`.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path
from typing import Any

import atheris
from pylibsrtp import Error

os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["sfu.routing", "sfu.wire"]):
    from sfu.routing.kernels import native
    from tests.fuzz.packet_path import PacketPath
from tests.fuzz.guided import fuzz

_TAG = 16
_COLLECT_EVERY = 64
_INDEX = 4
_LEAST_RTP, _LEAST_RTCP = 12, 8
_EBADF = 9


def _unprotect(_session: int, _packet: int, length: int) -> int:
    held = ctypes.c_int32.from_address(length)
    if held.value < _LEAST_RTP + _TAG:
        return native.SRTP_AUTH_FAIL
    held.value -= _TAG
    return native.SRTP_OK


def _unprotect_rtcp(_session: int, _packet: int, length: int) -> int:
    held = ctypes.c_int32.from_address(length)
    if held.value < _LEAST_RTCP + _INDEX + _TAG:
        return native.SRTP_AUTH_FAIL
    held.value -= _INDEX + _TAG
    return native.SRTP_OK


def _protect(_session: int, _packet: int, length: int) -> int:
    ctypes.c_int32.from_address(length).value += _TAG
    return native.SRTP_OK


stand_ins: Any = native
stand_ins.srtp_unprotect = _unprotect
stand_ins.srtp_unprotect_rtcp = _unprotect_rtcp
stand_ins.srtp_protect = _protect
stand_ins.sendmmsg = lambda *_: -1
stand_ins.errno = lambda: _EBADF


class _Sender:
    """What a client's `Session` encrypts, to the stand-ins."""

    def protect(self, packet: bytes) -> bytes:
        if len(packet) < _LEAST_RTP:
            raise Error
        return packet + bytes(_TAG)

    def protect_rtcp(self, packet: bytes) -> bytes:
        if len(packet) < _LEAST_RTCP:
            raise Error
        return packet + bytes(_TAG + _INDEX)


runs = 0


def one_input(data: bytes) -> None:
    """Run one input; an assertion or an IndexError is a finding."""
    global runs
    runs += 1
    path = PacketPath()
    path.encrypt = path.encrypt_asking = _Sender()
    try:
        path.run(data)
    finally:
        path.close()
    if runs % _COLLECT_EVERY == 0:
        gc.collect()


if __name__ == "__main__":
    fuzz(one_input, "packet_path")
