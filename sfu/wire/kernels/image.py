"""Machine code as it lies in memory: made of an object file once, by the compiler's side, and entered without LLVM.

LLVM takes 60 MB of a process to load an object file. An image needs nothing of it: its parts know each other by their
distance, and what they call outside by a table of addresses at its end, which is filled when it is opened. Constants
that hold addresses of others are filled then, too.

Only for x86-64, and only what LLVM makes of kernels: code and constants, position-independent (System V ABI, AMD64
supplement, section 4.4). Anything else is refused, and left to LLVM.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from sfu.wire.kernels.symbols import find_symbol

POSSIBLE = platform.machine() == "x86_64"
"""Whether there are images for this kind of processor."""

_SECTION, _SYMBOL, _RELOCATION = struct.Struct("<IIQQQQIIQQ"), struct.Struct("<IBBHQQ"), struct.Struct("<QIIq")
_PROGBITS, _SYMTAB, _RELA, _NOBITS = 1, 2, 4, 8
_WRITE, _ALLOC = 1, 2
_UNDEFINED = 0
_ABSOLUTE, _PC32, _PLT32, _GOTPCREL, _PC64, _GOTPCRELX, _REX_GOTPCRELX = 1, 2, 4, 9, 24, 41, 42
_FILLED_ONCE = b".data.rel.ro"
"""Constants with addresses, which count as variables until these are known."""
_STUB = b"\xff\x25"
"""`jmp *distance(%rip)`: how a C function is called by whoever takes it for near."""
_WORD_BYTES = 8
_ALIGNMENT = 64

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class ImageError(Exception):
    """An object file has what images do not have, or an image calls what is not there."""


@dataclass(frozen=True, slots=True)
class Image:
    """Code and constants in one piece, position-independent."""

    code: bytes
    """It ends with the table: a word for each of `externals`."""
    entry: int
    """Where in `code` the kernel begins."""
    externals: Sequence[str]
    absolute: Sequence[int]
    """Where words stand that hold a place in `code`, and have to hold its address."""


@dataclass(slots=True)
class _Layout:
    """An image while it is made."""

    code: bytearray = field(default_factory=bytearray)
    sections: dict[int, int] = field(default_factory=dict)
    """Where each section lies, by its index in the object file."""
    stubs: dict[str, int] = field(default_factory=dict)
    """Where a call of a C function goes."""
    slots: dict[str, int] = field(default_factory=dict)
    """Where its address stands."""
    absolute: list[int] = field(default_factory=list)

    def align(self, alignment: int) -> int:
        """Fill up to an alignment; return the place."""
        self.code += bytes(-len(self.code) % alignment)
        return len(self.code)


def link(content: bytes, entry: str) -> Image:
    """Make an image of an object file, with the function `entry`. Raises ImageError for what images do not have."""
    try:
        return _link(content, entry)
    except (struct.error, LookupError, ValueError) as error:
        raise ImageError(f"it is no object file as LLVM makes them: {error}") from error


def _link(content: bytes, entry: str) -> Image:
    (start,) = struct.unpack_from("<Q", content, 40)
    size, count, names = struct.unpack_from("<HHH", content, 58)
    headers = [_SECTION.unpack_from(content, start + size * k) for k in range(count)]
    symbols = _read_symbols(content, headers)
    layout = _Layout()
    for k, (name, kind, flags, _, at, length, _, _, alignment, _) in enumerate(headers):
        if not flags & _ALLOC or not length:
            continue
        variable = flags & _WRITE and not content.startswith(_FILLED_ONCE, headers[names][4] + name)
        if variable or kind == _NOBITS or alignment > _ALIGNMENT:
            raise ImageError("it has variables, or an alignment that images do not have")
        if kind == _PROGBITS:  # what is left is for unwinding, and nothing is thrown
            layout.sections[k] = layout.align(alignment)
            layout.code += content[at : at + length]
    externals = [name for name, section, _ in symbols if section == _UNDEFINED and name]
    stubs = layout.align(_WORD_BYTES)
    table = stubs + _WORD_BYTES * len(externals)
    for k, name in enumerate(externals):
        layout.stubs[name], layout.slots[name] = stubs + _WORD_BYTES * k, table + _WORD_BYTES * k
        layout.code += (_STUB + struct.pack("<i", table - stubs - 6)).ljust(_WORD_BYTES, b"\0")
    layout.code += bytes(_WORD_BYTES * len(externals))
    for header in headers:
        if header[1] == _RELA and header[7] in layout.sections:
            _relocate(content, header, symbols, layout)
    entries = [layout.sections[section] + value for name, section, value in symbols if name == entry and section]
    return Image(bytes(layout.code), entries[0], tuple(externals), tuple(layout.absolute))


def _read_symbols(content: bytes, headers: Sequence[tuple[int, ...]]) -> list[tuple[str, int, int]]:
    """Each symbol's name, section and value."""
    (table,) = (header for header in headers if header[1] == _SYMTAB)
    names = headers[table[6]][4]
    symbols = []
    for at in range(table[4], table[4] + table[5], _SYMBOL.size):
        name, _, _, section, value, _ = _SYMBOL.unpack_from(content, at)
        symbols.append((content[names + name : content.index(b"\0", names + name)].decode(), section, value))
    return symbols


def _relocate(
    content: bytes, header: tuple[int, ...], symbols: Sequence[tuple[str, int, int]], layout: _Layout
) -> None:
    """Write the distances that a section has from others."""
    base = layout.sections[header[7]]
    for at in range(header[4], header[4] + header[5], _RELOCATION.size):
        offset, kind, number, addend = _RELOCATION.unpack_from(content, at)
        name, section, value = symbols[number]
        place = base + offset
        if section != _UNDEFINED and kind in (_ABSOLUTE, _PC32, _PLT32, _PC64):
            if section not in layout.sections:
                raise ImageError(f"it refers to {name or 'a section'}, which is no part of an image")
            target = layout.sections[section] + value
        elif section == _UNDEFINED and kind == _PLT32:
            target = layout.stubs[name]
        elif section == _UNDEFINED and kind in (_GOTPCREL, _GOTPCRELX, _REX_GOTPCRELX):
            target = layout.slots[name]
        else:
            raise ImageError(f"it has a relocation of type {kind}")
        if kind == _ABSOLUTE:
            layout.absolute.append(place)
            struct.pack_into("<Q", layout.code, place, target + addend)
        else:
            struct.pack_into("<q" if kind == _PC64 else "<i", layout.code, place, target + addend - place)


class OpenImage:
    """An image in this process's memory, for as long as the object lives: nobody can write to it any more."""

    def __init__(self, image: Image) -> None:
        """Raises ImageError for a function that is not there, OSError where the system lets no such code run."""
        table = len(image.code) - _WORD_BYTES * len(image.externals)
        addresses = [find_symbol(name) for name in image.externals]
        if None in addresses:
            raise ImageError(f"it calls {image.externals[addresses.index(None)]}, which is not there")
        self._memory = mmap.mmap(-1, len(image.code), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._memory[:] = image.code
        struct.pack_into(f"<{len(addresses)}Q", self._memory, table, *addresses)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        for place in image.absolute:
            (distance,) = struct.unpack_from("<Q", self._memory, place)
            struct.pack_into("<Q", self._memory, place, start + distance)
        if _libc.mprotect(start, len(self._memory), mmap.PROT_READ | mmap.PROT_EXEC):
            raise OSError(ctypes.get_errno(), "the system lets no code run that was loaded")
        self.entry = start + image.entry
        """The kernel's address."""
