"""Whether all was delivered: what each subscriber should have got, and what it got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.scenario import Scenario

#: Delivered / expected below which a run counts as one in which packets are missing.
DELIVERED = 0.999
#: Of one subscriber's packets; below it something is missing that is seen or heard.
_SHORT = 0.99


@dataclass(frozen=True)
class Delivery:
    """Packets of media for each subscriber, in the scenario's order."""

    expected: NDArray[Any]
    delivered: NDArray[Any]

    @property
    def expected_packets(self) -> int:
        """Over all subscribers."""
        return int(self.expected.sum())

    @property
    def delivered_packets(self) -> int:
        """Over all subscribers."""
        return int(self.delivered.sum())

    @property
    def short(self) -> int:
        """Subscribers that got less than 99 % of what is theirs."""
        return int((self.delivered < _SHORT * self.expected).sum())

    @property
    def complete(self) -> bool:
        """Whether 99.9 % were delivered, of some that were sent."""
        return self.expected_packets > 0 and self.delivered_packets >= DELIVERED * self.expected_packets

    @property
    def all_there(self) -> bool:
        """Whether each subscriber has got every packet."""
        return bool((self.delivered >= self.expected).all())

    def since(self, earlier: Delivery) -> Delivery:
        """What was added."""
        return Delivery(self.expected - earlier.expected, self.delivered - earlier.delivered)


def expect(scenario: Scenario, sent: Mapping[str, int]) -> NDArray[Any]:
    """Packets that each subscriber should have got, when each publisher has sent so many."""
    watched: Sequence[int] = [sum(sent[name] for name in one.watches) for one in scenario.subscribers]
    return np.array(watched, np.int64)
