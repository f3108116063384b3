"""What a publisher offered can be had, whether it has come yet or not: it is asked for and, for a while, waited for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sfu.media.encoding import PATIENCE, RETRY
from sfu.media.layer import WHOLE, Layer
from tests.unit.fakes import FakePlane
from tests.unit.media.studio import RIDS, Studio, target
from tests.unit.session.viewer import HIGH, LOW, MIDDLE


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


@pytest.mark.parametrize("alone", [1, 2, 4, 7, 60])
@pytest.mark.parametrize("estimate", [None, 5e6])
@pytest.mark.parametrize("rise", [0.0, 1.5, 3.0])
@pytest.mark.parametrize("obeys", [True, False])
def test_who_comes_late_gets_the_best(
    plane: FakePlane, alone: int, estimate: float | None, rise: float, obeys: bool
) -> None:
    studio = Studio(plane, obeys=obeys, rise=rise)
    studio.pass_time(alone)
    viewer = studio.watch(estimate)
    studio.pass_time(3 + 2 * rise, viewer)
    assert target(viewer) == "f"
    studio.pass_time(60, viewer)
    assert target(viewer) == "f"
    assert studio.wanted == "f"


@pytest.mark.parametrize("slow", [2, 5])
def test_an_encoding_whose_publisher_takes_long_to_rise_is_waited_for(plane: FakePlane, slow: int) -> None:
    studio = Studio(plane, "qh")
    viewer = studio.watch(5e6)
    studio.pass_time(slow, viewer)
    assert "f" in studio.wanted
    studio.able = RIDS
    studio.pass_time(2, viewer)
    assert target(viewer) == "f"


def test_what_never_came_is_taken_to_cost_a_multiple_of_the_one_below(plane: FakePlane) -> None:
    studio = Studio(plane, "q")
    studio.pass_time(3)
    low = studio.rates()["q"]
    assert studio.rates() == pytest.approx({"q": low, "h": 3 * low, "f": 9 * low}, abs=5)
    studio.able = "qf"
    viewer = studio.watch()
    studio.pass_time(3, viewer)
    rates = studio.rates()
    assert rates["h"] ** 2 == pytest.approx(rates["q"] * rates["f"], rel=0.01)


@pytest.mark.parametrize("alone", [3, 30])
def test_what_is_given_up_keeps_its_cost(plane: FakePlane, alone: int) -> None:
    studio = Studio(plane)
    viewer = studio.watch()
    studio.pass_time(2, viewer)
    before = pytest.approx(studio.rates(), rel=0.01)
    viewer.subscriptions[0].close()
    studio.pass_time(alone)
    assert studio.wanted == ""
    assert studio.rates() == before
    viewer = studio.watch()
    studio.pass_time(5, viewer)
    assert studio.rates() == before


@pytest.mark.parametrize("obeys", [True, False])
def test_one_that_does_not_come_is_replaced_by_the_next_and_asked_for_again(plane: FakePlane, obeys: bool) -> None:
    studio = Studio(plane, "qh", obeys=obeys)
    studio.pass_time(7)
    viewer = studio.watch(5e6)
    studio.pass_time(2, viewer)
    assert target(viewer) == "h"
    studio.pass_time(PATIENCE + 3, viewer)
    assert studio.wanted == "h"
    assert "f" not in studio.rates()
    studio.able = RIDS
    studio.pass_time(RETRY, viewer)
    assert target(viewer) == "f"


def test_who_asks_in_vain_keeps_nothing_from_others(plane: FakePlane) -> None:
    """An assumed rate is in the budget only while it may come."""
    studio = Studio(plane, "q")
    viewer = studio.watch(5e6)
    studio.pass_time(PATIENCE + 5, viewer)
    assert viewer.budget.allocated_bps < 2 * LOW
    assert target(viewer) == "q"
    assert not viewer.subscriptions[0].stopped


def test_only_what_the_path_carries_is_asked_for(plane: FakePlane) -> None:
    studio = Studio(plane)
    studio.pass_time(10)
    viewer = studio.watch(4.5 * LOW)
    studio.pass_time(3, viewer)
    assert studio.wanted == "h"
    assert target(viewer) == "h"


@pytest.mark.parametrize(("ceiling", "wanted"), [(Layer(0, 7), "q"), (Layer(1, 7), "h"), (Layer(2, 7), "f")])
def test_what_a_viewer_chooses_is_asked_for(plane: FakePlane, ceiling: Layer, wanted: str) -> None:
    studio = Studio(plane)
    studio.pass_time(7)
    viewer = studio.watch(5e6)
    viewer.subscriptions[0].set_ceiling(ceiling)
    studio.pass_time(5, viewer)
    assert target(viewer) == wanted
    viewer.subscriptions[0].set_ceiling(WHOLE)
    studio.pass_time(5, viewer)
    assert target(viewer) == "f"


@pytest.mark.parametrize("still", ["pause", "hold", "hide"])
def test_nothing_is_asked_for_by_who_sees_nothing(plane: FakePlane, still: str) -> None:
    studio = Studio(plane)
    viewer = studio.watch(5e6)
    held = viewer.subscriptions[0]
    actions: dict[str, Any] = {
        "pause": lambda on: held.pause() if on else held.resume(),
        "hold": studio.track.hold,
        "hide": lambda on: held.set_on_screen(not on),
    }
    actions[still](True)
    studio.pass_time(30, viewer)
    assert studio.wanted == ""
    actions[still](False)
    studio.pass_time(4, viewer)
    assert target(viewer) == "f"


def test_a_recording_has_the_best_that_comes(plane: FakePlane) -> None:
    studio = Studio(plane, "qh")
    studio.pass_time(7)
    studio.track.set_recorded(object(), True, studio.now)
    studio.pass_time(3)
    assert plane.tapped[-1] == 0b010
    studio.pass_time(PATIENCE + 3)
    assert studio.wanted == "h"
    studio.able = RIDS
    studio.pass_time(RETRY)
    assert plane.tapped[-1] == 0b100
    assert studio.wanted == "f"


def test_lower_ones_that_a_picture_is_too_small_for_are_not_counted_on(plane: FakePlane) -> None:
    studio = Studio(plane, "f")
    viewer = studio.watch(5e6)
    studio.pass_time(5, viewer)
    assert list(studio.rates()) == ["f"]
    viewer.subscriptions[0].set_ceiling(Layer(0, 7))
    assert [step.layer.spatial for step in viewer.subscriptions[0].layers.list_steps()] == [2]


def test_a_lower_one_that_stops_by_itself_is_soon_not_counted_on(plane: FakePlane) -> None:
    studio = Studio(plane, obeys=False)
    viewer = studio.watch(5e6)
    studio.pass_time(5, viewer)
    studio.able = "f"  # a smaller picture takes the place of a large one
    viewer.subscriptions[0].set_ceiling(Layer(0, 7))
    studio.pass_time(12, viewer)
    assert list(studio.rates()) == ["f"]


def test_all_that_was_given_up_is_asked_for_until_something_comes(plane: FakePlane) -> None:
    """A publisher that stops the lowest, too."""
    studio = Studio(plane)
    studio.sends = lambda rid: rid in studio.able and rid in studio.wanted  # type: ignore[method-assign]
    studio.pass_time(10)
    assert studio.wanted == ""
    studio.able = "q"
    viewer = studio.watch()
    assert studio.wanted == RIDS
    studio.pass_time(3, viewer)
    assert target(viewer) == "q"


def test_one_that_began_at_a_low_rate_can_be_had_although_it_was_given_up_meanwhile(plane: FakePlane) -> None:
    """Firefox goes on with what is not wanted, at rates that rise for a while."""
    studio = Studio(plane, obeys=False)
    studio.sending["f"] = 0.9 * MIDDLE
    viewer = studio.watch(5e6)
    studio.pass_time(4, viewer)
    assert studio.wanted == "h"  # the largest picture costs no more than the middle one, so far
    studio.sending["f"] = HIGH
    studio.pass_time(8, viewer)
    assert target(viewer) == "f"
