"""The compiler, Numba: whoever imports this loads it, so it is imported when something has to be compiled."""

from __future__ import annotations

from typing import Any

import numba
from numba.core.registry import cpu_target

from sfu.wire.kernels import bundle, bundle_type, machine  # noqa: F401 - machine tells LLVM what C functions there are
from sfu.wire.kernels.cache import cache_folder
from sfu.wire.kernels.modes import LINKED, OPTIONS

if (folder := cache_folder()) is not None:
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
bundle.tell_of_bundles(bundle_type.register)


def type_of_callee(made: Any) -> Any:
    """Numba's type of an external function or an intrinsic."""
    cpu_target.typing_context.refresh()  # it was made while something is being compiled
    cpu_target.target_context.refresh()
    return cpu_target.typing_context.resolve_value_type(made)


def make_dispatcher(function: Any, kind: str) -> Any:
    """Numba's side of a kernel; `kind` is its decorator's name."""
    if LINKED:
        from sfu.wire.kernels.dispatching import KernelDispatcher, StageDispatcher

        typed = {"nopython": True, "boundscheck": None, **OPTIONS}
        if kind == "stage":
            return StageDispatcher(function, typed)
        return KernelDispatcher(function, typed, forceinline=kind == "inlined")
    options = (
        OPTIONS
        | {
            "kernel": {},
            "stage": {"no_cpython_wrapper": True, "no_cfunc_wrapper": True},
            "inlined": {"forceinline": True},
        }[kind]
    )
    return numba.njit(cache=True, **options)(function)
