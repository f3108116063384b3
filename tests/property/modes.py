"""How many examples a property is tried with, in each of the modes that `test_modes.py` runs."""

from __future__ import annotations

import numba

_OTHER_MODE = bool(numba.config.DISABLE_JIT or numba.config.BOUNDSCHECK)


def examples(most: int) -> int:
    """`most` for the kernels as they are used; a third of that in each other mode, which draws its own and is slow."""
    return most // 3 if _OTHER_MODE else most
