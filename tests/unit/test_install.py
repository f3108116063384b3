"""`.ci/install` without uv: pip shows how far it is on a terminal, and keeps quiet elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

INSTALL = Path(__file__).parents[2] / ".ci" / "install"
# In the place of a virtual environment's Python; says that pip has an index of its own, so that uv is left alone.
PYTHON = """#!/bin/sh
case "$*" in
    *"config list") echo "global.index-url='https://packages.example'" ;;
    *) echo "$*" >>"$(dirname "$0")/calls" ;;
esac
"""


def make_environment(folder: Path) -> Path:
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    return folder


def read_call(venv: Path) -> list[str]:
    [call] = (venv / "bin" / "calls").read_text().splitlines()
    return call.split()


def test_on_a_terminal_pip_draws_its_bars(tmp_path: Path) -> None:
    venv = make_environment(tmp_path)
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run([INSTALL, venv, ".[node]"], stdout=theirs, stderr=subprocess.PIPE, text=True, check=True)
    finally:
        os.close(theirs)
        os.close(ours)
    call = read_call(venv)
    assert call[-3:] == ["--no-compile", "--editable", ".[node]"]
    assert call[call.index("--progress-bar") + 1] == "on"
    assert "--quiet" not in call
    assert "a bar for each download" in done.stderr


def test_elsewhere_it_is_quiet_and_says_so(tmp_path: Path) -> None:
    venv = make_environment(tmp_path)
    done = subprocess.run([INSTALL, venv, ".[node]"], capture_output=True, text=True, check=True)
    assert "--quiet" in read_call(venv)
    assert done.stdout == ""
    assert "says nothing meanwhile" in done.stderr
