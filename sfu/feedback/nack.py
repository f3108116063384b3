"""Which missing packets to ask a publisher for, and when (Generic NACK, RFC 4585 section 6.2.1), sans-IO.

Sequence numbers are extended (RFC 3711 section 3.3.1) on the way in; those to ask for are the 16 bits of the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sfu.feedback.round_trip import RoundTrip

REORDERING = 0.010
"""Seconds in which a missing packet may still come by itself before it is asked for."""
BURST = 8
"""Packets in a gap from which on it is loss, not reordering, and is asked for at once."""
SPACING = 0.005
"""Least seconds between two NACKs, so that one of them carries all requests that fell due meanwhile."""

_LEAST_RETRY = 0.020
_MOST_RETRY = 0.4
_MARGIN = 1.25  # of the round trip, for its jitter
_EVEN = 5  # requests at even intervals: with a tenth lost each way one in 4,000 packets needs more
_BACK_OFF = 1.25
_WHOLE_TOKEN = 1.0 - 1e-6


class NackResult(NamedTuple):
    """What to do about missing packets now."""

    sequences: tuple[int, ...] = ()
    """16-bit sequence numbers to ask for, oldest first."""
    give_up: bool = False
    """Whether a packet was given up, so that who needs it needs a key frame."""


_NOTHING = NackResult()


class _Missing:
    """One missing packet."""

    __slots__ = ("asked", "due", "first_asked", "last_asked", "since")

    def __init__(self, since: float, due: float) -> None:
        self.since = since
        self.due = due
        self.asked = 0
        self.first_asked = 0.0
        self.last_asked = 0.0


class NackSchedule:
    """The schedule of requests for one incoming RTP stream. Without loss it is empty and needs no timeout.

    A packet is asked for after a short allowance for reordering, then again each 1.25 round trips (at least 20 ms),
    from the fifth time on by a quarter slower each time, until it comes, was asked for `tries` times or is older than
    `max_age`; then it is given up. If more than `limit` packets are missing at once, all are given up, since a key
    frame costs less by then.
    """

    def __init__(
        self,
        round_trip: RoundTrip,
        *,
        tries: int = 10,
        max_age: float = 1.0,
        limit: int = 400,
        rate: float = 1000.0,
    ) -> None:
        """`max_age` is in seconds; `rate` is in requested packets a second, with bursts of `limit`."""
        self._round_trip = round_trip
        self._tries = tries
        self._max_age = max_age
        self._limit = limit
        self._rate = rate
        self._missing: dict[int, _Missing] = {}
        self._next: float | None = None
        self._abandoned: int | None = None  # the last packet given up that nobody was told of yet
        self._tokens = float(limit)
        self._refilled: float | None = None
        self._last_request: float | None = None
        self.asked = 0
        """Packets asked for, repetitions included."""
        self.repaired = 0
        """Packets that came after they were asked for."""
        self.reordered = 0
        """Packets that came by themselves, only late."""
        self.given_up = 0
        """Packets that were not repaired."""

    @property
    def outstanding(self) -> int:
        """The number of packets that are missing and not given up; never more than twice the limit."""
        return len(self._missing)

    @property
    def round_trip_time(self) -> float | None:
        """Seconds from a request to the packet; None until one was measured."""
        return self._round_trip.seconds if self._round_trip.measured else None

    def handle_gap(self, first: int, count: int, now: float) -> None:
        """Note that the packets `first` to `first + count - 1` have not come, as the plane saw."""
        if count <= 0:
            return
        if count > self._limit or len(self._missing) > self._limit:
            self.given_up += count
            self._abandon_all(first + count - 1)
            self._next = now
            return
        due = now if count >= BURST else now + REORDERING
        for sequence in range(first, first + count):
            if sequence not in self._missing:
                self._missing[sequence] = _Missing(now, due)
        if len(self._missing) > self._limit:
            due = now  # some may have come meanwhile; handle_timeout can see
        self._wake(due)

    def handle_repaired(self, sequence: int, now: float) -> None:
        """Note a packet that a retransmission has brought."""
        missing = self._missing.get(sequence)
        if missing is None:
            return
        if missing.asked == 1:
            self._round_trip.handle_sample(now - missing.last_asked)
        elif missing.asked > 1:
            self._round_trip.handle_ambiguous(now - missing.first_asked)
        self._forget(sequence, missing)
        self._rest()

    def reset(self) -> None:
        """Forget all but the statistics, since the stream begins anew with another SSRC or numbering."""
        self._missing.clear()
        self._abandoned = None
        self._rest()

    def poll_timeout(self) -> float | None:
        """Return when to call `handle_timeout` (absolute seconds), perhaps too early; None while nothing is missing."""
        return self._next

    def handle_timeout(self, now: float, arrived: Callable[[int], bool]) -> NackResult:
        """Return what to ask for now.

        `arrived` tells whether the packet with an extended sequence number has come after all; it is asked only about
        packets that are due.
        """
        if self._next is None or now < self._next:
            return _NOTHING
        if len(self._missing) > self._limit:
            self._forget_arrived(arrived)
            if len(self._missing) > self._limit:
                self._abandon_all(max(self._missing))
        sequences = self._ask_due(now, arrived)
        give_up = self._abandoned is not None
        self._abandoned = None
        return NackResult(sequences, give_up)

    def _ask_due(self, now: float, arrived: Callable[[int], bool]) -> tuple[int, ...]:
        self._refill(now)
        wanted: list[tuple[int, _Missing]] = []
        came: list[tuple[int, _Missing]] = []
        hopeless: list[int] = []
        for sequence, missing in self._missing.items():
            if missing.due > now:
                continue
            if arrived(sequence):
                came.append((sequence, missing))
            elif missing.asked >= self._tries or now >= missing.since + self._max_age:
                hopeless.append(sequence)
            else:
                wanted.append((sequence, missing))
        sequences, deferred = self._spend_tokens(wanted, now)
        for sequence, missing in came:
            self._forget(sequence, missing)
        for sequence in hopeless:
            del self._missing[sequence]
        if hopeless:
            self.given_up += len(hopeless)
            self._abandoned = max(hopeless)
        self._next = None
        if sequences:
            self._last_request = now
        following = min((missing.due for missing in self._missing.values() if missing.due > now), default=None)
        if following is not None:
            self._wake(following)
        if deferred:
            self._wake(now + max(SPACING, (1.0 - self._tokens) / self._rate))
        return tuple(sequence & 0xFFFF for sequence in sequences)

    def _spend_tokens(self, wanted: list[tuple[int, _Missing]], now: float) -> tuple[list[int], bool]:
        """Choose as many packets as the rate allows, those asked for least often first; return their numbers in order,
        and whether others have to wait.
        """
        wanted.sort(key=lambda each: each[1].asked)
        asked: list[int] = []
        for sequence, missing in wanted:
            if self._tokens < _WHOLE_TOKEN:
                break
            self._ask(missing, now)
            asked.append(sequence)
        return sorted(asked), len(asked) < len(wanted)

    def _ask(self, missing: _Missing, now: float) -> None:
        if missing.asked == 0:
            missing.first_asked = now
        missing.asked += 1
        missing.last_asked = now
        self._tokens -= 1.0
        self.asked += 1
        usual = max(_LEAST_RETRY, _MARGIN * self._round_trip.seconds)
        wait = max(usual, min(usual * _BACK_OFF ** max(0, missing.asked - _EVEN), _MOST_RETRY))
        missing.due = min(now + wait, missing.since + self._max_age)

    def _abandon_all(self, last: int) -> None:
        self.given_up += len(self._missing)
        self._missing.clear()
        self._abandoned = last

    def _forget_arrived(self, arrived: Callable[[int], bool]) -> None:
        for sequence, missing in [each for each in self._missing.items() if arrived(each[0])]:
            self._forget(sequence, missing)

    def _forget(self, sequence: int, missing: _Missing) -> None:
        del self._missing[sequence]
        if missing.asked:
            self.repaired += 1
        else:
            self.reordered += 1

    def _refill(self, now: float) -> None:
        if self._refilled is not None:
            gained = max(0.0, now - self._refilled) * self._rate
            self._tokens = min(float(self._limit), self._tokens + gained)
        self._refilled = now

    def _wake(self, due: float) -> None:
        if self._last_request is not None:
            due = max(due, self._last_request + SPACING)
        if self._next is None or due < self._next:
            self._next = due

    def _rest(self) -> None:
        if not self._missing and self._abandoned is None:
            self._next = None
