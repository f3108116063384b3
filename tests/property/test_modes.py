"""The kernels' properties hold in plain Python and with bounds checks, too: jitted and unjitted agree."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SWITCHES = ("NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK")
MODULES = [
    Path(__file__).with_name(f"test_{name}.py")
    for name in (
        "kernels",
        "descriptors",
        "dependency",
        "transport_feedback",
        "sources",
        "addresses",
        "ring_records",
        "source_id",
        "reports",
        "checks",
        "consent",
    )
]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "switch",
    [pytest.param(name, marks=pytest.mark.beside(name, *MODULES)) for name in SWITCHES],
)
def test_kernels_agree_with_their_oracles_under(switch: str, beside: subprocess.CompletedProcess[str]) -> None:
    assert beside.returncode == 0, f"{switch}: {beside.stdout[-4000:]}"
    assert " passed" in beside.stdout
