"""The PNG: bars for each server, one panel per figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from bench.figures import Figures, median_of, select

_COLOURS = {"sfu": "#2563eb", "janus": "#f59e0b", "python loop": "#94a3b8", "limit": "#16a34a"}

Read = Callable[[Figures], float | None]


def _panels() -> list[tuple[str, str, Read]]:
    return [
        ("CPU per delivered packet", "us", lambda run: None if run.saturation_bound else run.cpu_us),
        ("Latency p99", "ms", lambda run: None if run.latency_p99_us is None else run.latency_p99_us / 1e3),
        (
            "Most packets delivered",
            "1000 / s",
            lambda run: None if run.saturation_pps is None else run.saturation_pps / 1e3,
        ),
    ]


def write_plot(path: Path, runs: Sequence[Figures]) -> None:
    """Draw every panel for which something was measured."""
    panels = [panel for panel in _panels() if any(panel[2](run) is not None for run in runs)]
    if not panels:
        return
    figure, axes = plt.subplots(1, len(panels), figsize=(5.2 * len(panels), 4.2), squeeze=False)
    for axis, (title, unit, read) in zip(axes[0], panels, strict=True):
        _draw(axis, title, unit, read, runs)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _draw(axis: Axes, title: str, unit: str, read: Read, runs: Sequence[Figures]) -> None:
    scenarios = [
        name
        for name in dict.fromkeys(run.scenario for run in runs)
        if any(read(run) is not None for run in runs if run.scenario == name)
    ]
    servers = list(dict.fromkeys(run.server for run in runs))
    width = 0.8 / max(len(servers), 1)
    for turn, server in enumerate(servers):
        values = [median_of(select(runs, server, scenario), read) for scenario in scenarios]
        at = [index + (turn - (len(servers) - 1) / 2) * width for index in range(len(scenarios))]
        bars = axis.bar(at, [value or 0 for value in values], width * 0.92, label=server, color=_COLOURS.get(server))
        labels = ["" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in values]
        axis.bar_label(bars, labels=labels, fontsize=8, padding=2)
    axis.set_xticks(range(len(scenarios)), scenarios)
    axis.set_title(title, loc="left", fontsize=11)
    axis.set_ylabel(unit)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis="y", alpha=0.25)
    axis.set_axisbelow(True)
