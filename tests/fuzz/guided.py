"""The coverage-guided fuzzer: `make fuzz` runs a target under it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

FOUND = Path(__file__).resolve().parents[2] / ".fuzz"


def fuzz(one_input: Callable[[bytes], None], target: str) -> None:
    """Fuzz `one_input`, from the kept corpus of `target` on, with libFuzzer's arguments from the command line.

    What is new to the fuzzer stays in `.fuzz`: it goes on from there the next time, and so do the batches.
    """
    found = FOUND / target  # the fuzzer writes into the first folder
    found.mkdir(parents=True, exist_ok=True)
    kept = Path(__file__).with_name("corpus") / target
    atheris.Setup([*sys.argv, str(found), str(kept)], one_input)
    atheris.Fuzz()
