"""The files of `examples/operating` are what those who read them take."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "operating"
PROMTOOL = shutil.which("promtool")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed: run '.ci/packages prometheus' as root")
def test_the_configuration_of_prometheus_loads_with_the_rules() -> None:
    assert PROMTOOL is not None
    command = [PROMTOOL, "check", "config", FOLDER / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS: 1 rule files found" in done.stdout
