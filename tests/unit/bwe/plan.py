"""Plans: what a path is like, what happens to it when, and what is seen of the estimator then.

    seen = play(Path(rate_bps=1_000_000, delay_ms=40), after(10, rate_bps=500_000), seconds=20)
    assert seen.when("estimate_bps", below=520_000) < 12
    assert seen.most("wait_ms") < 300

A sender sends what the estimate allows, as evenly as it can, and probes where it is told to. The path lets it through
or loses it, the receiver tells twenty times a second what has come. Time is an argument, in whole microseconds, and
chances are of a seed; so a plan is played alike each time, compiled and in plain Python.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sfu.bwe.kernels.sent_log import SENT_LOG, SENT_PACKET
from sfu.bwe.kernels.state import ESTIMATOR
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED, TICK_US

from . import kernels

SECOND_US = 1_000_000
START_US = 1_000 * SECOND_US
"""When every plan begins, by the sender's clock."""
STEP_US = 2_000
FEEDBACK_US = 50_000
LOOK_US = 100_000
PACKET_BYTES = 1_000
PROBE_PACKETS = 5
_LEAST_PROBE_BYTES = 200
_MEASURED = 10
"""Feedbacks over which is measured what the path carries: half a second."""

FACTS = np.dtype([("at_us", np.int64), ("wait_ms", np.float64), ("carried_bps", np.float64), ("lost", np.int64)])
"""What the path knows and no estimator: how long a packet that is sent now would wait, what has come through in the
last half second, and how many packets did not in all."""


@dataclass
class Path:
    """A path to one receiver, and what is to be sent on it."""

    rate_bps: int = 1_000_000
    delay_ms: int = 25
    """There, and as long back."""
    queue_ms: int = 500
    """What would wait longer is lost."""
    loss: float = 0.0
    """Share of the packets that is lost in any case."""
    by_tcp: bool = False
    """What is lost comes a round trip later, and with it all that was sent behind it, as by TCP."""
    told_of_tcp: bool = True
    """And the estimator knows that it is TCP."""
    jitter_ms: int = 0
    """Each packet comes by up to this later; none overtakes another."""
    bucket_bytes: int = 0
    """After a rest so much passes at once."""
    other_bps: int = 0
    """What others send through the same queue, whatever happens."""
    kept_full_ms: int = 0
    """Others keep the queue so long, as a TCP flow does."""
    answers: bool = True
    """Whether feedback comes back."""
    tells_ms: int = 0
    """What it tells goes out so often, together; 0: at once."""
    clock_us: int = 7_777_777_777
    """What the receiver's clock shows when the sender's shows 0."""
    drift_ppm: int = 0
    """By how many millionths it is faster."""
    rounds: bool = False
    """The receiver rounds the reference time of each feedback to 64 ms, and not what counts from there."""
    wants_bps: int = 5_000_000
    """What the sender would send at most, as the estimator is told."""
    sends_bps: int | None = None
    """What it really has to send; None: all that is wanted."""
    obeys: bool = True
    """Whether it sends no more than the estimate."""
    remote_bps: int | None = None
    """What the receiver allows by REMB; None: it says nothing more."""


class Change(NamedTuple):
    """Something that happens."""

    at_us: int
    fields: Mapping[str, Any]


def after(seconds: float, **fields: Any) -> Change:
    """So many seconds after the beginning the path has these fields instead."""
    return Change(START_US + round(seconds * SECOND_US), fields)


