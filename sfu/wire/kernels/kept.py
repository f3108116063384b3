"""Compiled kernels on disk: also read from where nothing can be written; a faulty file costs nothing but time."""

from __future__ import annotations

import pickle
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator

from sfu.wire.kernels.cache import tell_kept_nowhere, tell_once

_UNREADABLE = (
    OSError,
    EOFError,
    pickle.UnpicklingError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    IndexError,
)
"""What Python raises for a file that was cut off, or written by something else."""


class _Locator(UserProvidedCacheLocator):
    """The directory that was chosen, also if nothing can be written there."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        return cls(py_func, py_file) if numba.config.CACHE_DIR else None  # type: ignore[attr-defined]


class KernelCacheImpl(CompileResultCacheImpl):
    """How a kernel is written to the cache and read from it."""

    _locator_classes = [  # noqa: RUF012 - as Numba declares it
        _Locator,
        *CompileResultCacheImpl._locator_classes,
    ]


class KernelCache(FunctionCache):
    """Numba's cache of one function, which a faulty file or a full disk does not stop."""

    _impl_class = KernelCacheImpl

    def holds(self, signature: Any, codegen: Any) -> bool:
        """Whether the cache has this signature, for this machine's processor."""
        try:
            return self._index_key(signature, codegen) in self._cache_file._load_index()
        except _UNREADABLE:
            return False

    def can_write(self) -> bool:
        """Whether compiled functions can be kept."""
        try:
            self._impl.locator.ensure_cache_path()
        except OSError:
            return False
        return True

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function, or None if there is none that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except NotADirectoryError:  # there is nothing
            return None
        except _UNREADABLE as error:
            advice = "it is compiled anew"
            tell_once("a compiled kernel cannot be read", path=self.cache_path, error=repr(error), advice=advice)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function, or log that this failed."""
        try:
            try:
                super().save_overload(sig, data)
            except _UNREADABLE as error:
                if isinstance(error, OSError):
                    raise
                self.flush()  # the index was cut off
                super().save_overload(sig, data)
        except OSError as error:
            tell_kept_nowhere(error)
