"""What a feedback says of each packet counts once, whatever is said again or comes late."""

from __future__ import annotations

import numpy as np

from sfu.bwe.kernels.sent_log import ARRIVED, LOST, SENT_LOG, SENT_PACKET, UNKNOWN
from sfu.bwe.kernels.state import ESTIMATOR
from sfu.wire.kernels.transport_feedback import NOT_RECEIVED
from tests.unit.bwe import kernels
from tests.unit.bwe.plan import PACKET_BYTES, START_US

EACH_US = 20_000
DELAY_US = 30_000
COUNT = 10


class Sender:
    """Ten packets have left, all within an interval of the loss controller."""

    def __init__(self) -> None:
        self.states, self.log = np.zeros(1, ESTIMATOR), np.zeros(SENT_LOG, SENT_PACKET)
        self.state = self.states[0]
        kernels.begin(self.states, START_US)
        for sequence in range(COUNT):
            kernels.depart(self.states, self.log, sequence, PACKET_BYTES, START_US + EACH_US * sequence)

    def hear(self, *missing: int, first: int = 0, after_us: int = 300_000) -> None:
        """A feedback tells of all from `first` on; these have not come."""
        arrivals = [
            NOT_RECEIVED if sequence in missing else START_US + EACH_US * sequence + DELAY_US
            for sequence in range(first, COUNT)
        ]
        kernels.tell(self.states, self.log, first, np.array(arrivals, np.int64), START_US + after_us)

    def sums(self) -> tuple[int, ...]:
        """Bytes that have arrived, whose fate is known, and that were lost."""
        return tuple(int(self.state[name]) for name in ("arrived_bytes", "open_bytes", "open_lost_bytes"))


def test_what_is_said_again_changes_nothing() -> None:
    sender = Sender()
    assert sender.log["fate"][:COUNT].tolist() == [UNKNOWN] * COUNT
    sender.hear(4)
    told, feedbacks = sender.sums(), int(sender.state["feedbacks"])
    assert told == (9_000, 10_000, 1_000)
    sender.hear(4, after_us=310_000)
    assert sender.sums() == told
    assert sender.state["feedbacks"] == feedbacks
    assert sender.state["feedback_us"] == START_US + 310_000  # but that he is there


def test_what_comes_late_was_not_lost() -> None:
    sender = Sender()
    sender.hear(4, 5)
    assert sender.log["fate"][3:7].tolist() == [ARRIVED, LOST, LOST, ARRIVED]
    sender.hear(5, first=4, after_us=320_000)
    assert sender.sums() == (9_000, 10_000, 1_000)
    sender.hear(first=5, after_us=330_000)
    assert sender.sums() == (10_000, 10_000, 0)


def test_what_has_come_is_not_lost_afterwards() -> None:
    sender = Sender()
    sender.hear()
    sender.hear(2, 3, 4, after_us=310_000)
    assert sender.sums() == (10_000, 10_000, 0)
    assert sender.log["fate"][:COUNT].tolist() == [ARRIVED] * COUNT


def test_what_was_lost_while_nothing_came_back_is_not_held_against_the_path() -> None:
    sender = Sender()
    sender.hear(0, 1, 2, after_us=3_100_000)
    assert sender.sums() == (7_000, 7_000, 0)


def test_the_first_round_trip_is_that_of_the_newest_packet_and_later_ones_move_it_slowly() -> None:
    sender = Sender()
    sender.hear(9, after_us=300_000)
    newest_us = EACH_US * 8
    assert sender.state["round_trip_us"] == 300_000 - newest_us
    sender.hear(first=9, after_us=380_000)
    assert sender.state["round_trip_us"] == 140_000 + 0.2 * (380_000 - 9 * EACH_US - 140_000)
