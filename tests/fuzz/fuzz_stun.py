"""Coverage-guided fuzzing of STUN: `make fuzz`, or this file with libFuzzer's arguments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["sfu.transport.stun", "sfu.wire.kernels.binding", "sfu.wire.kernels.crc32"]):
    from tests.fuzz.stun import run
from tests.fuzz.guided import fuzz

if __name__ == "__main__":
    fuzz(run, "stun")
