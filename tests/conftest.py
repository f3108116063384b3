"""What all tests have in common: how hypothesis runs; and tests that run others in another mode of the kernels."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says what else the machine does, too.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

Run = subprocess.CompletedProcess
_LIMIT_S = 500
"""In another mode the kernels are compiled anew."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give them the time that they take, and leave them to `make test-all`: first, since `-m` selects by that mark."""
    for item in items:
        if item.get_closest_marker("beside") is not None:
            item.add_marker(pytest.mark.timeout(_LIMIT_S + 20))
            item.add_marker(pytest.mark.breadth)


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> Run[str]:
    """How the run that the marker `beside(switch, *modules)` asks for ended."""
    marker = request.node.get_closest_marker("beside")
    switch, *modules = marker.args
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-n",
            "0",
            f"--timeout={_LIMIT_S}",
            *map(str, modules),
        ],
        env=inherited | {switch: "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
