"""Rows of the plane's tables: each is one's at a time, a freed one rests, and who comes and goes uses few."""

from __future__ import annotations

import pytest

from sfu.routing.rows import RESTING, CapacityError, Rows


def test_no_row_is_anybodys_twice_until_it_is_freed() -> None:
    rows = Rows("tracks", 5)
    assert sorted(rows.take() for _ in range(5)) == [0, 1, 2, 3, 4]
    assert rows.taken == 5
    with pytest.raises(CapacityError, match="all 5 tracks of this shard are in use"):
        rows.take()
    rows.give_back(3)
    assert (rows.taken, rows.take(), rows.taken) == (4, 3, 5)


def test_a_freed_row_rests_while_there_are_others() -> None:
    rows = Rows("tracks", 10_000)
    first = rows.take()
    rows.give_back(first)
    for _ in range(RESTING):
        row = rows.take()
        assert row != first
        rows.give_back(row)
    assert rows.take() == first


def test_who_comes_and_goes_a_thousand_times_uses_few_rows() -> None:
    """Each row costs memory from its first use on: half-open sessions, one a second, took 100 MB in ten minutes."""
    rows = Rows("connections", 2048)
    kept = [rows.take() for _ in range(20)]
    used = set(kept)
    for _ in range(1000):
        row = rows.take()
        used.add(row)
        rows.give_back(row)
    assert len(used) <= len(kept) + RESTING + 1
    assert rows.taken == len(kept)
