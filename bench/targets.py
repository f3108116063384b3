"""What must be reached and what is aimed at, checked against a bench's runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.figures import Figures, median_of, ratio_of, select
from bench.scenario import RECORDING

SFU, JANUS, LIMIT = "sfu", "janus", "limit"


@dataclass(frozen=True)
class Outcome:
    """One target and what was measured; `value` None when this bench did not measure it."""

    name: str
    value: float | None
    required: float
    aim: float | None
    at_most: bool

    @property
    def reached(self) -> bool | None:
        """Whether the requirement holds."""
        return None if self.value is None else self._holds(self.required)

    @property
    def aim_reached(self) -> bool | None:
        """Whether the aim holds too."""
        return None if self.value is None or self.aim is None else self._holds(self.aim)

    def _holds(self, bound: float) -> bool:
        assert self.value is not None
        return self.value <= bound if self.at_most else self.value >= bound


def _cpu(run: Figures) -> float | None:
    return run.cpu_us


def _p99(run: Figures) -> float | None:
    return run.latency_p99_us


def check_targets(runs: Sequence[Figures]) -> list[Outcome]:
    """Every target that these runs can speak to."""
    outcomes = []
    for size in (100, 300):
        scenario = f"fan-out:{size}"
        for other, required, aim in ((JANUS, 0.33, 0.25), (LIMIT, 1.6, 1.3)):
            ratio = ratio_of(runs, scenario, SFU, other, _cpu)
            outcomes.append(_at_most(f"CPU, {scenario}, sfu / {other}", ratio, required, aim))
    outcomes += [
        _at_most("p99, fan-out:100, sfu / janus", ratio_of(runs, "fan-out:100", SFU, JANUS, _p99), 1 / 3, None),
        _at_most("p99, conference:12, sfu / janus", ratio_of(runs, "conference:12", SFU, JANUS, _p99), 1.0, None),
        _at_most(
            "CPU, conference:12, recording / not", ratio_of(runs, "conference:12", RECORDING, SFU, _cpu), 1.2, None
        ),
        _at_least("recorded of 100 tracks at 1 Mbit/s", _recorded(runs), 1.0, None),
        _at_least("packets/s at 99.9 % on one core", _best(runs, lambda run: run.saturation_pps), 250_000, 400_000),
        _at_most("kB a subscriber", _largest(runs, lambda run: run.memory_bytes, 1e3), 150, None),
        _at_least("joins/s one core can do", _slowest_joins(runs), 100, None),
    ]
    return [outcome for outcome in outcomes if outcome.value is not None]


def _at_most(name: str, value: float | None, required: float, aim: float | None) -> Outcome:
    return Outcome(name, value, required, aim, at_most=True)


def _at_least(name: str, value: float | None, required: float, aim: float | None) -> Outcome:
    return Outcome(name, value, required, aim, at_most=False)


def _scenarios(runs: Sequence[Figures], prefix: str) -> list[str]:
    return sorted({run.scenario for run in runs if run.server == SFU and run.scenario.startswith(prefix)})


def _best(runs: Sequence[Figures], read: Callable[[Figures], float | None]) -> float | None:
    values = [median_of(select(runs, SFU, name), read) for name in _scenarios(runs, "saturation")]
    return max((value for value in values if value is not None), default=None)


def _largest(runs: Sequence[Figures], read: Callable[[Figures], float | None], unit: float) -> float | None:
    values = [median_of(select(runs, SFU, name), read) for name in _scenarios(runs, "fan-out")]
    return max((value / unit for value in values if value is not None), default=None)


def _recorded(runs: Sequence[Figures]) -> float | None:
    return min((run.delivered for run in select(runs, RECORDING, "recording:100")), default=None)


def _slowest_joins(runs: Sequence[Figures]) -> float | None:
    cost_ms = _largest(runs, lambda run: run.join_cpu_ms, 1.0)
    return 1000 / cost_ms if cost_ms else None
