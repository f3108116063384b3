"""The table: what is taken of the runs, and when a goal counts as reached."""

from __future__ import annotations

import io

from rich.console import Console

from bench.livekit.measure import Figures
from bench.livekit.report import build_table
from bench.livekit.room import Forwarding


def _run(server: str, cpu_us: float, *, delivered: int = 1000, join_s: float = 0.1, crowd: float = 1e5) -> Figures:
    forwarding = Forwarding(1000, delivered, cpu_us * delivered / 1e6, 0, 0.5, 1.0)
    return Figures(server, forwarding, 2e6, [join_s] * 20, crowd, 1.0)


def _print(found: list[Figures], names: list[str]) -> dict[str, list[str]]:
    console = Console(file=io.StringIO(), width=160, record=True)
    console.print(build_table(found, names))
    lines = [line.strip("│ ").split("│") for line in console.export_text().splitlines() if "│" in line]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_medians_and_their_ratio_are_shown() -> None:
    runs = [_run("sfu", each) for each in (6.0, 7.0, 90.0)] + [_run("other", each) for each in (1.0, 10.0, 11.0)]
    rows = _print(runs, ["sfu", "other"])
    assert rows["CPU us a forwarded packet"] == ["7.00", "10.00", "0.70", "0.7: reached"]
    assert rows["join to first media, ms, median"] == ["100", "100", "1.00", "1: reached"]


def test_what_is_above_its_goal_is_missed() -> None:
    rows = _print([_run("sfu", 8.0, join_s=0.2), _run("other", 10.0)], ["sfu", "other"])
    assert rows["CPU us a forwarded packet"][-1] == "0.7: missed"
    assert rows["join to first media, ms, p95"][-1] == "1: missed"


def test_nothing_is_reached_where_packets_are_missing() -> None:
    rows = _print([_run("sfu", 1.0, delivered=989), _run("other", 10.0)], ["sfu", "other"])
    assert rows["CPU us a forwarded packet"][-1] == "0.7: not told, packets are missing"
    rows = _print([_run("sfu", 1.0), _run("other", 10.0, delivered=989)], ["sfu", "other"])
    assert rows["CPU us a forwarded packet"][-1] == "0.7: reached, and the other's miss packets"


def test_nothing_is_compared_with_nothing() -> None:
    rows = _print([_run("sfu", 1.0), _run("other", 10.0, crowd=0.0)], ["sfu", "other"])
    assert rows["kB a participant, signalling"][2] == ""
    assert "ratio" not in _print([_run("sfu", 1.0)], ["sfu"])
