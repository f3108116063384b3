"""All plans again in plain Python: what is compiled does the same as what is read."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest

HERE = Path(__file__).parent
PLANS = sorted(path for path in HERE.glob("test_*.py") if "unit.bwe.plan import" in path.read_text())


@pytest.mark.skipif(bool(os.environ.get("NUMBA_DISABLE_JIT")), reason="already in plain Python")
@pytest.mark.beside("NUMBA_DISABLE_JIT", *PLANS)
def test_every_plan_holds_in_plain_python(beside: CompletedProcess[str]) -> None:
    assert len(PLANS) > 5
    assert beside.returncode == 0, beside.stdout[-4000:]
    assert " passed" in beside.stdout
