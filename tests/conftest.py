"""Tests that run other tests in another mode of the kernels do so beside the suite, on another core."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

Run = subprocess.CompletedProcess
_LIMIT_S = 400
_PLANNED = pytest.StashKey[dict[str, Future[Run[str]]]]()
_POOL = pytest.StashKey[ThreadPoolExecutor]()


def _run(switch: str, modules: tuple[Path, ...]) -> Run[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, modules)],
        env=os.environ | {switch: "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what the collected tests will wait for, one after the other."""
    session.stash[_PLANNED] = planned = {}
    session.stash[_POOL] = pool = ThreadPoolExecutor(1)
    if session.config.option.collectonly:
        return
    for item in session.items:
        marker = item.get_closest_marker("beside")
        if marker is not None and not os.environ.get(marker.args[0]):
            planned[item.nodeid] = pool.submit(_run, marker.args[0], marker.args[1:])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Start nothing more."""
    if _POOL in session.stash:
        session.stash[_POOL].shutdown(cancel_futures=True)


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> Run[str]:
    """How the run that the marker `beside(switch, *modules)` asks for ended."""
    return request.session.stash[_PLANNED][request.node.nodeid].result()
