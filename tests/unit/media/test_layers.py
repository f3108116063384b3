"""What a Subscription aims at, as Encodings come and go; repair and statistics on the way through a Track."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfu import Layer
from sfu.media.layer import WHOLE
from sfu.media.statistics import RateMeter
from sfu.negotiation.types import IncomingEncoding
from sfu.routing.plane import Gap, KeyFrameNeeded, Repaired
from sfu.wire.kernels.layers import layers_of
from sfu.wire.rtcp import GenericNack, PictureLoss
from tests.unit.fakes import FakePlane
from tests.unit.media.scene import OURS, RIDS, Scene


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


@pytest.fixture
def scene(plane: FakePlane) -> Scene:
    return Scene(plane, *(IncomingEncoding(rid) for rid in RIDS))


def test_the_target_is_the_best_that_flows(scene: Scene) -> None:
    scene.start()
    assert scene.subscription.target == Layer(2, 7)  # nothing flows yet
    scene.learn(0)
    assert scene.subscription.target == Layer(0, 7)
    scene.learn(1)
    scene.learn(2)
    assert scene.subscription.target == Layer(2, 7)
    assert scene.plane.targets[-1][1:] == (2, 3, 7)
    assert scene.publisher.changed == [("q", True), ("h", True), ("f", True)]
    assert scene.asked() == [PictureLoss(OURS, 500), PictureLoss(OURS, 501), PictureLoss(OURS, 502)]


def test_a_new_ceiling_asks_for_a_key_frame_at_once(scene: Scene) -> None:
    for index in range(3):
        scene.learn(index, 90.0)
    scene.start()
    scene.asked()
    scene.subscription.set_ceiling(Layer(1, 1))
    assert scene.subscription.target == Layer(1, 1)
    assert scene.plane.targets[-1][1:] == (1, 3, 1)
    assert scene.asked() == [PictureLoss(OURS, 501)]
    scene.subscription.set_ceiling(Layer(1, 0))  # temporal layers need none
    assert scene.asked() == []
    scene.subscription.set_ceiling(WHOLE)
    assert scene.subscription.target == Layer(2, 7)
    with pytest.raises(ValueError, match="counts from 0"):
        scene.subscription.set_ceiling(Layer(-1, 0))


def test_a_switch_that_does_not_come_about_is_asked_for_again(scene: Scene) -> None:
    for index in range(3):
        scene.learn(index, 100.0)
    scene.start()
    scene.asked()
    scene.plane.key_frames = 1  # which was lost on its way to the subscriber
    for encoding in scene.track.encodings:
        encoding.note_packets(1, 101.0)
    scene.track.handle_tick(101.0)
    assert scene.asked() == [PictureLoss(OURS, 502)]
    scene.plane.current_index = 2
    scene.track.handle_tick(102.0)
    scene.track.handle_tick(103.0)
    assert scene.asked() == []


def test_an_encoding_that_stops_is_left(scene: Scene) -> None:
    for index in range(3):
        scene.learn(index, 100.0)
    scene.start()
    for now in (101.0, 102.0, 103.0):
        for encoding in scene.track.encodings[:2]:
            scene.track.note_packets(encoding, round(now), now)
        scene.track.handle_tick(now)
    assert scene.publisher.changed[-1] == ("f", False)
    assert scene.subscription.target == Layer(1, 7)
    scene.track.note_packets(scene.track.encodings[2], 9, 104.0)
    assert scene.publisher.changed[-1] == ("f", True)
    assert scene.subscription.target == Layer(2, 7)


def test_when_all_stop_nothing_changes(scene: Scene) -> None:
    """A camera that is off, or a still screen: there is nothing better to show."""
    for index in range(3):
        scene.learn(index, 100.0)
    scene.start()
    scene.track.handle_tick(200.0)
    assert scene.subscription.target == Layer(2, 7)


def test_svc_layers_are_aimed_at_within_the_one_encoding(plane: FakePlane) -> None:
    scene = Scene(plane, IncomingEncoding("", 500))
    scene.start()
    scene.subscription.set_ceiling(Layer(1, 2))
    assert scene.plane.targets[-1][1:] == (0, 1, 2)
    scene.plane.current_index = 0
    assert scene.subscription.current == Layer(0, 0)


@pytest.mark.parametrize(
    ("codec", "reads", "spatial"),
    [
        ("AV1", False, 0),
        ("AV1", True, 3),
        ("VP9", False, 3),  # its payload descriptor tells
        ("VP8", False, 3),
        ("H264", False, 0),
        ("H264", True, 3),
    ],
)
def test_spatial_layers_that_a_viewer_cannot_tell_apart_are_left_out(
    plane: FakePlane, codec: str, reads: bool, spatial: int
) -> None:
    scene = Scene(plane, IncomingEncoding("", 500), codec=codec, reads=reads)
    scene.start()
    assert scene.plane.targets[-1][1:] == (0, spatial, 7)
    scene.subscription.set_ceiling(Layer(1, 2))
    assert scene.plane.targets[-1][1:] == (0, min(spatial, 1), 2)
    scene.subscription.set_ceiling(Layer(0, 1))
    assert scene.plane.targets[-1][1:] == (0, 0, 1)


@pytest.mark.parametrize(("reads", "steps"), [(False, [(0, 0), (0, 7)]), (True, [(0, 0), (0, 7), (3, 0), (3, 7)])])
def test_steps_are_those_that_the_viewer_could_decode(
    plane: FakePlane, reads: bool, steps: list[tuple[int, int]]
) -> None:
    scene = Scene(plane, IncomingEncoding("", 500), codec="AV1", reads=reads)
    scene.start()
    scene.track.encodings[0]._costs = {0: 100e3, 1: 50e3, 8: 300e3, 9: 150e3}
    found = scene.subscription.layers.list_steps()
    assert [step.layer.temporal for step in found] == [temporal for _, temporal in steps]
    assert [step.rate_bps for step in found] == [100e3, 150e3, 400e3, 600e3][: len(steps)]


def test_encodings_with_layers_are_told_apart_but_not_their_layers(plane: FakePlane) -> None:
    scene = Scene(plane, *(IncomingEncoding(rid, 500 + k) for k, rid in enumerate(RIDS)), codec="AV1")
    for index in range(3):
        scene.learn(index)
    scene.start()
    assert scene.plane.targets[-1][1:] == (2, 0, 7)


def test_what_is_missing_is_asked_for_by_nack(scene: Scene) -> None:
    scene.learn(1)
    scene.start()
    scene.asked()
    encoding = scene.track.encodings[1]
    scene.track.handle_notice(encoding, Gap(0, encoding.row, 40, 3), 100.0)
    scene.plane.arrivals.add((encoding.row, 41))
    due = scene.track.poll_timeout()
    assert due is not None
    scene.track.handle_timeout(due)
    assert scene.asked() == [GenericNack(OURS, 501, ((40, 0b10),))]
    scene.track.handle_notice(encoding, Repaired(0, encoding.row, 40), due + 0.05)
    assert encoding.stats(simulcast=True).nacks_sent == 2


def test_a_loss_that_is_not_repaired_needs_a_key_frame_where_it_is_shown(scene: Scene) -> None:
    for index in range(3):
        scene.learn(index, 90.0)
    scene.start()
    scene.plane.current_index = 2
    scene.plane.key_frames = 1
    scene.asked()
    for index, expected in ((1, []), (2, [PictureLoss(OURS, 502)])):
        encoding = scene.track.encodings[index]
        scene.track.handle_notice(encoding, Gap(0, encoding.row, 40, 1000), 200.0)
        scene.track.handle_timeout(200.0)
        assert scene.asked() == expected


@pytest.mark.parametrize(("current", "asked"), [(2, True), (1, False)])
def test_who_is_on_a_layer_that_cannot_go_on_gets_a_key_frame(
    scene: Scene, plane: FakePlane, current: int, asked: bool
) -> None:
    """FakePlane's subscribers forward spatial layer 0 of the Encoding `current_index`."""
    scene.start()
    scene.learn(2)
    scene.asked()
    plane.current_index = current
    plane.key_frames = 1
    encoding = scene.track.encodings[2]
    scene.track.handle_notice(encoding, KeyFrameNeeded(0, encoding.row, layers_of(1, 0)), 200.0)
    assert scene.asked() == []
    scene.track.handle_notice(encoding, KeyFrameNeeded(0, encoding.row, layers_of(0, 0)), 300.0)
    assert bool(scene.asked()) == asked


def test_rates() -> None:
    meter = RateMeter()
    assert meter.update(1000, 1.0) == 0
    assert meter.update(2000, 1.1) == 0
    assert meter.update(2000, 2.0) == 8000
    assert meter.update(0, 3.0) == 8000  # begun anew
    assert meter.update(500, 4.0) == 4000


def test_who_is_known_to_decode_layers_without_the_descriptor_gets_them(plane: FakePlane) -> None:
    scene = Scene(plane, IncomingEncoding("", 500), codec="AV1")
    scene.subscriber.decodes_layers = True
    scene.start()
    assert scene.plane.targets[-1][1:] == (0, 3, 7)
