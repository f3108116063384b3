"""Links lose as much as they are told to, and in bursts as long."""

from __future__ import annotations

import itertools
import random

import pytest

from bench.netem.config import GilbertElliott, LinkConfig
from bench.netem.link import Link


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LinkConfig(loss=0.1), 0.1),
        (LinkConfig(burst=GilbertElliott(p=0.02, r=0.2)), 0.02 / 0.22),
        (LinkConfig(burst=GilbertElliott(p=0.1, r=0.3, loss_bad=0.6, loss_good=0.04)), 0.25 * 0.6 + 0.75 * 0.04),
        (LinkConfig(burst=GilbertElliott(p=0.0, r=0.5, loss_good=0.1)), 0.1),
        (LinkConfig(loss=0.1, burst=GilbertElliott(p=0.1, r=0.4)), 1 - 0.9 * 0.8),
    ],
)
def test_mean_loss(config: LinkConfig, expected: float) -> None:
    link: Link[int] = Link(config, random.Random(5))
    for _ in range(150_000):
        link.send(1, 0.0)
    assert link.counts.lost / 150_000 == pytest.approx(expected, rel=0.05)
    if config.burst is not None and config.loss == 0.0:
        assert config.burst.mean_loss == pytest.approx(expected)


def test_bursts_last_as_long_as_said() -> None:
    link: Link[int] = Link(LinkConfig(burst=GilbertElliott(p=0.02, r=0.2)), random.Random(5))
    for order in range(40_000):
        link.send(order, 0.0)
    arrived = [one.packet for one in link.poll(0.0)]
    gaps = [later - earlier - 1 for earlier, later in itertools.pairwise(arrived) if later > earlier + 1]
    assert sum(gaps) / len(gaps) == pytest.approx(5.0, rel=0.1)
