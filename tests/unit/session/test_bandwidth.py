"""A connection's budget shared over its video, and which Encodings a publisher is told to stop."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sfu.media.layer import WHOLE, Layer
from sfu.media.quality import list_steps
from sfu.media.subscription import Subscription
from sfu.media.track import UNWANTED_AFTER
from sfu.negotiation.types import IncomingEncoding
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import Scene
from tests.unit.session.viewer import HIGH, LOW, MIDDLE, Viewer, give_states


class Room:
    """One Track with three Encodings of known rates, and one viewer."""

    def __init__(self, plane: FakePlane) -> None:
        self.full_bps = 0.0
        self.queued = 0
        give_states(plane, lambda: self.queued, lambda: self.full_bps)
        self.scene = Scene(plane, *(IncomingEncoding(rid, 500 + k) for k, rid in enumerate("qhf")))
        self.scene.subscription.close()
        self.track = self.scene.track
        self.viewer = Viewer(self.scene.shard, plane)
        for k, rate in enumerate((LOW, MIDDLE, HIGH)):
            self.scene.learn(k)
            self.track.encodings[k]._costs = {0: rate}
        self.subscription = self.subscribe("s2")

    def subscribe(self, name: str) -> Subscription:
        made = self.viewer.take(self.track, name, ssrc=70, repair_ssrc=80)
        self.viewer.subscriptions.append(made)
        made.start(self.track.codec)
        return made

    def estimate(self, rate: float, now: float) -> Layer | None:
        self.viewer.budget.start(300_000.0, now)
        self.viewer.budget.handle_estimate(rate, now)
        return None if self.subscription.starved else self.subscription.target


@pytest.fixture
def room() -> Iterator[Room]:
    plane = FakePlane()
    yield Room(plane)
    plane.stop()


def test_steps_are_what_flows_and_what_would(room: Room) -> None:
    encodings = room.track.encodings
    assert [(step.layer, round(step.rate_bps)) for step in list_steps(encodings)] == [
        (Layer(0, 7), LOW),
        (Layer(1, 7), MIDDLE),
        (Layer(2, 7), HIGH),
    ]
    assert [step.layer.spatial for step in list_steps(encodings, Layer(1, 7))] == [0, 1]
    encodings[2].active = False  # it may come again
    assert [step.layer.spatial for step in list_steps(encodings)] == [0, 1, 2]
    encodings[2].withheld = True
    assert [step.layer.spatial for step in list_steps(encodings)] == [0, 1]


def test_what_a_sound_costs_is_forgotten_with_its_subscription(room: Room) -> None:
    room.estimate(1_000_000.0, 100.0)
    layers = SimpleNamespace(bound_growth=lambda: None)
    for number in range(3):  # as who speaks comes and goes
        sound = SimpleNamespace(id=f"a{number}", octets=0, track=SimpleNamespace(kind="audio"), layers=layers)
        room.viewer.subscriptions.append(sound)  # type: ignore[arg-type]
        room.viewer.budget.update(101.0 + number)
        room.viewer.subscriptions.remove(sound)  # type: ignore[arg-type]
    assert list(room.viewer.budget._audio) == ["a2"]


def test_a_bound_holds_whatever_the_path_carries(room: Room) -> None:
    assert room.estimate(3_000_000.0, 100.0) == Layer(2, 7)
    room.viewer.budget.bound(MIDDLE * 1.2, 101.0)
    assert room.subscription.target == Layer(1, 7)
    room.viewer.budget.bound(LOW / 2, 102.0)
    assert room.subscription.starved, "nor does what no path has tested go beyond it"
    room.viewer.budget.bound(float("inf"), 103.0)
    assert not room.subscription.starved
    room.viewer.budget.estimate_bps = None
    room.viewer.budget.bound(MIDDLE * 1.2, 110.0)
    assert room.subscription.target == Layer(1, 7), "no estimate is known"


def test_a_track_is_wanted_while_somebody_has_or_records_it(room: Room) -> None:
    assert room.track.wanted
    room.subscription.close()
    assert not room.track.wanted
    room.track.set_recorded(object(), True, 100.0)
    assert room.track.wanted


def test_temporal_layers_are_steps_and_higher_sizes_come_at_half_the_rate_at_least(room: Room) -> None:
    for encoding, rate in zip(room.track.encodings, (LOW, MIDDLE, HIGH), strict=True):
        encoding._costs = {0: 0.5 * rate, 1: 0.2 * rate, 2: 0.3 * rate}
    layers = [step.layer for step in list_steps(room.track.encodings)]
    assert layers == [Layer(0, 0), Layer(0, 1), Layer(0, 7), Layer(1, 1), Layer(1, 7), Layer(2, 1), Layer(2, 7)]


def test_steps_are_kept_until_something_is_measured_or_comes_or_goes(room: Room) -> None:
    track = room.track
    steps = track.list_steps()
    assert steps == list_steps(track.encodings)
    assert track.list_steps() is steps
    assert track.list_steps(Layer(99, 99)) is steps  # all ceilings above the best are one, or they would grow in number
    assert track.list_steps(Layer(1, 7)) == list_steps(track.encodings, Layer(1, 7))
    track.encodings[2].active, track.encodings[2].withheld = False, True
    assert [step.layer.spatial for step in track.list_steps()] == [0, 1]
    track.encodings[2].active, track.encodings[2].withheld = True, False
    assert track.list_steps() == steps
    track.encodings[2]._costs = {0: 2.0 * HIGH}
    track.encodings[2].active = False
    track.encodings[2].measure(100.0)
    track.encodings[2].active = True
    assert round(track.list_steps()[-1].rate_bps) == 2 * HIGH


def test_what_a_viewer_takes_is_told_only_when_it_has_changed(room: Room) -> None:
    told: list[float] = []
    note_wanted = room.track.note_wanted
    room.track.note_wanted = lambda now: (told.append(now), note_wanted(now))[1]  # type: ignore[method-assign]
    room.estimate(0.5e6, 101.0)
    first = list(told)
    assert first
    room.estimate(0.5e6, 101.5)
    assert told == first
    room.estimate(0.2e6, 102.0)
    assert told != first


def test_the_target_follows_the_estimate(room: Room) -> None:
    assert room.estimate(2e6, 100.0) == Layer(2, 7)
    assert room.estimate(0.5e6, 101.0) == Layer(1, 7)
    assert room.estimate(0.2e6, 102.0) == Layer(0, 7)
    room.full_bps = 0.05e6
    assert room.estimate(0.05e6, 103.0) is None
    assert room.subscription.stopped
    assert room.viewer.starved == [True]
    assert room.estimate(0.18e6, 103.5) is None  # a hold, longer since it had come down fast
    assert room.estimate(0.18e6, 125.0) == Layer(0, 7)
    assert room.viewer.starved == [True, False]


def test_an_estimate_that_was_not_measured_holds_no_lowest_step_back(room: Room) -> None:
    assert room.estimate(0.03e6, 100.0) == Layer(0, 7)
    room.full_bps = 0.125e6  # enough for it: the estimate is only low for a moment
    assert room.estimate(0.03e6, 101.0) == Layer(0, 7)
    room.full_bps = 0.11e6
    assert room.estimate(0.03e6, 102.0) is None
    room.full_bps = 0.0  # that was long ago
    assert room.estimate(0.03e6, 109.0) == Layer(0, 7)
    assert room.viewer.starved == [True, False]


def test_a_publisher_that_sends_ever_more_is_followed_until_the_path_is_full(room: Room) -> None:
    for encoding in room.track.encodings[1:]:
        encoding.active = False
    room.estimate(0.3e6, 100.0)
    for second, rate in enumerate((0.3e6, 1.0e6, 2.5e6)):
        room.track.encodings[0]._costs = {0: rate}
        room.track.encodings[0].measurements += 1
        assert room.estimate(0.3e6, 101.0 + second) == Layer(0, 7)
    room.full_bps = 2.0e6
    assert room.estimate(0.3e6, 104.0) is None


def test_where_nothing_was_measured_one_video_after_the_other_begins(room: Room) -> None:
    videos = [room.subscription, *(room.subscribe(f"m{k}") for k in range(4))]
    videos[-1].set_priority(2.0)
    room.viewer.budget.start(30_000.0, 100.0)
    flowing = []
    for tick in range(6):
        room.viewer.budget.update(100.0 + tick / 10)
        flowing.append([video for video in videos if not video.stopped])
    assert [len(each) for each in flowing] == [1, 2, 3, 4, 5, 5]
    assert flowing[0] == [videos[-1]]  # the most important one
    room.full_bps = 350_000.0  # as much as three of them take, at the least
    room.viewer.budget.update(100.6)
    assert [video for video in videos if not video.stopped] == [videos[0], videos[-1]]


def test_without_feedback_all_get_their_best(room: Room) -> None:
    room.viewer.budget.start(None, 100.0)
    room.viewer.budget.update(100.0)
    assert room.subscription.target == Layer(2, 7)
    assert room.viewer.budget.stats().estimate_bps is None


def test_what_stands_before_the_pacer_is_made_up_for(room: Room) -> None:
    room.estimate(1e6, 100.0)
    for queued, budget_bps in ((12_500, 940_000), (1_250_000, 790_000)):  # 0.1 s of the estimate, and 10 s
        room.queued = queued
        for tick in range(1, 7):
            room.viewer.budget.update(100.0 + tick / 5)
        assert room.viewer.budget.stats().budget_bps == budget_bps
    room.queued = 0
    room.viewer.budget.update(102.1)
    assert room.viewer.budget.stats().budget_bps == 1_040_000


def test_receiver_reports_bound_those_who_tell_nothing_better(room: Room) -> None:
    plane, budget = room.scene.plane, room.viewer.budget
    sent = iter(range(0, 11_000_000, 125_000))

    class State:
        queued_bytes = 0

        @property
        def bytes_out(self) -> int:
            return next(sent)

    plane.connection_state = lambda row: State()  # type: ignore[attr-defined]
    bounds: list[int] = []
    plane.set_loss_bound = lambda row, rate: bounds.append(rate)  # type: ignore[attr-defined]
    budget.start(None, 100.0)
    for second in range(5):
        budget.handle_loss(0.3, 100.0 + second)
    assert bounds == [850_000, 722_500]
    budget.handle_estimate(722_500, 105.0)
    assert room.subscription.target == Layer(1, 7)
    for second in range(5, 82):
        budget.handle_loss(0.0, 100.0 + second)
    assert bounds[-1] == 1_000_000_000  # no bound any more
    budget.handle_estimate(1_000_000_000, 182.0)
    assert budget.estimate_bps is None


def test_the_plane_is_told_what_could_be_used(room: Room) -> None:
    plane = room.scene.plane
    room.estimate(2e6, 100.0)
    assert plane.limits == [2_500_000]
    room.subscription.set_ceiling(Layer(0, 7))  # it may be lifted at any time
    assert len(plane.limits) == 1
    room.subscription.set_on_screen(False)
    assert plane.limits[-1] == 100_000


def test_priority_and_what_is_on_screen(room: Room) -> None:
    other = room.subscribe("s3")
    room.estimate(1.5e6, 100.0)
    room.viewer.clock = 101.0
    room.subscription.set_priority(5.0)
    assert (room.subscription.target, other.target) == (Layer(2, 7), Layer(1, 7))
    room.subscription.set_on_screen(False)
    assert room.subscription.stopped
    room.viewer.budget.update(103.0)
    assert other.target == Layer(2, 7)
    for wrong in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="above 0"):
            other.set_priority(wrong)


def test_where_many_are_to_rise_their_key_frames_take_turns(room: Room) -> None:
    videos = [room.subscription, *(room.subscribe(f"m{k}") for k in range(9))]
    budget_bps = 11e6
    room.estimate(budget_bps / 1.04, 100.0)
    raised: list[int] = []
    for tick in range(21):
        now = 100.0 + tick / 10
        if room.viewer.budget.poll_timeout() is None or tick % 5 == 0:
            room.viewer.budget.update(now)
        room.viewer.budget.handle_timeout(now)
        raised.append(sum(video.target == Layer(2, 7) for video in videos))
        assert not any(video.starved for video in videos)
    assert 1 <= raised[0] <= 3
    assert max(b - a for a, b in itertools.pairwise(raised)) <= 3
    assert raised[10] >= 6
    assert raised[20] == 10  # nobody waits for long


def test_who_is_shown_again_takes_turns_too(room: Room) -> None:
    videos = [room.subscription, *(room.subscribe(f"m{k}") for k in range(9))]
    for tick in range(21):
        room.estimate(10.2e6, 100.0 + tick / 10)
    for video in videos:
        video.pause()
    room.viewer.clock = 104.0
    for video in videos:
        video.resume()
    assert 1 <= sum(video.target == Layer(2, 7) for video in videos) <= 3
    assert not any(video.stopped for video in videos)


def test_who_enters_waits_for_the_key_frames_of_those_who_had_to_go_down(room: Room) -> None:
    videos = [room.subscription, *(room.subscribe(f"m{k}") for k in range(9))]
    for tick in range(31):
        room.estimate(10.2e6, 100.0 + tick / 10)

    def show_again(now: float) -> Layer | None:
        room.viewer.clock = now
        videos[0].pause()
        videos[0].resume()
        return videos[0].target

    assert show_again(104.0) == Layer(2, 7)
    assert room.estimate(3.05e6, 110.0) == Layer(1, 7)
    assert {video.target for video in videos} == {Layer(1, 7)}
    assert show_again(110.1) == Layer(0, 7)
    assert show_again(113.0) == Layer(1, 7)


def test_an_encoding_that_nobody_takes_is_not_wanted_and_comes_back_at_once(room: Room) -> None:
    publisher = room.scene.publisher
    room.estimate(2e6, 100.0)
    room.track.handle_timeout(100.0 + UNWANTED_AFTER)
    assert publisher.wanted == [("q", False), ("h", False)]
    assert UNWANTED_AFTER < 2.0
    room.subscription.set_ceiling(Layer(0, 7))
    room.track.encodings[2].active = True
    assert publisher.wanted[2:] == [("q", True)]
    deadline = room.track.poll_timeout()
    assert deadline is not None
    room.track.handle_timeout(deadline)
    assert publisher.wanted[2:] == [("q", True), ("f", False)]
    room.track.encodings[2].active = False  # the publisher has obeyed
    room.viewer.clock = 103.0
    room.subscription.set_ceiling(WHOLE)
    assert publisher.wanted[4:] == [("h", True), ("f", True)]  # the middle one until the high one comes
    assert room.subscription.target is not None
    assert room.subscription.target.spatial == 1  # until it comes


def test_what_is_taken_again_after_a_pause_is_wanted_at_once(room: Room) -> None:
    publisher = room.scene.publisher
    room.estimate(2e6, 100.0)
    room.track.handle_timeout(102.0)
    room.subscription.pause()
    room.track.note_wanted(103.0)  # as it does each second
    room.track.handle_timeout(105.0)
    assert publisher.wanted[-1] == ("f", False)
    room.viewer.clock = 106.0
    room.subscription.resume()
    assert publisher.wanted[-1] == ("f", True)


def test_a_viewer_who_comes_and_goes_decides_what_is_wanted(room: Room) -> None:
    publisher = room.scene.publisher
    room.estimate(2e6, 100.0)
    room.track.handle_timeout(102.0)
    room.subscription.close()
    room.track.note_wanted(102.0)
    room.track.handle_timeout(104.0)
    assert [encoding.wanted for encoding in room.track.encodings] == [False, False, False]
    room.viewer.subscriptions.clear()
    room.subscription = room.subscribe("s4")
    assert publisher.wanted[-1][1]
    assert any(encoding.wanted for encoding in room.track.encodings)


def test_the_highest_layer_that_somebody_wants_counts_whatever_paths_carry(room: Room) -> None:
    track, first = room.track, room.subscription
    assert track.wanted_spatial == WHOLE.spatial
    first.set_ceiling(Layer(0, 7))
    first.allocate(None, 100.0)
    assert (first.starved, track.wanted_spatial) == (True, 0)
    second = room.subscribe("s3")
    second.set_ceiling(Layer(1, 7))
    assert track.wanted_spatial == 1
    second.pause()
    assert track.wanted_spatial == 0
    first.set_on_screen(False)
    assert track.wanted_spatial is None
    track.set_recorded(object(), True, 101.0)
    assert track.wanted_spatial == WHOLE.spatial
