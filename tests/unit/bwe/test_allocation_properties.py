"""What holds for all demands and budgets; the oracle of the order; what an allocation costs."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.control.work import allocate
from sfu.bwe.allocation import FORGOTTEN, LONGEST_HOLD, MARGIN, Allocator, Demand
from tests.unit.bwe.demands import demand, layers
from tests.unit.lines import count_lines

T = 1000.0
LATER = 2 * FORGOTTEN  # after as long nothing starts, holds or is remembered as a failure

RATES = st.lists(st.floats(0, 3000), max_size=6).map(sorted)
PRIORITIES = st.sampled_from([0.5, 1.0, 1.0, 1.0, 2.0, 3.0])
DEMANDS = st.lists(st.tuples(RATES, PRIORITIES), max_size=6)


def demands_of(described: Iterable[tuple[Sequence[float], float]]) -> list[Demand[str, int]]:
    return [demand(str(place), *rates, priority=priority) for place, (rates, priority) in enumerate(described)]


def share(budget: float, demands: Sequence[Demand[str, int]]) -> dict[str, int | None]:
    """Which steps new demands get, slowly: whose turn it is, is asked again after each step."""
    taken: dict[str, int | None] = {each.key: None for each in demands if each.steps}
    spent = 0
    for each in sorted(demands, key=lambda each: -each.priority):
        if each.steps and spent + math.ceil(each.steps[0].rate_bps) <= budget:
            taken[each.key] = 0
            spent += math.ceil(each.steps[0].rate_bps)
    done: set[str] = set()
    while True:
        turns = [
            (math.ceil(each.steps[index].rate_bps) / each.priority, place, index)
            for place, each in enumerate(demands)
            if (index := taken.get(each.key)) is not None and each.key not in done and index + 1 < len(each.steps)
        ]
        if not turns:
            return taken
        _, place, index = min(turns)
        each = demands[place]
        cost = math.ceil(each.steps[index + 1].rate_bps) - math.ceil(each.steps[index].rate_bps)
        if spent + cost <= budget:
            spent += cost
            taken[each.key] = index + 1
        else:
            done.add(each.key)


@given(DEMANDS, st.floats(0, 12_000))
def test_new_demands_get_what_the_oracle_says(described: list[tuple[list[float], float]], budget: float) -> None:
    demands = demands_of(described)
    assert layers(Allocator[str, int]().allocate(budget, demands, T).chosen) == share(budget, demands)


CALLS = st.lists(
    st.tuples(
        st.one_of(st.none(), DEMANDS),  # None: as before
        st.floats(0, 8_000),
        st.sampled_from([0.0, 0.1, 1.0, 2.5, 5.0, 31.0, LATER]),
    ),
    max_size=12,
)


def raised_or_new(key: str, before: Mapping[str, int | None], after: Mapping[str, int | None]) -> bool:
    had, has = before.get(key), after[key]
    return has is not None and (had is None or has > had)


@given(CALLS)
@settings(deadline=None)
def test_what_always_holds(calls: list[tuple[list[tuple[list[float], float]] | None, float, float]]) -> None:
    allocator, twin = Allocator[str, int](), Allocator[str, int]()
    demands: list[Demand[str, int]] = []
    before: dict[str, int | None] = {}
    now = T
    for described, budget, pause in calls:
        now += pause
        same = described is None
        if described is not None:
            demands = demands_of(described)
        result = allocator.allocate(budget, demands, now)
        assert twin.allocate(budget, list(demands), now) == result
        chosen = layers(result.chosen)
        rates = {each.key: [math.ceil(step.rate_bps) for step in each.steps] for each in demands}
        cost = {key: rates[key][layer] if layer is not None else 0 for key, layer in chosen.items()}
        assert chosen.keys() == {each.key for each in demands if each.steps}
        assert result.spent_bps == sum(cost.values()) <= budget
        assert result.wanted_bps == sum(each[-1] for each in rates.values() if each)
        assert (result.next_bps or math.inf) > budget
        wake = allocator.poll_timeout()
        assert wake is None or now < wake <= now + LONGEST_HOLD
        if wake is None:
            check_nothing_is_left(budget, demands, chosen, result.spent_bps)
        if same and any(raised_or_new(key, chosen, before) for key in chosen):  # somebody lost something
            carried = sum(rates[key][layer] for key, layer in before.items() if layer is not None) <= budget
            assert not carried or any(raised_or_new(key, before, chosen) for key in chosen)
        before = chosen


def check_nothing_is_left(
    budget: float, demands: Sequence[Demand[str, int]], chosen: Mapping[str, int | None], spent: float
) -> None:
    """Where nobody waits: no further step would fit, nor one that is paused, at the cost of lower priorities.

    What is new keeps its margin free from those who only keep theirs, too.
    """
    rates = [each.steps[chosen[each.key] or 0].rate_bps for each in demands if chosen.get(each.key) is not None]
    most = math.ceil(max(rates, default=0.0))
    for each in demands:
        index = -1 if chosen.get(each.key) is None else chosen[each.key] or 0
        if index + 1 < len(each.steps):
            rate = math.ceil(each.steps[index + 1].rate_bps)
            has = math.ceil(each.steps[index].rate_bps) if index >= 0 else 0
            assert spent + rate - has + MARGIN * max(rate, most) > budget
        if index < 0 and each.steps:
            others = sum(
                math.ceil(other.steps[0].rate_bps)
                for other in demands
                if other.priority >= each.priority and chosen.get(other.key) is not None
            )
            assert others + (1 + MARGIN) * math.ceil(each.steps[0].rate_bps) > budget


@given(DEMANDS, DEMANDS, st.floats(0, 8_000), st.floats(0, 8_000))
def test_the_next_rate_is_just_what_a_further_step_needs(
    described: list[tuple[list[float], float]], others: list[tuple[list[float], float]], earlier: float, budget: float
) -> None:
    allocator = Allocator[str, int]()
    allocator.allocate(earlier, demands_of(others), T)
    demands = demands_of(described)
    allocator.allocate(budget, demands, T)
    before = allocator.allocate(budget, demands, T + LATER)
    assert (before.next_bps is None) == (before.spent_bps == before.wanted_bps)
    had = layers(before.chosen)
    if before.next_bps is None:
        return
    less, enough = copy.deepcopy(allocator), copy.deepcopy(allocator)
    between = max(budget, before.next_bps * (1 - 1e-9))
    if between < before.next_bps:
        assert layers(less.allocate(between, demands, T + LATER).chosen) == had
    has = layers(enough.allocate(before.next_bps, demands, T + LATER).chosen)
    assert any(raised_or_new(key, had, has) for key in has)


# --- cost ----------------------------------------------------------------------------------------------------------


MOST_LINES_FOR_ONE = 300
"""Half more than when it took 5 us."""


def test_its_cost_grows_as_the_demands_do() -> None:
    """A node with 300 Peers allocates some thousand times a second; `pytest bench/control` measures the time."""
    one, hundred, more = (count_lines(allocate(count)) for count in (1, 100, 400))
    assert one < MOST_LINES_FOR_ONE
    assert hundred < 100 * one
    assert more < 4.4 * hundred
