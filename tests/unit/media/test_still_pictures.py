"""What costs little is not worse: of a picture that hardly moves the largest Encoding may cost less than others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfu.media.layer import WHOLE, Layer
from sfu.negotiation.types import IncomingEncoding
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import Scene
from tests.unit.media.studio import Studio, target
from tests.unit.session.viewer import HIGH, LOW, MIDDLE

STILL = {"q": 90_000.0, "h": 70_000.0, "f": 50_000.0}


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("estimate", [80e3, 5e6])
def test_the_largest_is_sent_where_it_costs_the_least(plane: FakePlane, obeys: bool, estimate: float) -> None:
    studio = Studio(plane, obeys=False)
    studio.sending = dict(STILL)
    viewer = studio.watch(estimate)
    studio.pass_time(8, viewer)
    studio.obeys = obeys
    studio.pass_time(20, viewer)
    assert target(viewer) == "f"
    assert studio.wanted == "f"
    assert list(studio.rates()) == ["f"]


def test_a_ceiling_below_it_has_the_steps_below_it(plane: FakePlane) -> None:
    studio = Studio(plane, obeys=False)
    studio.sending = {"q": 20_000.0, "h": 70_000.0, "f": 50_000.0}
    viewer = studio.watch(5e6)
    studio.pass_time(10, viewer)
    assert list(studio.rates()) == ["q", "f"]
    viewer.subscriptions[0].set_ceiling(Layer(1, 7))
    studio.pass_time(1, viewer)
    assert target(viewer) == "h"


def test_about_the_same_cost_is_no_reason_for_less(plane: FakePlane) -> None:
    studio = Studio(plane, obeys=False)
    studio.sending = {"q": 20_000.0, "h": 50_000.0, "f": 51_000.0}
    studio.pass_time(10, viewer := studio.watch(5e6))
    assert list(studio.rates()) == ["q", "f"]
    assert target(viewer) == "f"


def test_one_that_has_just_begun_is_not_believed_to_be_cheap(plane: FakePlane) -> None:
    """A narrow path is not led to a picture that will cost more in a moment."""
    studio = Studio(plane, obeys=False)
    studio.sending["f"] = 0.9 * MIDDLE
    viewer = studio.watch(1.5 * MIDDLE)
    for rate in (0.9, 0.9, 0.9, 0.9, 3.0, 3.0, 3.0):
        studio.sending["f"] = rate * MIDDLE
        studio.pass_time(1, viewer)
        assert target(viewer) in "qh"
    studio.pass_time(10, viewer)
    assert target(viewer) == "h"


@pytest.mark.parametrize("estimate", [1.5 * MIDDLE, 5e6])
def test_what_stopped_in_a_still_scene_is_not_believed_in_one_that_moves(plane: FakePlane, estimate: float) -> None:
    studio = Studio(plane)
    studio.sending = dict(STILL)
    viewer = studio.watch(5e6)
    studio.pass_time(10, viewer)
    viewer.subscriptions[0].set_ceiling(Layer(1, 7))
    studio.pass_time(5, viewer)
    assert studio.wanted == "h"
    studio.sending = {"q": LOW, "h": MIDDLE, "f": HIGH}
    viewer.budget.handle_estimate(estimate, studio.now)
    studio.pass_time(8, viewer)
    rates = studio.rates()
    assert rates["f"] == pytest.approx(3 * rates["h"], rel=0.01)
    viewer.subscriptions[0].set_ceiling(Layer(2, 7))
    studio.pass_time(8, viewer)
    assert target(viewer) == ("f" if estimate > HIGH else "h")


def test_one_given_up_while_it_began_is_had_again_from_a_publisher_that_obeys(plane: FakePlane) -> None:
    studio = Studio(plane)
    studio.sending["f"] = 0.9 * MIDDLE
    viewer = studio.watch(5e6)
    studio.pass_time(4, viewer)
    assert studio.wanted == "h"
    studio.sending["f"] = HIGH
    studio.pass_time(6, viewer)
    assert target(viewer) == "f"
    studio.pass_time(30, viewer)
    assert target(viewer) == "f"


def test_padding_that_a_publisher_sends_costs_viewers_nothing(plane: FakePlane) -> None:
    studio = Studio(plane, obeys=False)
    studio.pass_time(5)
    rates = studio.rates()
    for _ in range(5):
        studio.padding += 2_000
        studio.pass_time(1)
    assert studio.rates() == pytest.approx(rates, rel=0.01)


def test_the_steps_of_a_track_always_rise(plane: FakePlane) -> None:
    """As the allocation takes them to, whatever was measured."""
    studio = Studio(plane, obeys=False)
    studio.pass_time(8)
    for q in (20e3, 60e3, 150e3):
        for h in (20e3, 60e3, 150e3):
            for f in (20e3, 60e3, 150e3):
                for came in range(1, 8):
                    for encoding, cost in zip(studio.track.encodings, (q, h, f), strict=True):
                        encoding._costs = {0: 0.6 * cost, 1: 0.1 * cost, 2: 0.3 * cost}
                        encoding.active = bool(came >> encoding.index & 1)
                        encoding.measurements += 1
                    rates = [step.rate_bps for step in studio.track.list_steps()]
                    assert rates == sorted(set(rates))
                    assert rates


def test_of_layers_that_cost_about_the_same_the_best_is_kept(plane: FakePlane) -> None:
    scene = Scene(plane, IncomingEncoding("", 500), codec="VP9")
    scene.start()
    scene.track.encodings[0]._costs = {0: 100e3, 8: 8e3, 16: 8e3}
    steps = scene.subscription.layers.list_steps()
    assert [(step.layer, step.rate_bps) for step in steps] == [(Layer(0, 7), 100e3), (WHOLE, 116e3)]
