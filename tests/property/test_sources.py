"""SSRCs of a connection, against a model in plain Python. `test_modes.py` runs this module again, unjitted and
bounds-checked.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.routing.kernels.connection_columns import MAX_RETIRED, MAX_SOURCES, RETIRED_SLOTS
from sfu.routing.kernels.sources import (
    CURRENT,
    KEPT_SOURCES,
    NOBODY,
    QUIET_US,
    has_room,
    hold_source,
    note_source,
    release_source,
)
from sfu.routing.kernels.tables import make_tables

from .modes import examples

# Few values, so that they meet; both ends, since 0 marks a free place.
ssrcs = st.one_of(st.integers(0, 3), st.integers(0, 150), st.integers(0xFFFFFF00, 0xFFFFFFFF))
steps = st.lists(
    st.tuples(
        st.sampled_from(["note", "note", "note", "current", "hold", "release"]),
        ssrcs,
        st.sampled_from([1, 1000, QUIET_US // 4, QUIET_US]),
    ),
    max_size=200,
)


class Model:
    def __init__(self) -> None:
        self.heard: dict[int, int] = {}
        self.retired: set[int] = set()

    def may_retire(self, now_us: int) -> set[int]:
        """Any of these may go: which one of equals does is not said."""
        quiet = [heard for heard in self.heard.values() if heard <= now_us - QUIET_US]
        if len(self.heard) < KEPT_SOURCES or len(self.retired) >= MAX_RETIRED or not quiet:
            return set()
        return {ssrc for ssrc, heard in self.heard.items() if heard == min(quiet)}

    def is_retired(self, ssrc: int) -> bool:
        return (ssrc or 0xFFFFFFFF) in self.retired

    def has_room(self, ssrc: int, now_us: int) -> bool:
        return not self.is_retired(ssrc) and (len(self.heard) < MAX_SOURCES or bool(self.may_retire(now_us)))


@given(st.integers(0, 200), steps)
@settings(deadline=None, max_examples=examples(60))
def test_sources_agree_with_a_model(crowd: int, steps: list[tuple[str, int, int]]) -> None:
    tables = make_tables(2, 1, 1, 1, 1)
    model = Model()
    now_us = 1
    for ssrc in range(1000, 1000 + crowd):
        assert note_source(tables, 1, ssrc, now_us, now_us) == NOBODY
        model.heard[ssrc] = now_us
    for name, ssrc, later in steps:
        now_us += later
        assert has_room(tables, 1, ssrc, now_us) == model.has_room(ssrc, now_us)
        if name in ("note", "current"):
            heard_us = now_us if name == "note" else CURRENT
            if ssrc not in model.heard and not model.has_room(ssrc, now_us):
                continue
            candidates = set() if ssrc in model.heard else model.may_retire(now_us)
            given_up = note_source(tables, 1, ssrc, heard_us, now_us)
            if candidates:
                assert given_up in candidates
                del model.heard[given_up]
                model.retired.add(given_up or 0xFFFFFFFF)
            else:
                assert given_up == NOBODY
            if model.heard.get(ssrc) != CURRENT:
                model.heard[ssrc] = heard_us
        elif name == "hold":
            held = hold_source(tables, 1, ssrc, CURRENT)
            assert held == (ssrc in model.heard or (not model.is_retired(ssrc) and len(model.heard) < MAX_SOURCES))
            if held:
                model.heard[ssrc] = CURRENT
        else:
            release_source(tables, 1, ssrc, now_us)
            if ssrc in model.heard:
                model.heard[ssrc] = now_us
        assert tables.connections[1]["sources"] == len(model.heard)
        assert tables.connections[1]["retired"] == len(model.retired)
    entered = {int(value) - 1 for value in tables.source_ssrcs[1] if value}
    assert entered == set(model.heard)
    assert not tables.source_ssrcs[0].any()


def test_what_was_given_up_stays_away_and_when_no_more_can_be_remembered_nothing_new_is_taken() -> None:
    tables = make_tables(1, 1, 1, 1, 1)
    tables.connections[0]["retired"] = MAX_RETIRED - 2
    now_us = 1
    taken = 0
    for ssrc in range(2 * MAX_SOURCES):
        now_us += 2 * QUIET_US
        if not has_room(tables, 0, ssrc, now_us):
            break
        note_source(tables, 0, ssrc, now_us, now_us)
        taken += 1
    assert taken == MAX_SOURCES + 2
    assert tables.connections[0]["retired"] == MAX_RETIRED < RETIRED_SLOTS
    assert not has_room(tables, 0, 0, now_us)
    assert not has_room(tables, 0, 1, now_us)
    assert not has_room(tables, 0, 70000, now_us)
