"""Targets that the tests of the batch fuzzer know to be broken."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType
from typing import Any

import numba

from sfu.wire.kernels.kernel import i64, kernel
from tests.fuzz.batch import loop, payloads
from tests.fuzz.batch.batches import Target
from tests.fuzz.batch.targets import Plain, _whole


@kernel
def reads_on(buffer: Any, packets: Any, row: int) -> int:
    """A parser of VP8 that trusts the flags: the octet behind the descriptor is not there in a short packet."""
    packet = packets[row]
    start, size = packet["payload"], packet["payload_bytes"]
    if size == 0:
        return 0
    at = start + 1
    if i64(buffer[start]) & 0x80:
        at += 2
    packet["temporal"] = i64(buffer[at]) >> 6
    return 0


@kernel
def looks_back(buffer: Any, packets: Any, row: int) -> int:
    """A parser of AV1 that looks at what stands before the payload; no index is wrong, since -1 is the last octet."""
    packet = packets[row]
    if packet["payload_bytes"] > 0:
        packet["frame_start"] = i64(buffer[packet["payload"] - 1]) & 1
    return 0


@kernel
def says_too_much(buffer: Any, packets: Any, row: int) -> int:
    """A parser of H.264 that takes a temporal layer from the payload without a bound."""
    packet = packets[row]
    if packet["payload_bytes"] > 1:
        packet["temporal"] = i64(buffer[packet["payload"] + 1]) & 0x0F
    return 0


def broken_payloads() -> ModuleType:
    """`tests.fuzz.batch.payloads` with these parsers, compiled anew."""
    sound = loop.loop
    loop.loop = numba.njit(error_model="numpy", boundscheck=True)
    try:
        spec = importlib.util.spec_from_file_location("tests.fuzz.batch.broken_payloads", payloads.__file__)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        loop.loop = sound
    module.describe_vp8 = reads_on
    module.describe_av1 = looks_back
    module.describe_h264 = says_too_much
    return module


def _crash(data: bytes) -> None:
    if data[:1] == b"\x15":
        os.abort()


def _hang(data: bytes) -> None:
    while data[:1] == b"\x15":
        pass


CRASHES = Target("crashes", "stun", lambda: Plain(_crash), _whole, fixed=0, size=64)
HANGS = Target("hangs", "stun", lambda: Plain(_hang), _whole, fixed=0, size=64)
