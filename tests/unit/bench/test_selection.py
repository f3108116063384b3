from __future__ import annotations

from rich.console import Console

from bench.kernels.selection import measure


def test_each_way_forwards_every_packet() -> None:
    """`measure` itself asserts the count; the figures of so few rounds mean nothing."""
    costs = measure(10, Console(quiet=True))
    assert set(costs) == {"opaque", "selected", "selected and kept", "kept and controlled"}
    assert all(cost > 0 for cost in costs.values())
