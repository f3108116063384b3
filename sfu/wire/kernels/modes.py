"""How kernels run in this process: compiled or as plain Python, with checks or without, linked by us or by Numba."""

from __future__ import annotations

import os
from importlib import metadata
from typing import Any

KNOWN_NUMBA = ("0.68",)
"""The versions of Numba that `linking.py` was tried with."""
NUMBA = metadata.version("numba")
PLAIN = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
"""Whether kernels are plain Python, for a debugger and for tests."""
CHECKED = os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")
"""Whether each index is checked; an IndexError is raised then, and has to be allocated."""
LINKED = ".".join(NUMBA.split(".")[:2]) in KNOWN_NUMBA and not PLAIN
"""Whether we link stages; with another Numba, each function is compiled in Numba's own way, which takes far longer."""
OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": CHECKED}
"""What Numba is told of every kernel."""
