"""The pictures: rate, estimate, queue delay and loss over time, one PNG for each scenario."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from bench.bwe.run import Result

_COLOURS = ("#2563eb", "#f59e0b", "#16a34a", "#db2777", "#7c3aed")


def write_plot(folder: Path, result: Result) -> Path:
    """Draw a scenario into `folder`; returns the file."""
    samples = result.samples
    times = [sample.at for sample in samples]
    figure, (rates, queue, loss) = plt.subplots(3, 1, figsize=(9, 8), sharex=True, height_ratios=(3, 1, 1))
    rates.step(times, [sample.capacity_bps / 1e6 for sample in samples], color="black", label="capacity", where="post")
    for flow in range(len(samples[0].rates_bps)):
        colour = _COLOURS[flow % len(_COLOURS)]
        rates.plot(times, [sample.rates_bps[flow] / 1e6 for sample in samples], color=colour, label=f"rate {flow + 1}")
        estimates = [sample.estimates_bps[flow] / 1e6 for sample in samples]
        rates.plot(times, estimates, color=colour, linestyle=":", label=f"estimate {flow + 1}")
    rates.set_ylabel("Mbit/s")
    rates.set_ylim(0.0, 1.3 * max(sample.capacity_bps for sample in samples) / 1e6)
    rates.set_title(
        f"{result.name}: {result.utilisation:.0%} used, queue p95 {result.queue_delay_p95_ms:.0f} ms, "
        f"loss {result.loss:.2%}"
    )
    rates.legend(loc="upper right", fontsize="small", ncols=3)
    queue.fill_between(times, [1e3 * sample.queue_s for sample in samples], color="#94a3b8")
    queue.set_ylabel("queue, ms")
    loss.plot(times, [100.0 * sample.loss for sample in samples], color="#dc2626")
    loss.set_ylabel("loss so far, %")
    loss.set_xlabel("s")
    for axis in (rates, queue, loss):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^a-z0-9]+", "-", result.name.lower()).strip("-") + ".png")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path
