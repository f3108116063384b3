"""Coverage-guided fuzzing of the LiveKit protocol's readers: `make fuzz`, or this file with libFuzzer's arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

with atheris.instrument_imports(include=["sfu.signaling.livekit"]):
    from tests.fuzz.livekit_messages import run
from tests.fuzz.guided import fuzz

if __name__ == "__main__":
    fuzz(run, "livekit")
