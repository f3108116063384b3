"""A kernel's entrance from Python that needs no compiler: its machine code on disk, and how its arguments are laid out.

Numba's own cache can only be read by Numba, which takes a second to load and 60 MB to hold; and an object file by LLVM,
which takes as much again. What a node enters is therefore kept a second time, as an image (`image.py`), which needs
neither; as an object file where there are no images. It stands behind its digest: what was cut off or changed must not
be entered, and would end the process.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from sfu.wire.kernels import image
from sfu.wire.kernels.bundle import is_bundle
from sfu.wire.kernels.cache import cache_folder, tell_kept_nowhere, tell_once
from sfu.wire.kernels.image import Image, ImageError, OpenImage
from sfu.wire.kernels.modes import CHECKED, LINKED
from sfu.wire.kernels.processor import target

_DIGEST_BYTES = 32
_NEVER_RAISES = LINKED and not CHECKED
"""Only then a kernel's status says nothing: what Numba raises is made by its compiler's run-time."""


class EntranceError(RuntimeError):
    """A kernel was entered with arguments that it was not made for: a defect of ours."""


class Entrance:
    """One kernel's way in, for arguments of the types that it was made for."""

    def __init__(self, kernel: Any) -> None:
        """`kernel` may be entered through the compiler, too: where its code is not to be had without."""
        self._kernel = kernel
        self._opened: Any = None
        """What keeps the code in memory."""
        self._function: Any = None

    @property
    def is_possible(self) -> bool:
        """Whether kernels can be entered so at all: not in plain Python, with checks or with an unknown Numba."""
        return _NEVER_RAISES

    @property
    def path(self) -> Path | None:
        """The file of this kernel for this processor, or None where nothing is kept."""
        folder = cache_folder()
        name = f"{self._kernel.__module__}.{self._kernel.__qualname__}"
        return folder / f"{name}-{hashlib.sha256(target().encode()).hexdigest()[:16]}.entrance" if folder else None

    def load(self) -> bool:
        """Take it from the cache; False where it has to be compiled."""
        if self._function is not None:
            return True
        path = self.path
        if not self.is_possible or path is None:
            return False
        try:
            kept = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            _tell_unreadable(path, error)
            return False
        digest, content = kept[:_DIGEST_BYTES], kept[_DIGEST_BYTES:]
        if digest != hashlib.sha256(content).digest():
            _tell_unreadable(path, "its digest is another")
            return False
        try:
            self._open(content)
        except ImageError as error:
            _tell_unreadable(path, error)
            return False
        return True

    def make(self, arguments: tuple[Any, ...]) -> None:
        """Compile it for such arguments, keep it, and open it."""
        content = _pack(*self._kernel.machine_code(arguments))
        self._keep(content)
        self._open(content)

    def _keep(self, content: bytes) -> None:
        path = self.path
        if path is None:
            return
        draft = path.with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(hashlib.sha256(content).digest() + content)
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            tell_kept_nowhere(error)

    def _open(self, content: bytes) -> None:
        head, _, code = content.partition(b"\n")
        told = json.loads(head)
        if "symbol" in told:
            from sfu.wire.kernels.machine import load_object

            self._opened = load_object(code)
            self._function = self._opened.get_function_address(told["symbol"])
        else:
            self._opened = OpenImage(Image(code, **told))
            self._function = self._opened.entry

    def __call__(self, *arguments: Any) -> None:
        """Enter the kernel, which returns nothing; the GIL is released. The arguments outlive the call."""
        if self._function is None:
            self._kernel(*arguments)
            return
        held: list[Any] = []
        passed = [word for argument in arguments for word in _as_argument(argument, held)]
        # Numba's convention: places for the result and for an exception come first, and the result is a status.
        enter = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_int64] * (2 + len(passed)))(self._function)
        places = (ctypes.c_int64 * 2)()
        place = ctypes.addressof(places)
        if enter(place, place + 8, *passed):
            raise EntranceError(f"{self._kernel.__qualname__} has raised, which no kernel may")


def _pack(symbol: str, code: bytes) -> bytes:
    """What is kept of a kernel: a line that says what it is, and an image, else the object file itself."""
    head: dict[str, Any] = {"symbol": symbol}
    if image.POSSIBLE:
        try:
            made = image.link(code, symbol)
        except ImageError as error:
            tell_once("a kernel needs LLVM to be loaded", error=str(error), advice="it takes 60 MB more; tell us")
        else:
            head = dataclasses.asdict(made)
            code = head.pop("code")
    return json.dumps(head).encode() + b"\n" + code


def _tell_unreadable(path: Path, error: object) -> None:
    tell_once("a compiled kernel cannot be read", path=str(path), error=str(error), advice="it is compiled anew")


def _as_argument(value: Any, held: list[Any]) -> list[int]:
    """As Numba passes it: a bundle by the address of its parts, an array by its parts; `held` keeps what must stay."""
    if not is_bundle(value):
        return _words(value, held)
    parts = [word for part in value for word in _as_argument(part, held)]
    place = (ctypes.c_int64 * len(parts))(*parts)
    held.append(place)
    return [ctypes.addressof(place)]


def _words(value: Any, held: list[Any]) -> list[int]:
    if isinstance(value, int | np.int64):
        return [int(value)]
    if isinstance(value, np.ndarray):
        return [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
    raise EntranceError(f"kernels take no {type(value).__name__} by an entrance")
