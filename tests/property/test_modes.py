"""The kernels' properties hold in plain Python and with bounds checks, too: jitted and unjitted agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = [str(Path(__file__).with_name(f"test_{name}.py")) for name in ("kernels", "descriptors", "dependency")]


@pytest.mark.parametrize("switch", ["NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"])
def test_kernels_agree_with_their_oracles_under(switch):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *MODULES],
        env=os.environ | {switch: "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert run.returncode == 0, run.stdout[-4000:]