class Seen:
    """What was seen, at each feedback: any column of ESTIMATOR, or one of FACTS. Times are in seconds of the plan."""

    def __init__(self, states: NDArray[Any], facts: NDArray[Any]) -> None:
        self.states, self.facts = states, facts
        self.at = (facts["at_us"] - START_US) / SECOND_US

    def between(self, first: float, last: float) -> Seen:
        """A part of it."""
        part = (self.at >= first) & (self.at <= last)
        assert part.any(), f"nothing was seen between {first} and {last} s"
        return Seen(self.states[part], self.facts[part])

    def since(self, first: float) -> Seen:
        """The rest of it."""
        return self.between(first, math.inf)

    def column(self, name: str) -> NDArray[Any]:
        """All values of one."""
        return self.facts[name] if name in FACTS.fields else self.states[name]

    def most(self, name: str) -> float:
        """The greatest value."""
        return float(self.column(name).max())

    def least(self, name: str) -> float:
        """The least value."""
        return float(self.column(name).min())

    def usual(self, name: str) -> float:
        """The value in the middle."""
        return float(np.median(self.column(name)))

    def last(self, name: str) -> float:
        """The value at the end."""
        return float(self.column(name)[-1])

    def share(self, name: str, value: float) -> float:
        """In how much of the time it has just this value (0..1)."""
        return float((self.column(name) == value).mean())

    def when(self, name: str, *, below: float = -math.inf, above: float = math.inf, since: float = 0.0) -> float:
        """When it was first below the one or above the other; infinite: never."""
        values = self.column(name)
        times = self.at[((values < below) | (values > above)) & (self.at >= since)]
        return float(times[0]) if len(times) else math.inf


