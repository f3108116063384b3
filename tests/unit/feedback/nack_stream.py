"""A schedule of requests on a clock of the tests' own."""

from __future__ import annotations

from collections.abc import Iterable

from sfu.feedback.nack import NackResult, NackSchedule
from sfu.feedback.round_trip import RoundTrip


class Stream:
    """A schedule, and the packets that have come after all."""

    def __init__(self, rtt: float = 0.04, **limits: float) -> None:
        self.round_trip = RoundTrip(rtt)
        self.nacks = NackSchedule(self.round_trip, **limits)
        self.came: set[int] = set()
        self.looked_up: list[int] = []

    def arrived(self, sequence: int) -> bool:
        self.looked_up.append(sequence)
        return sequence in self.came

    def at(self, now: float) -> NackResult:
        return self.nacks.handle_timeout(now, self.arrived)

    def due(self) -> tuple[float, NackResult]:
        """When it wants to be called next, and what it says then."""
        now = self.nacks.poll_timeout()
        assert now is not None
        return now, self.at(now)

    def until_rest(self, most: int = 10_000) -> list[tuple[float, NackResult]]:
        """All that is due, each at its time, until nothing is."""
        results = []
        while self.nacks.poll_timeout() is not None:
            results.append(self.due())
            assert len(results) <= most
        return results


def asked_in(results: Iterable[tuple[float, NackResult]]) -> list[float]:
    return [now for now, result in results if result.sequences]
