"""The C functions that machine code calls, by the name under which it knows them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_libc = ctypes.CDLL(None)
_addresses: dict[str, int] = {}
_listeners: list[Callable[[str, int], None]] = []


def add_symbol(name: str, address: int) -> None:
    """Let machine code call what stands at `address` by this name."""
    _addresses[name] = address
    for tell in _listeners:
        tell(name, address)


def find_symbol(name: str) -> int | None:
    """The address of a function of ours or, since LLVM calls `memcpy` by itself, of libc; None if there is none."""
    if name in _addresses:
        return _addresses[name]
    try:
        return ctypes.cast(_libc[name], ctypes.c_void_p).value
    except AttributeError:
        return None


def tell_of_symbols(tell: Callable[[str, int], None]) -> None:
    """Call `tell` with each symbol that is or will be added: LLVM, which may be loaded later than they."""
    for name, address in _addresses.items():
        tell(name, address)
    _listeners.append(tell)
