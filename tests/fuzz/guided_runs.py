"""The coverage-guided fuzzers as processes: started, followed by what libFuzzer writes, and summed up."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.fuzz.batch.watch import cpu_seconds

_HERE = Path(__file__).resolve().parent
GUIDED = sorted(path.stem.removeprefix("fuzz_") for path in _HERE.glob("fuzz_*.py"))
_EXECUTED = re.compile(rb"^#(\d+)\t", re.MULTILINE)
_UNITS = re.compile(rb"stat::number_of_executed_units:\s*(\d+)")
_CRASH = re.compile(rb"Test unit written to (\S+)")
_TAIL_BYTES = 20_000


class GuidedRun:
    """One guided target for a while."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = f"{name} (guided)", seconds
        self.file = _HERE / f"fuzz_{name}.py"
        self.result: dict[str, Any] = {}
        self._log = _HERE.parents[1] / ".fuzz" / "logs" / f"{name}.log"

    def start(self) -> None:
        """Start the process; its text goes to a log."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        limits = [f"-max_total_time={max(1, round(self.seconds))}", "-print_final_stats=1"]
        with self._log.open("wb") as log:
            self._begun, self._cpu = time.monotonic(), 0.0
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", str(self.file), *limits], stdout=log, stderr=subprocess.STDOUT
            )

    def _tail(self) -> bytes:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            return log.read()

    @property
    def inputs(self) -> int:
        """How many were tried, as far as libFuzzer has told."""
        counts = _UNITS.findall(self._tail()) or _EXECUTED.findall(self._tail())
        return int(counts[-1]) if counts else 0

    def poll(self) -> bool:
        """Whether it has ended, then with a `result`."""
        self._cpu = max(self._cpu, cpu_seconds(self.process.pid))  # a process that has ended has none
        if self.process.poll() is None:
            return False
        crash = _CRASH.search(self._tail())
        broken = self.process.returncode != 0
        self.result = {
            "target": self.name,
            "inputs": self.inputs,
            "timed_inputs": self.inputs,
            "seconds": round(time.monotonic() - self._begun, 2),
            "cpu_seconds": round(self._cpu, 2),
            "finding": f"{self.name}: see {self._log}" if broken else "",
            "crash": crash[1].decode() if crash else "",
        }
        return True
