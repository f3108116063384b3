"""What must be reached and what is aimed at, checked against a bench's runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.figures import Figures, median_of, ratio_of, select
from bench.scenario import RECORDING

SFU, JANUS, LIMIT = "sfu", "janus", "limit"
HEARINGS = "hearings:15"


@dataclass(frozen=True)
class Outcome:
    """One target and what was measured; `value` None when this bench did not measure it.

    `required` None: it is only told.
    """

    name: str
    value: float | None
    required: float | None
    aim: float | None
    at_most: bool
    complete: bool = True
    """Whether we delivered all in the runs that it rests on: who delivers less may well be the quicker for it."""
    short: str = ""
    """Whom we are compared with, if that one did not deliver all: its cost is that of what it delivered."""

    @property
    def reached(self) -> bool | None:
        """Whether the requirement holds, in runs in which all was delivered."""
        return None if self.value is None or self.required is None else self.complete and self._holds(self.required)

    @property
    def aim_reached(self) -> bool | None:
        """Whether the aim holds too."""
        return None if self.value is None or self.aim is None else self.complete and self._holds(self.aim)

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.complete:
            return "not all delivered"
        if self.required is None:
            return ""
        word = "aim reached" if self.aim_reached else "reached" if self.reached else "missed"
        return f"{word}; {self.short} did not deliver all" if self.short else word

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
    for scenario in ("fan-out:100", "fan-out:300"):
        for other, required, aim in ((JANUS, 0.33, 0.25), (LIMIT, 1.6, 1.3)):
            outcomes.append(_ratio(runs, "CPU", scenario, other, _cpu, required, aim))
    outcomes += [
        _ratio(runs, "CPU", HEARINGS, JANUS, _cpu, 0.33, 0.25),
        _ratio(runs, "p99", "fan-out:100", JANUS, _p99, 1 / 3, None),
        _ratio(runs, "p99", "conference:12", JANUS, _p99, 1.0, None),
        _ratio(runs, "p99", HEARINGS, JANUS, _p99, 1.0, None),
        _recording(runs),
        _at_least("recorded of 100 tracks at 1 Mbit/s", _recorded(runs), 1.0, None),
        _at_least("packets/s at 99.9 % on one core", _best(runs, lambda run: run.saturation_pps), 250_000, 400_000),
        _at_most("kB a subscriber", _largest(runs, lambda run: run.memory_bytes, 1e3), 150, None),
        _at_least("joins/s one core can do", _slowest_joins(runs), 100, None),
    ]
    return [outcome for outcome in outcomes if outcome.value is not None]


def check_forwarding(costs: Mapping[str, float]) -> list[Outcome]:
    """The targets of `bench.kernels.selection`, from what it measured."""
    plain = costs["opaque"]
    name = "CPU of forwarding, with layer selection and packet history / without"
    return [
        _at_most(name, costs["selected and kept"] / plain, 1.15, None),
        Outcome(
            "the same, with congestion control and pacing besides",
            costs["kept and controlled"] / plain,
            None,
            None,
            True,
        ),
    ]


def _ratio(
    runs: Sequence[Figures],
    what: str,
    scenario: str,
    other: str,
    read: Callable[[Figures], float | None],
    required: float,
    aim: float | None,
) -> Outcome:
    """Of our figure to another's."""
    value = ratio_of(runs, scenario, SFU, other, read)
    short = "" if _complete(runs, scenario, other) else other
    name = f"{what}, {scenario}, sfu / {other}"
    return Outcome(name, value, required, aim, True, _complete(runs, scenario, SFU), short)


def _recording(runs: Sequence[Figures]) -> Outcome:
    value = ratio_of(runs, "conference:12", RECORDING, SFU, _cpu)
    complete = _complete(runs, "conference:12", RECORDING, SFU)
    return Outcome("CPU, conference:12, recording / not", value, 1.2, None, True, complete)


def _complete(runs: Sequence[Figures], scenario: str, *servers: str) -> bool:
    return all(run.complete for server in servers for run in select(runs, server, scenario))


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