class Line:
    """The bottleneck's queue, as the time at which it will be empty."""

    def __init__(self) -> None:
        self.free_us = START_US
        self.credit_bits = 0

    def wait_us(self, now_us: int) -> int:
        return max(self.free_us - now_us, 0)

    def take(self, size: int, path: Path, now_us: int) -> int | None:
        """Take a packet; return when its last bit has left, or None: there is no room."""
        if self.wait_us(now_us) > path.queue_ms * 1000:
            return None
        rest_us = max(now_us - self.free_us, 0)
        self.credit_bits = min(self.credit_bits + rest_us * path.rate_bps // SECOND_US, 8 * path.bucket_bytes)
        spent = min(self.credit_bits, 8 * size)
        self.credit_bits -= spent
        self.free_us = max(self.free_us, now_us) + (8 * size - spent) * SECOND_US // path.rate_bps
        return self.free_us


class Play:
    """One plan while it is played."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = dataclasses.replace(path)
        self.rng = random.Random(seed)
        self.now_us = START_US
        self.line = Line()
        self.states = np.zeros(1, ESTIMATOR)
        self.log = np.zeros(SENT_LOG, SENT_PACKET)
        self.sequence = 0
        self.told = 0
        self.lost = 0
        self.fates: deque[int] = deque()
        """When each packet that was not told of yet comes, by the sender's clock."""
        self.latest_us = 0
        self.feedbacks: deque[tuple[int, int, NDArray[np.int64]]] = deque()
        self.carried: deque[int] = deque(maxlen=_MEASURED)
        self.credit = 0
        self.others_credit = 0
        self.probe_due_us = 0
        self.probed = 0
        self.estimate_bps, self.probe_bps = self.states["estimate_bps"], self.states["probe_bps"]
        self.seen: list[bytes] = []
        self.facts: list[tuple[int, float, float, int]] = []
        kernels.begin(self.states, self.now_us)
        self.change({})

    def change(self, fields: Mapping[str, Any]) -> None:
        self.path = dataclasses.replace(self.path, **fields)
        kernels.want(self.states, float(self.path.wants_bps), self.now_us)
        kernels.go_by_tcp(self.states, int(self.path.by_tcp and self.path.told_of_tcp))
        if self.path.remote_bps is not None:
            kernels.bound(self.states, float(self.path.remote_bps), self.now_us)

    def step(self) -> None:
        """One step in time."""
        now, path = self.now_us, self.path
        if path.kept_full_ms:
            self.line.free_us = max(self.line.free_us, now + path.kept_full_ms * 1000)
        self._send_of_others()
        while self.feedbacks and self.feedbacks[0][0] <= now:
            _, first, arrivals = self.feedbacks.popleft()
            kernels.tell(self.states, self.log, first, arrivals, now)
        if now % LOOK_US == 0:
            kernels.look(self.states, now)
        self._probe()
        self._send_media()
        if now % FEEDBACK_US == 0:
            self._send_feedback()
            self._note()
        self.now_us += STEP_US

    def _send_of_others(self) -> None:
        self.others_credit += self.path.other_bps * STEP_US
        if self.others_credit >= 8 * PACKET_BYTES * SECOND_US:
            self.others_credit -= 8 * PACKET_BYTES * SECOND_US
            self.line.take(PACKET_BYTES, self.path, self.now_us)

    def _send_media(self) -> None:
        has = self.path.wants_bps if self.path.sends_bps is None else self.path.sends_bps
        allowed = self.estimate_bps.item(0) if self.path.obeys else has
        self.credit += int(min(has, allowed)) * STEP_US
        while self.credit >= 8 * PACKET_BYTES * SECOND_US:
            self.credit -= 8 * PACKET_BYTES * SECOND_US
            self._send(PACKET_BYTES, self.now_us)

    def _probe(self) -> None:
        """Send what is due of a probe, as padding."""
        rate = self.probe_bps.item(0)
        if rate == 0.0:
            self.probed = 0
            return
        if self.probed == 0:
            self.probe_due_us = self.now_us
        fifth = int(rate * self.states["probe_us"].item(0) / 8e6) // PROBE_PACKETS
        size = min(max(fifth, _LEAST_PROBE_BYTES), PACKET_BYTES)
        while self.probe_bps.item(0) > 0.0 and self.probe_due_us < self.now_us + STEP_US:
            self._send(size, self.probe_due_us)
            self.probed += 1
            self.probe_due_us += int(size * 8e6 / rate)

    def _send(self, size: int, now_us: int) -> None:
        kernels.depart(self.states, self.log, self.sequence, size, now_us)
        self.sequence += 1
        left_us = self.line.take(size, self.path, now_us)
        lost = self.rng.random() < self.path.loss
        if left_us is None or (lost and not self.path.by_tcp):
            self.lost += 1
            self.fates.append(NOT_RECEIVED)
            return
        late_us = self.rng.randrange(1000 * self.path.jitter_ms + 1) + 2000 * self.path.delay_ms * lost
        self.latest_us = max(self.latest_us, left_us + 1000 * self.path.delay_ms + late_us)
        self.fates.append(self.latest_us)

    def _send_feedback(self) -> None:
        """The receiver tells of what has come, up to the last; where one is missing before that, it is lost."""
        come = [k for k, at in enumerate(self.fates) if at != NOT_RECEIVED and at <= self.now_us]
        self.carried.append(len(come))
        if not come:
            return
        first, told = self.told, [self.fates.popleft() for _ in range(come[-1] + 1)]
        self.told += len(told)
        arrivals = np.array([at if at == NOT_RECEIVED else self._as_received(at) for at in told], np.int64)
        if self.path.rounds:
            earliest = int(arrivals[arrivals != NOT_RECEIVED].min())
            arrivals[arrivals != NOT_RECEIVED] -= earliest % 64_000
        if self.path.answers:
            leaves_us = self.now_us
            if self.path.tells_ms:
                leaves_us += (START_US - self.now_us) % (1000 * self.path.tells_ms)
            self.feedbacks.append((leaves_us + 1000 * self.path.delay_ms, first, arrivals))

    def _as_received(self, at_us: int) -> int:
        shown = self.path.clock_us + at_us + (at_us - START_US) * self.path.drift_ppm // SECOND_US
        return shown - shown % TICK_US

    def _note(self) -> None:
        carried = sum(self.carried) * 8 * PACKET_BYTES * SECOND_US / (_MEASURED * FEEDBACK_US)
        self.seen.append(self.states.tobytes())
        self.facts.append((self.now_us, self.line.wait_us(self.now_us) / 1000, carried, self.lost))


def play(path: Path, *changes: Change, seconds: float, seed: int = 1) -> Seen:
    """Let it happen."""
    played = Play(path, seed)
    due = deque(sorted(changes, key=lambda change: change.at_us))
    while played.now_us < START_US + seconds * SECOND_US:
        while due and due[0].at_us <= played.now_us:
            played.change(due.popleft().fields)
        played.step()
    assert not due, "the plan ends before all of it has happened"
    return Seen(np.frombuffer(b"".join(played.seen), ESTIMATOR), np.array(played.facts, FACTS))
