"""Coverage-guided fuzzing of the estimator with feedback: `make fuzz`, or this file with libFuzzer's arguments."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["sfu.bwe", "sfu.wire", "sfu.routing"]):
    from tests.fuzz.feedback import run


def one_input(data: bytes) -> None:
    """Run one input; an assertion or an IndexError is a finding."""
    run(data)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as found:  # the fuzzer writes what is new to it into the first folder
        kept = Path(__file__).with_name("corpus") / "feedback"
        atheris.Setup([*sys.argv, found, str(kept)], one_input)
        atheris.Fuzz()
