"""Coverage-guided fuzzing of the packet path: `make fuzz`, or this file with libFuzzer's arguments."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.fuzz.packet_path import PacketPath


def one_input(data: bytes) -> None:
    """Run one input; an assertion or an IndexError is a finding."""
    path = PacketPath()
    try:
        path.run(data)
    finally:
        path.close()


if __name__ == "__main__":
    atheris.Setup([*sys.argv, str(Path(__file__).with_name("corpus") / "packet_path")], one_input)
    atheris.Fuzz()
