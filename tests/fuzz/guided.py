"""The coverage-guided fuzzer: `make fuzz` runs a target under it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris


def fuzz(one_input: Callable[[bytes], None], target: str) -> None:
    """Fuzz `one_input`, from the kept corpus of `target` on, with libFuzzer's arguments from the command line."""
    with tempfile.TemporaryDirectory() as found:  # the fuzzer writes what is new to it into the first folder
        kept = Path(__file__).with_name("corpus") / target
        atheris.Setup([*sys.argv, found, str(kept)], one_input)
        atheris.Fuzz()
