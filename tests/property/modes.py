"""How many examples a property is tried with."""

from __future__ import annotations

import os

_ALL = os.environ.get("EXAMPLES") == "all"


def examples(most: int) -> int:
    """A sixth of `most`: each run draws its own, and so does each mode that `test_modes.py` runs. `make fuzz` asks for
    all, by `EXAMPLES=all`.
    """
    return most if _ALL else most // 6
