"""How often, and how much, is sent again to who asks. All of it waits for the pacer here, so nothing is encrypted."""

from __future__ import annotations

import itertools

import pytest

from sfu.routing.kernels.counters import COUNTER_COUNT, Counter
from sfu.routing.kernels.history import TAKEN, WAITING
from sfu.routing.kernels.messages import make_buffers
from sfu.routing.kernels.pacing import REPEATS
from sfu.routing.kernels.repeat import MISSED, REFUSED, REPEATED, UNKNOWN
from sfu.routing.kernels.subscription_columns import LOGGED_PACKETS
from sfu.routing.kernels.tables import make_tables

from . import kernels

NOW_US = 1_000_000_000
PACKET_BYTES = 1_000
HISTORY = 1024
BUFFERS = make_buffers()


class Viewer:
    """A subscriber with RTX, who was sent the packets 0 to 299."""

    def __init__(self) -> None:
        self.tables = make_tables(1, 1, 1, 1, COUNTER_COUNT, logs=1, history=HISTORY)
        self.connection, self.entry = self.tables.connections[0], self.tables.subscriptions[0]
        self.state = self.tables.estimators[0]
        self.connection["controlled"], self.connection["send_srtp"], self.connection["address_bytes"] = 1, 1, 16
        self.connection["free_us"] = NOW_US + 3_600_000_000
        self.entry["repair_type"] = 97
        self.state["estimate_bps"] = 50_000_000
        for sequence in range(300):
            sent = self.tables.logs[0, sequence]
            sent["flags"], sent["sequence"], sent["history"] = TAKEN, sequence, sequence
        self.tables.history_written[0] = 300
        self.tables.history_packets["payload_bytes"] = PACKET_BYTES

    def ask(self, sequence: int, after_ms: int = 0, interval_ms: int = 20) -> int:
        """Ask for a packet; the pacer then sends it, if it is to be sent."""
        now_us = NOW_US + after_ms * 1000
        outcome = int(kernels.ask_again(self.tables, BUFFERS, 0, sequence, interval_ms, now_us))
        waits = int(kernels.take(self.tables, 0, REPEATS))
        assert waits == (sequence if outcome == REPEATED else -1)
        return outcome

    def counted(self, counter: Counter) -> int:
        return int(self.tables.counters[counter])


def test_what_was_sent_is_sent_again() -> None:
    viewer = Viewer()
    assert [viewer.ask(sequence) for sequence in (7, 299, 0)] == [REPEATED] * 3
    assert viewer.entry["repeated"] == viewer.counted(Counter.REPEATED_PACKETS) == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [("flags", 0), ("flags", TAKEN | WAITING), ("sequence", 5 + LOGGED_PACKETS)],
    ids=["never sent", "still waits", "a later one's place"],
)
def test_what_was_not_is_unknown(field: str, value: int) -> None:
    viewer = Viewer()
    viewer.tables.logs[0, 5][field] = value
    assert viewer.ask(5) == UNKNOWN
    assert viewer.entry["not_repeated"] == 0


@pytest.mark.parametrize("field", ["send_srtp", "address_bytes"])
def test_to_who_cannot_be_sent_anything_nothing_is(field: str) -> None:
    viewer = Viewer()
    viewer.connection[field] = 0
    assert viewer.ask(5) == UNKNOWN


def test_what_the_history_has_no_longer_is_missed() -> None:
    viewer = Viewer()
    viewer.tables.history_written[0] = HISTORY + 6
    assert [viewer.ask(sequence) for sequence in (5, 6)] == [MISSED, REPEATED]
    assert viewer.entry["not_repeated"] == viewer.counted(Counter.REPEAT_MISSED) == 1


def test_who_asks_all_the_time_waits_twice_as_long_each_time() -> None:
    viewer = Viewer()
    given = [after_ms for after_ms in range(0, 2_000, 5) if viewer.ask(9, after_ms) == REPEATED]
    gaps = [later - before for before, later in itertools.pairwise(given)]
    assert gaps == [20 << k for k in range(len(gaps))]
    assert len(gaps) == 6
    assert viewer.counted(Counter.REPEAT_REFUSED) == 400 - 7


def test_within_a_round_trip_a_packet_is_sent_again_once() -> None:
    viewer = Viewer()
    viewer.state["round_trip_us"] = 150_000
    assert [viewer.ask(9, after_ms) for after_ms in (0, 149, 150, 151)] == [REPEATED, REFUSED, REPEATED, REFUSED]


def test_another_packet_need_not_wait_for_that() -> None:
    viewer = Viewer()
    assert [viewer.ask(sequence) for sequence in (9, 9, 10)] == [REPEATED, REFUSED, REPEATED]


@pytest.mark.parametrize("estimate_bps", [400_000, 1_000_000])
def test_all_repeats_together_have_their_share_of_the_estimate(estimate_bps: int) -> None:
    viewer = Viewer()
    viewer.state["estimate_bps"] = estimate_bps
    seconds = 4
    numbers = itertools.cycle(range(300))
    again = sum(viewer.ask(next(numbers), after_ms) == REPEATED for after_ms in range(0, seconds * 1000, 10))
    share = 0.15 * estimate_bps / 8
    assert again * PACKET_BYTES == pytest.approx(seconds * share + max(share / 2, 10_000), abs=2 * PACKET_BYTES)


def test_however_much_is_there_one_subscription_has_no_more_than_its_own() -> None:
    viewer = Viewer()
    again = sum(viewer.ask(sequence) == REPEATED for sequence in range(300))
    assert again * PACKET_BYTES == 125_000
    assert sum(viewer.ask(sequence, 100) == REPEATED for sequence in range(200, 300)) == 25
