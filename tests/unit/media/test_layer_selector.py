"""Which Layer a Subscription shall get, and what a connection's budget is told of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfu import Layer
from sfu.events import EncodingActive, EncodingInactive, SubscriptionFed, SubscriptionStarved
from sfu.media.layer import WHOLE
from sfu.media.layer_selector import LayerSelector
from sfu.media.subscription import Subscription
from sfu.negotiation.types import IncomingEncoding
from tests.unit.fakes import FakePlane, make_context
from tests.unit.media.scene import RIDS, Scene, Subscriber


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


@pytest.fixture
def scene(plane: FakePlane) -> Scene:
    """Three Encodings, all of which come."""
    made = Scene(plane, *(IncomingEncoding(rid) for rid in RIDS))
    for index in range(3):
        made.learn(index, 90.0)
    return made


@pytest.fixture
def selector(scene: Scene) -> LayerSelector:
    return LayerSelector(scene.track, lambda: False)


def test_the_target_is_within_what_the_viewer_wants_and_what_the_budget_carries(selector: LayerSelector) -> None:
    assert selector.choose()
    assert (selector.target, selector.index, selector.within) == (Layer(2, 7), 2, Layer(3, 7))
    assert not selector.choose()  # nothing has moved
    assert selector.allocate(Layer(1, 7))
    assert not selector.allocate(Layer(1, 7))
    assert selector.choose()
    assert selector.target == Layer(1, 7)
    selector.ceiling = Layer(0, 1)
    assert selector.choose()
    assert selector.target == Layer(0, 1)


def test_a_budget_that_carries_nothing_leaves_the_bound_where_it_was(selector: LayerSelector) -> None:
    selector.allocate(Layer(1, 7))
    assert not selector.allocate(None)
    assert selector.starved
    assert selector.choose()
    assert selector.target == Layer(1, 7)
    assert not selector.allocate(Layer(1, 7))
    assert not selector.starved


def test_what_begins_rises_or_falls_by_an_encoding_takes_a_key_frame(selector: LayerSelector) -> None:
    assert selector.enters(Layer(0, 7))  # new
    selector.allocate(Layer(1, 7))
    assert selector.enters(Layer(2, 0))
    assert not selector.enters(Layer(1, 0))
    assert selector.descends(Layer(0, 7))
    assert not selector.descends(Layer(1, 0))
    selector.allocate(None)
    assert selector.enters(Layer(0, 7))
    assert not selector.descends(Layer(0, 7))  # it begins


def test_in_one_encoding_there_is_nothing_to_descend_to(plane: FakePlane) -> None:
    selector = LayerSelector(Scene(plane, IncomingEncoding("")).track, lambda: False)
    selector.allocate(Layer(2, 7))
    assert not selector.descends(Layer(0, 7))
    assert selector.find_taken() == 1


@pytest.mark.parametrize(("reads", "spatial"), [(True, 3), (False, 0)])
def test_without_the_descriptor_only_the_lowest_picture_of_av1_can_be_decoded(
    plane: FakePlane, reads: bool, spatial: int
) -> None:
    selector = LayerSelector(Scene(plane, IncomingEncoding(""), codec="AV1").track, lambda: reads)
    selector.choose()
    assert selector.within == Layer(spatial, 7)


def test_another_track_is_chosen_of_anew(scene: Scene, plane: FakePlane, selector: LayerSelector) -> None:
    selector.allocate(Layer(1, 7))
    selector.choose()
    selector.follow(Scene(plane, IncomingEncoding("")).track)
    assert selector.target is None
    selector.choose()
    assert selector.target == WHOLE


def test_what_happens_is_posted_under_the_names_of_who_publishes_and_who_receives(scene: Scene) -> None:
    subscriber = Subscriber(scene.shard)
    told: list[object] = []
    context = make_context(scene.shard, 3, peer="bob", post=told.append)
    held = Subscription(scene.track, id="s2", mid="0", ssrc=70, context=context, subscriber=subscriber)
    held.start(scene.track.codec)
    held.allocate(None, 100.0)
    held.allocate(None, 100.5)
    held.allocate(Layer(0, 7), 101.0)
    assert told == [SubscriptionStarved("lobby", "bob", "t1"), SubscriptionFed("lobby", "bob", "t1")]
    assert scene.publisher.events == [EncodingActive("lobby", "alice", "t1", rid) for rid in RIDS]
    for now in range(102, 106):
        scene.track.note_packets(scene.track.encodings[0], now, float(now))
        scene.track.handle_tick(float(now))
    assert scene.publisher.events[3:] == [EncodingInactive("lobby", "alice", "t1", rid) for rid in ("h", "f")]
