from __future__ import annotations

from bench.control.work import answer_offer
from tests.unit.lines import count_lines

MOST_LINES = 13_000
"""Half more than when it took 0.45 ms."""


def test_a_browsers_offer_is_answered_in_few_steps() -> None:
    """A hundred joins a second share one core with everything else; `pytest bench/control` measures the time."""
    assert count_lines(answer_offer()) < MOST_LINES
