"""A budget is looked at when it matters: while all videos have their best with headroom, nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.media.layer import Layer
from sfu.media.subscription import Subscription
from sfu.negotiation.types import IncomingEncoding
from sfu.session.bandwidth import INTERVAL, RESTS
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import Scene
from tests.unit.session.viewer import HIGH, LOW, MIDDLE, Viewer, give_states

AMPLE = 10e6


class Meeting:
    """One viewer of some Tracks with three Encodings each."""

    def __init__(self, plane: FakePlane, tracks: int = 1) -> None:
        give_states(plane)
        self.looks = 0
        self.scenes = [
            Scene(plane, *(IncomingEncoding(rid, 500 + k) for k, rid in enumerate("qhf"))) for _ in range(tracks)
        ]
        self.viewer = Viewer(self.scenes[0].shard, plane)
        self.viewer.budget.start(300_000.0, self.viewer.clock)
        self.videos: list[Subscription] = []
        for number, scene in enumerate(self.scenes):
            scene.subscription.close()
            for k, rate in enumerate((LOW, MIDDLE, HIGH)):
                scene.learn(k)
                scene.track.encodings[k]._costs = {0: rate}
            made = self.viewer.take(scene.track, f"s{number}", ssrc=70 + number, repair_ssrc=80 + number)
            self.viewer.subscriptions.append(made)
            self.videos.append(made)
            made.start(scene.track.codec)
        allocate = self.viewer.budget._allocator.allocate

        def look(*given: object, **more: object) -> object:
            self.looks += 1
            return allocate(*given, **more)  # type: ignore[arg-type]

        self.viewer.budget._allocator.allocate = look  # type: ignore[method-assign, assignment]

    def pass_time(self, seconds: float) -> None:
        self.viewer.clock += seconds
        self.viewer.budget.handle_timeout(self.viewer.clock)

    def estimate(self, rate: float) -> None:
        self.viewer.budget.handle_estimate(rate, self.viewer.clock)

    def settle(self, rate: float) -> None:
        """Let all find what is theirs at a rate; then count anew."""
        for _ in range(40):
            self.estimate(rate)
            self.pass_time(INTERVAL)
        self.looks = 0

    def cost(self, scene: Scene, index: int, rate: float) -> None:
        """As the Track finds once a second."""
        scene.track.encodings[index]._costs = {0: rate}
        scene.track.encodings[index].measurements += 1
        for subscription in list(scene.track.subscriptions.values()):
            subscription.handle_measurement()

    @property
    def layers(self) -> list[Layer | None]:
        return [None if each.starved else each.target for each in self.videos]


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    plane = FakePlane()
    yield plane
    plane.stop()


def test_where_nothing_is_received_nothing_is_due(plane: FakePlane) -> None:
    meeting = Meeting(plane)
    meeting.settle(AMPLE)
    budget = meeting.viewer.budget
    assert budget.poll_timeout() is not None
    (video,) = meeting.videos
    meeting.viewer.subscriptions.clear()
    video.close()
    meeting.pass_time(RESTS)
    assert budget.poll_timeout() is None
    meeting.viewer.subscriptions.append(meeting.viewer.take(meeting.scenes[0].track, "s9", ssrc=79, repair_ssrc=89))
    meeting.viewer.subscriptions[0].start(meeting.scenes[0].track.codec)
    assert budget.poll_timeout() is not None


def test_with_headroom_nothing_is_computed(plane: FakePlane) -> None:
    meeting = Meeting(plane, 2)
    meeting.settle(AMPLE)
    for _ in range(9):
        meeting.pass_time(INTERVAL)
        meeting.estimate(0.7 * AMPLE)
        meeting.estimate(AMPLE)
        meeting.cost(meeting.scenes[0], 2, 1.3 * HIGH)
    assert meeting.looks <= 1
    assert meeting.layers == [Layer(2, 7)] * 2
    meeting.pass_time(RESTS)
    assert meeting.looks >= 1


def test_without_it_the_budget_is_looked_at_as_often_as_ever(plane: FakePlane) -> None:
    meeting = Meeting(plane)
    meeting.settle(1.1 * MIDDLE)
    for _ in range(6):
        meeting.pass_time(INTERVAL)
    assert meeting.looks == 6
    assert meeting.layers == [Layer(1, 7)]


def test_an_estimate_that_falls_below_what_all_cost_is_obeyed_at_once(plane: FakePlane) -> None:
    meeting = Meeting(plane)
    meeting.settle(AMPLE)
    meeting.estimate(1.1 * MIDDLE)
    assert meeting.layers == [Layer(1, 7)]


def test_a_video_that_grows_beyond_the_headroom_is_looked_at_when_it_is_measured(plane: FakePlane) -> None:
    meeting = Meeting(plane)
    meeting.settle(AMPLE)
    meeting.cost(meeting.scenes[0], 2, 1.2 * AMPLE)
    assert meeting.layers == [Layer(1, 7)]


def test_a_better_layer_is_taken_when_it_comes(plane: FakePlane) -> None:
    meeting = Meeting(plane)
    top = meeting.scenes[0].track.encodings[2]
    top.active, top.withheld = False, True
    meeting.settle(AMPLE)
    assert meeting.layers == [Layer(1, 7)]
    top.active, top.withheld = True, False
    meeting.cost(meeting.scenes[0], 2, HIGH)
    assert meeting.viewer.budget.wanted_bps == pytest.approx(HIGH, rel=0.01)
    meeting.settle(AMPLE)
    assert meeting.layers == [Layer(2, 7)]


def test_what_is_held_back_leaves_its_room_to_others_at_once(plane: FakePlane) -> None:
    meeting = Meeting(plane, 2)
    meeting.settle(AMPLE)
    meeting.scenes[0].track.hold(True)
    assert meeting.viewer.budget.wanted_bps == pytest.approx(HIGH, rel=0.01)
    meeting.scenes[0].track.hold(False)
    assert meeting.viewer.budget.wanted_bps == pytest.approx(2 * HIGH, rel=0.01)


def test_a_limit_where_none_was_known_is_obeyed_at_once(plane: FakePlane) -> None:
    meeting = Meeting(plane)
    meeting.settle(2e9)
    assert meeting.viewer.budget.budget_bps is None
    meeting.estimate(1.1 * MIDDLE)
    assert meeting.layers == [Layer(1, 7)]


events = st.one_of(
    st.tuples(st.just("estimate"), st.floats(50_000.0, AMPLE)),
    st.tuples(st.sampled_from(["cost 0", "cost 1", "cost 2"]), st.floats(20_000.0, 5e6)),
    st.tuples(st.just("time"), st.floats(0.05, 2.0)),
    st.tuples(st.just("bound"), st.one_of(st.floats(100_000.0, AMPLE), st.just(float("inf")))),
)


@settings(deadline=None)
@given(tracks=st.integers(1, 3), happens=st.lists(events, max_size=30))
def test_whenever_it_rests_another_look_would_change_nothing(tracks: int, happens: list[tuple[str, float]]) -> None:
    plane = FakePlane()
    try:
        meeting = Meeting(plane, tracks)
        budget = meeting.viewer.budget
        meeting.settle(AMPLE)
        for what, value in happens:
            if what == "estimate":
                meeting.estimate(value)
            elif what == "time":
                meeting.pass_time(value)
            elif what == "bound":
                budget.bound(value, meeting.viewer.clock)
            else:
                index = int(what[-1])
                for scene in meeting.scenes:
                    meeting.cost(scene, index, value)
            due = budget.poll_timeout()
            assert due is not None
            if due - meeting.viewer.clock > INTERVAL:
                before = meeting.layers
                budget.update(meeting.viewer.clock)
                assert meeting.layers == before
    finally:
        plane.stop()
