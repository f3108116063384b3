"""Coverage-guided fuzzing of RTP headers and RTCP: `make fuzz`, or this file with libFuzzer's arguments.

The kernels run as plain Python here, so that the fuzzer sees their branches and NumPy checks their indexes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import atheris

os.environ["NUMBA_DISABLE_JIT"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["sfu.wire"]):
    from tests.fuzz.rtp_rtcp import run
from tests.fuzz.guided import fuzz

if __name__ == "__main__":
    fuzz(run, "rtp_rtcp")
