"""What is tested of single kernels, and by plans, holds in plain Python, too."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest

HERE = Path(__file__).parent
ENTRANCES = ("from . import kernels\n", "from tests.unit.bwe.plan import", "from .pacer_plan import")
"""By these lines a module enters kernels that have no entrance from Python."""
MODULES = sorted(
    path
    for folder in ("bwe", "routing")
    for path in (HERE / folder).glob("test_*.py")
    if any(line in path.read_text() for line in ENTRANCES)
)


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="already in plain Python")
@pytest.mark.beside("NUMBA_DISABLE_JIT", *MODULES)
def test_the_kernels_do_the_same_in_plain_python(beside: CompletedProcess[str]) -> None:
    assert len(MODULES) > 15
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert " passed" in beside.stdout
