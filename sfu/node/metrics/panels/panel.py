"""One graph of the dashboard, and what its queries are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph."""

    title: str
    unit: str
    """As Grafana calls it: `short`, `bps`, `bytes`, `s`, `percentunit`, `pps`, `reqps`."""
    queries: Mapping[str, str]
    """PromQL by legend, in which `{{label}}` stands for a label's value."""
    text: str
    """What there is to see."""


@dataclass(frozen=True, slots=True)
class Row:
    """Graphs that belong together."""

    title: str
    panels: tuple[Panel, ...]


def rates(**names: str) -> dict[str, str]:
    """Rates of counters by what they are called in the legend, where `_` is a blank."""
    return {legend.replace("_", " "): f"sum by (instance) ({rate(name)})" for legend, name in names.items()}


def rate(name: str) -> str:
    """The rate of a counter."""
    return f"rate({name}[$__rate_interval])"


def ratio(of: str, to: str) -> str:
    """The rate of one counter by that of another."""
    return f"{rate(of)} / {rate(to)}"


def by(label: str, name: str) -> dict[str, str]:
    """The rate of a counter, by a label."""
    return {f"{{{{{label}}}}}": f"sum by ({label}) ({rate(name)})"}


def spread(histogram: str, label: str = "") -> dict[str, str]:
    """The median and the worst twentieth of streams as they are now."""
    labels, kind = (f"le, {label}", f"{{{{{label}}}}} ") if label else ("le", "")
    return {
        f"{kind}{word}": f"histogram_quantile({share}, sum by ({labels}) ({histogram}_bucket))"
        for word, share in (("median", 0.5), ("worst 5 %", 0.95))
    }
