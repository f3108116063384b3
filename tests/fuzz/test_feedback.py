"""A short fuzz of the estimator in every test run, not compiled; `make fuzz` runs the long, coverage-guided one."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SEED = 4
INPUTS = 1000


def made(chance: random.Random) -> bytes:
    """A session of a sender and a receiver: most feedback is plausible, some is not."""
    octets = bytearray()
    for _ in range(chance.randint(5, 60)):
        kind = chance.choice((0, 0, 0, 1, 2, 3, 3, 3, 4, 5))
        body = b""
        detail = chance.randrange(256)
        if kind == 1:
            detail = chance.choice((10, 13, 14, 15, 16, 20, 24, 30, 35))
        if kind == 3:
            count = chance.randrange(1, 60)
            status = chance.choice((0x2000, 0x4000, 0x0000, 0xD555, chance.randrange(1 << 16)))
            deltas = bytes(chance.choice((0, 4, 40, 255)) for _ in range(chance.randrange(2 * count)))
            body = (
                bytes((count, chance.choice((128, 128, 128, 129, 0, 255))))
                + (status | count).to_bytes(2, "big")
                + deltas
            )
        elif kind >= 4:
            body = chance.randbytes(chance.randrange(40))
        body = body[:255]
        octets += bytes((kind, len(body) if kind >= 3 else detail)) + body
    return bytes(octets)


def test_any_feedback_leaves_the_estimate_within_its_bounds() -> None:
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(HERE.parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.test_feedback"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=HERE.parents[1],
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{INPUTS + len(list((HERE / 'corpus' / 'feedback').iterdir()))} inputs" in done.stdout


def main() -> None:
    """Run the corpus, and inputs of a seed."""
    from tests.fuzz.feedback import run  # not before the process is known not to compile

    inputs = [path.read_bytes() for path in sorted((HERE / "corpus" / "feedback").iterdir())]
    chance = random.Random(SEED)
    inputs += [made(chance) for _ in range(INPUTS)]
    for data in inputs:
        try:
            run(data)
        except Exception as error:
            raise AssertionError(f"a finding: {data.hex()}") from error
    sys.stdout.write(f"{len(inputs)} inputs\n")


if __name__ == "__main__":
    if not os.environ.get("NUMBA_DISABLE_JIT"):
        pytest.exit("runs without compiling: NUMBA_DISABLE_JIT=1")
    main()
