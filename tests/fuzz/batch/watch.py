"""Processes that try batches, seen from outside: how far they are, and what they were at when they crashed or hung."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .batches import Finding, Memory
from .target import BATCHES, INPUTS, POSITION
from .worker import FOUND, target_of

_HANGS_S, _COMPILES_S = 30.0, 900.0
"""So much CPU time without a step is a finding; the first batch compiles."""
_ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Piece:
    """One target, from one seed on, in a process of its own."""

    name: str
    seed: int
    arguments: list[str]
    crashes: Path
    hangs_s: float = _HANGS_S
    result: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        """Start the process."""
        self.target = target_of(self.name)
        self._directory = tempfile.TemporaryDirectory()
        self.directory = Path(self._directory.name)
        self.memory = Memory.of(self.target, self.directory)
        environment = os.environ | {"PYTHONPATH": str(_ROOT), "NUMBA_BOUNDSCHECK": "1"}
        command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.batch.worker", self.name, str(self.directory)]
        self._output = (self.directory / "output").open("w+b")
        self.process = subprocess.Popen(
            [*command, "--seed", str(self.seed), *self.arguments],
            env=environment,
            cwd=_ROOT,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        self._step: tuple[int, ...] = ()
        self._step_cpu = self._begun_cpu = 0.0
        self._begun = time.monotonic()

    @property
    def inputs(self) -> int:
        """How many were tried."""
        return int(self.memory.progress[INPUTS] + self.memory.progress[POSITION])

    def poll(self) -> bool:
        """Whether it has ended, then with a `result`. One that goes nowhere is ended."""
        if self.process.poll() is None:
            if not self._hangs():
                return False
            self.process.kill()
            self.process.wait()
            self.result = self._last("goes nowhere")
        elif self.process.returncode < 0:
            self.result = self._last(f"ended the process by signal {-self.process.returncode}")
        else:
            self._output.seek(0)
            said = self._output.read().decode(errors="replace")
            if self.process.returncode not in (os.EX_OK, FOUND):
                raise RuntimeError(f"{self.name}: the process ended with {self.process.returncode}\n{said[-3000:]}")
            self.result = json.loads(said.strip().splitlines()[-1])
            if self.result["crash"]:
                crash = Path(self.result["crash"])
                self.result["crash"] = str(shutil.move(crash, self.crashes / crash.name))
        self._output.close()
        self._directory.cleanup()
        return True

    def _hangs(self) -> bool:
        step = tuple(self.memory.progress.tolist())
        cpu = cpu_seconds(self.process.pid)
        if step != self._step:
            self._step, self._step_cpu = step, cpu
        compiles = self.target.compiled and step[BATCHES] == 0 and step[POSITION] == 0
        return cpu - self._step_cpu > (_COMPILES_S if compiles else self.hangs_s)

    def _last(self, what: str) -> dict[str, Any]:
        """What it was at."""
        progress = np.array(self.memory.progress)
        data = self.target.join(self.memory.session(self.target))
        finding = Finding(self.target, data, what, self.seed, int(progress[BATCHES]), int(progress[POSITION]))
        seconds = time.monotonic() - self._begun
        return {
            "target": self.target.name,
            "seed": self.seed,
            "inputs": self.inputs,
            "timed_inputs": self.inputs,
            "seconds": seconds,
            "cpu_seconds": self._step_cpu,
            "finding": str(finding),
            "crash": str(finding.write(self.crashes)),
        }


def cpu_seconds(pid: int) -> float:
    """What a process has used of the CPU (proc(5), fields 14 and 15 of `stat`)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
