"""What is tested of single kernels holds in plain Python, too."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest

HERE = Path(__file__).parent
MODULES = sorted(path for path in HERE.glob("test_*.py") if "from . import kernels\n" in path.read_text())


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="already in plain Python")
@pytest.mark.beside("NUMBA_DISABLE_JIT", *MODULES)
def test_the_kernels_do_the_same_in_plain_python(beside: CompletedProcess[str]) -> None:
    assert len(MODULES) > 3
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert " passed" in beside.stdout
