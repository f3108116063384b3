"""What a publisher offered can be had, whether it has come yet or not: it is asked for and, for a while, waited for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from sfu.media.encoding import PATIENCE, RETRY
from sfu.media.layer import WHOLE, Layer
from sfu.negotiation.types import IncomingEncoding
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import Scene
from tests.unit.session.viewer import HIGH, LOW, MIDDLE, Viewer, give_states

RIDS = "qhf"


class Studio:
    """A publisher of three Encodings that sends those that are wanted, as far as it is `able`, and a clock.

    `rise`: the seconds that it takes to get from one to the next.
    """

    def __init__(self, plane: FakePlane, able: str = RIDS, *, obeys: bool = True, rise: float = 0.0) -> None:
        self.plane = plane
        self.scene = Scene(plane, *(IncomingEncoding(rid, 500 + k) for k, rid in enumerate(RIDS)))
        self.scene.subscription.close()
        self.track = self.scene.track
        self.able, self.obeys, self.rise = able, obeys, rise
        self.sending = dict(zip(RIDS, (LOW, MIDDLE, HIGH), strict=True))
        self.wanted_for = dict.fromkeys(RIDS, 0.0)
        self.now = 100.0
        self.octets = dict.fromkeys(RIDS, 0)
        by_row = {encoding.row: encoding.rid for encoding in self.track.encodings}
        plane.layer_octets = lambda row: [self.octets[by_row[row]], *[0] * 31]  # type: ignore[method-assign]
        blank = plane.encoding_state
        plane.encoding_state = lambda row: dataclasses.replace(  # type: ignore[method-assign]
            blank(row), packets=self.octets[by_row[row]] // 1000, octets=self.octets[by_row[row]]
        )
        self.started: set[str] = set()

    def sends(self, rid: str) -> bool:
        """The lowest is always sent, as by the page."""
        wanted = next(encoding.wanted for encoding in self.track.encodings if encoding.rid == rid)
        self.wanted_for[rid] = self.wanted_for[rid] + 1.0 if wanted or not self.obeys else 0.0
        risen = self.wanted_for[rid] > RIDS.index(rid) * self.rise
        return rid == self.able[0] or (rid in self.able and risen)

    def pass_time(self, seconds: float, *viewers: Viewer) -> None:
        for _ in range(round(seconds)):
            sent = [rid for rid in RIDS if self.sends(rid)]
            for rid in sent:
                if rid not in self.started:
                    self.started.add(rid)
                    self.scene.learn(RIDS.index(rid), self.now)
            self.now += 1.0
            for k, (rid, rate) in enumerate(self.sending.items()):
                if rid in sent:
                    self.octets[rid] += round(rate / 8)
                encoding = self.track.encodings[k]
                self.track.note_packets(encoding, self.octets[rid] // 1000, self.now)
            self.track.handle_tick(self.now)
            self.track.handle_timeout(self.now)
            for viewer in viewers:
                viewer.clock = self.now
                viewer.budget.update(self.now)

    def watch(self, estimate: float | None = None) -> Viewer:
        viewer = Viewer(self.scene.shard, self.plane)
        give_states(self.plane)
        viewer.clock = self.now
        made = viewer.take(self.track, f"v{self.now}", ssrc=70, repair_ssrc=80)
        viewer.subscriptions.append(made)
        if estimate is not None:
            viewer.budget.start(300_000.0, self.now)
            viewer.budget.handle_estimate(estimate, self.now)
        made.start(self.track.codec)
        return viewer

    def rates(self) -> dict[str, int]:
        return {RIDS[step.layer.spatial]: round(step.rate_bps) for step in self.track.list_steps()}

    @property
    def wanted(self) -> str:
        return "".join(encoding.rid for encoding in self.track.encodings if encoding.wanted)


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


def target(viewer: Viewer) -> str:
    found = viewer.subscriptions[0].target
    assert found is not None
    return RIDS[found.spatial]


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
    studio.track.set_recorded(True, studio.now)
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
