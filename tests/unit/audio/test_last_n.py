"""Last-N: few places, and who gets them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.audio.last_n import LastN, LastNChanges


def policy(limit: int | None, *names: str, loudest: bool = False) -> LastN[str, str]:
    """A policy with the Track `a1` of a, and so on."""
    made: LastN[str, str] = LastN(limit, loudest=loudest)
    for name in names:
        made.add(f"{name}1", name)
    return made


def passing(made: LastN[str, str], names: str) -> str:
    return "".join(name for name in names if made.allows(f"{name}1"))


def test_without_a_limit_all_pass() -> None:
    made = policy(None, *"abc")
    assert passing(made, "abc") == "abc"
    assert made.handle_speakers(["c"]) == LastNChanges()


def test_the_first_fill_the_places_and_speakers_take_them() -> None:
    made = policy(2, *"abcd")
    assert passing(made, "abcd") == "ab"
    assert made.handle_speakers(["d"]) == LastNChanges(("d1",), ("b1",))
    assert made.handle_speakers(["c"]) == LastNChanges(("c1",), ("a1",))
    assert made.handle_speakers([]) == LastNChanges()  # who spoke last keeps the place
    assert made.handle_speakers(["a"]) == LastNChanges(("a1",), ("d1",))


def test_one_who_comes_later_is_held_until_there_is_a_place() -> None:
    made = policy(1, "a")
    assert made.add("b1", "b") == LastNChanges((), ("b1",))
    assert made.remove("a1") == LastNChanges(("b1",), ())
    assert made.remove("a1") == LastNChanges()


def test_more_speakers_than_places() -> None:
    video = policy(2, *"abc")
    assert video.handle_speakers(["c", "b", "a"]) == LastNChanges()  # who is in stays in
    audio = policy(2, *"abc", loudest=True)
    assert audio.handle_speakers(["c", "b", "a"]) == LastNChanges(("c1",), ("a1",))


def test_pinned_ones_pass_besides() -> None:
    made = policy(1, *"abc")
    assert made.pin("c1") == LastNChanges(("c1",), ())
    assert made.handle_speakers(["b"]) == LastNChanges(("b1",), ("a1",))
    assert made.unpin("c1") == LastNChanges((), ("c1",))
    assert made.pin("x1") == LastNChanges()


def test_the_limit_can_change() -> None:
    made = policy(0, *"abc")
    assert passing(made, "abc") == ""
    assert made.set_limit(2) == LastNChanges(("a1", "b1"), ())
    assert made.set_limit(None) == LastNChanges(("c1",), ())
    with pytest.raises(ValueError, match="-1"):
        made.set_limit(-1)
    with pytest.raises(ValueError, match="before"):
        made.add("a1", "a")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 7)),
        st.tuples(st.just("remove"), st.integers(0, 7)),
        st.tuples(st.just("pin"), st.integers(0, 7)),
        st.tuples(st.just("unpin"), st.integers(0, 7)),
        st.tuples(st.just("limit"), st.one_of(st.none(), st.integers(0, 5))),
        st.tuples(st.just("speak"), st.lists(st.integers(0, 4), unique=True)),
    )
)


@given(STEPS, st.booleans())
def test_what_is_told_is_what_holds(steps: list[tuple[str, object]], loudest: bool) -> None:
    """Whoever follows the changes knows who passes, and never more than the limit and the pinned do."""
    made: LastN[int, int] = LastN(2, loudest=loudest)
    there: set[int] = set()
    told: set[int] = set()
    pinned: set[int] = set()
    for what, value in steps:
        if what == "add" and value not in there:
            there.add(value)  # type: ignore[arg-type]
            changes = made.add(value, value % 5)  # type: ignore[operator,arg-type]
        elif what == "remove":
            there.discard(value)  # type: ignore[arg-type]
            pinned.discard(value)  # type: ignore[arg-type]
            told.discard(value)  # type: ignore[arg-type]
            changes = made.remove(value)  # type: ignore[arg-type]
        elif what == "pin":
            pinned |= {value} & there  # type: ignore[arg-type]
            changes = made.pin(value)  # type: ignore[arg-type]
        elif what == "unpin":
            pinned.discard(value)  # type: ignore[arg-type]
            changes = made.unpin(value)  # type: ignore[arg-type]
        elif what == "limit":
            changes = made.set_limit(value)  # type: ignore[arg-type]
        elif what == "speak":
            changes = made.handle_speakers(value)  # type: ignore[arg-type]
        else:
            continue
        assert not set(changes.let_through) & set(changes.hold_back)
        told = (told | set(changes.let_through)) - set(changes.hold_back)
        assert told == {track for track in range(8) if made.allows(track)}
        free = there - pinned
        expected = len(free) if made.limit is None else min(made.limit, len(free))
        assert len(told) == len(pinned) + expected
        assert pinned <= told <= there
