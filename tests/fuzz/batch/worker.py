"""One process that tries batches of one target: `python -m tests.fuzz.batch.worker TARGET DIRECTORY`."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .batches import Batches, Finding, Memory, Target
from .loop import CHECKED
from .target import CORPUS, INPUTS, KEPT, OPERATIONS
from .targets import TARGETS, corpus

FOUND = 3
"""How the process ends that has found something."""


def target_of(name: str) -> Target:
    """One of `TARGETS`, or `module:attribute`."""
    module, _, attribute = name.partition(":")
    found: Target = getattr(importlib.import_module(module), attribute) if attribute else TARGETS[name]
    return found


def run(batches: Batches, *, seconds: float, inputs: int, clock: Callable[[], float]) -> Finding | None:
    """Batches until so much time is gone, after the first one, or so many inputs were tried."""
    until = None
    while int(batches.memory.progress[INPUTS]) < inputs and (until is None or clock() < until):
        finding = batches.run()
        if finding is not None:
            return finding
        until = until or clock() + seconds
    return None


def main() -> int:
    """Run, and say in a line of JSON what was done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("directory", type=Path, help="for what another process shall see, and for findings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--inputs", type=int, default=1 << 62)
    arguments = parser.parse_args()
    target = target_of(arguments.target)
    if target.compiled and not CHECKED:
        parser.error("compiled kernels do not look at their indexes: set NUMBA_BOUNDSCHECK=1")
    memory = Memory.of(target, arguments.directory)
    batches = Batches(target, arguments.seed, corpus(target), memory)
    first = batches.run()  # compiles
    begun, spent, before = time.monotonic(), time.process_time(), int(memory.progress[INPUTS])
    finding = first or run(batches, seconds=arguments.seconds, inputs=arguments.inputs, clock=time.monotonic)
    said = {
        "target": target.name,
        "seed": arguments.seed,
        "inputs": int(memory.progress[INPUTS]),
        "timed_inputs": int(memory.progress[INPUTS]) - before,
        "operations": int(memory.progress[OPERATIONS]),
        "seconds": round(time.monotonic() - begun, 2),
        "cpu_seconds": round(time.process_time() - spent, 2),
        "kept": int(memory.progress[KEPT]),
        "corpus": int(memory.progress[CORPUS]),
        "finding": str(finding) if finding else "",
        "crash": str(finding.write(arguments.directory)) if finding else "",
    }
    sys.stdout.write(json.dumps(said) + "\n")
    return FOUND if finding else os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
