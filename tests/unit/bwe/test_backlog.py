"""What stands before the pacer is told from what only passes."""

from __future__ import annotations

from sfu.bwe.backlog import Backlog


def test_a_key_frame_is_no_backlog() -> None:
    backlog = Backlog()
    assert [backlog.update(size, 10.0 + k / 2) for k, size in enumerate((0, 20_000, 0, 20_000, 0))] == [0.0] * 5


def test_what_stands_for_a_window_is_one() -> None:
    backlog = Backlog()
    assert [backlog.update(20_000 + k, 10.0 + k / 10) for k in range(5)] == [0.0] * 5  # it may be a key frame
    assert backlog.update(30_000, 10.5) == 8 * 20_000
    assert backlog.update(500, 10.6) == 8 * 500
    assert backlog.update(0, 10.7) == 0.0


def test_a_clock_that_goes_back_begins_a_new_window() -> None:
    backlog = Backlog()
    backlog.update(20_000, 10.0)
    assert backlog.update(30_000, 5.0) == 8 * 20_000
    assert backlog.update(10_000, 5.1) == 8 * 10_000
