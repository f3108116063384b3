"""How far a path may fall and videos may grow while nothing has to be decided."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from sfu.bwe.headroom import find_headroom

rates = st.floats(0.0, 1e8)


@given(carried=rates, bound=st.one_of(rates, st.just(math.inf)), spent=rates, usable=st.floats(0.5, 1.0))
def test_the_path_may_fall_so_far_while_the_videos_grow_so_much(
    carried: float, bound: float, spent: float, usable: float
) -> None:
    found = find_headroom(carried, bound, usable=usable, spent_bps=spent)
    if found is None:
        assert min(usable * carried, bound) <= 1.1 * spent * (1 + 1e-9)
        return
    assert found.growth_bps > 0.0
    assert found.least_bps <= carried * (1 + 1e-9)
    assert spent + found.growth_bps <= min(usable * found.least_bps, bound) * (1 + 1e-9)


def test_without_a_limit_any_limit_is_news() -> None:
    found = find_headroom(math.inf, math.inf, usable=0.9, spent_bps=1e6)
    assert found is not None and (found.least_bps, found.growth_bps) == (math.inf, math.inf)
    bounded = find_headroom(math.inf, 3e6, usable=0.9, spent_bps=1e6)
    assert bounded is not None and (bounded.least_bps, bounded.growth_bps) == (math.inf, 1e6)
    assert find_headroom(math.inf, 1.05e6, usable=0.9, spent_bps=1e6) is None


def test_nothing_spent_and_nothing_carried_is_no_headroom() -> None:
    assert find_headroom(0.0, math.inf, usable=0.9, spent_bps=0.0) is None
