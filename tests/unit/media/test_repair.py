"""Repair as negotiated: NACK and RTX are two things; and the Layers that need a key frame."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfu import Layer
from sfu.media.layer import WHOLE
from sfu.media.parameter_sets import parameter_sets_of
from sfu.media.track import LAYER_PATIENCE, Track
from sfu.negotiation import Codec, Incoming
from sfu.negotiation.types import IncomingEncoding
from sfu.routing.plane import Gap, Repaired
from sfu.wire.rtcp import GenericNack, PictureLoss
from tests.unit.fakes import FakeClock, FakePlane, make_context, make_shard
from tests.unit.media.scene import OURS, Publisher, Scene, Subscriber


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


def scene_of(plane: FakePlane, codec: Codec, *, kind: str = "video") -> Scene:
    """One Encoding of SSRC 500 whose publisher has described it so."""
    made = Scene.__new__(Scene)
    made.plane, made.publisher, made.shard = plane, Publisher(), make_shard(plane, FakeClock())
    made.track = Track(
        Incoming("0", kind, codec, (IncomingEncoding("", 500),), "", "", ""),
        id="t1",
        stream_id="alice",
        cname="c",
        context=make_context(made.shard, post=made.publisher.post),
        publisher=made.publisher,
        keyframe_interval=0.4,
    )
    made.subscription = Subscriber(made.shard).take(made.track, "s1", ssrc=7, repair_ssrc=8)
    return made


def video(*feedback: str, repair_type: int = 0) -> Codec:
    return Codec("video", "VP8", 90000, 0, 96, {}, feedback, repair_type=repair_type)


def audio(*feedback: str) -> Codec:
    return Codec("audio", "opus", 48000, 2, 111, {}, feedback)


@pytest.mark.parametrize(
    ("codec", "streams"),
    [
        (video("nack", "nack pli"), [(True, True)]),
        (video("nack", repair_type=97), [(True, False), (False, None)]),
        (video("nack pli"), [(False, True)]),
        (video("nack pli", repair_type=97), [(False, False)]),
        (audio("nack"), [(True, True)]),
        (audio(), [(False, True)]),
    ],
)
def test_a_publisher_is_asked_where_it_agreed_on_nack(
    plane: FakePlane, codec: Codec, streams: list[tuple[bool, bool | None]]
) -> None:
    scene = scene_of(plane, codec, kind=codec.kind)
    assert [(about.get("asks", False), about.get("resent")) for about in plane.opened] == streams
    encoding = scene.track.encodings[0]
    scene.learn(0)
    scene.track.handle_notice(encoding, Gap(0, encoding.row, 40, 1), 100.0)
    scene.track.handle_timeout(100.02)
    asked = [GenericNack(OURS, 500, ((40, 0),))] if streams[0][0] else []
    assert scene.asked() == asked
    scene.track.handle_notice(encoding, Repaired(0, encoding.row, 40), 100.07)
    stats = encoding.stats(simulcast=False)
    assert stats.nacks_sent == len(asked)
    if asked and not codec.repair_type:
        assert stats.packets_repaired == 1
        assert stats.round_trip_time_s == pytest.approx(0.05)


def test_audio_is_not_asked_for_when_it_would_come_too_late(plane: FakePlane) -> None:
    scene = scene_of(plane, audio("nack"), kind="audio")
    encoding = scene.track.encodings[0]
    scene.learn(0)
    scene.track.handle_notice(encoding, Gap(0, encoding.row, 40, 1), 100.0)
    scene.track.handle_timeout(100.02)
    assert len(scene.asked()) == 1
    scene.track.handle_timeout(100.5)
    assert scene.asked() == []
    assert encoding.nacks is not None and encoding.nacks.outstanding == 0


@pytest.mark.parametrize(
    ("codec", "resent"),
    [
        (video("nack", repair_type=101), []),
        (video("nack"), [False]),
        (video("nack pli"), []),
        (audio("nack"), [True]),
        (audio(), []),
    ],
)
def test_a_viewer_is_answered_by_what_it_takes(plane: FakePlane, codec: Codec, resent: list[bool]) -> None:
    scene = scene_of(plane, video("nack pli") if codec.kind == "video" else audio(), kind=codec.kind)
    scene.subscription.start(codec)
    assert [audio for _, audio in plane.repairs.resent] == resent


def start_at_the_base(plane: FakePlane, scene: Scene) -> None:
    """Its viewer has only temporal layer 0 of three that come."""
    scene.learn(0)
    scene.start()
    for second in range(4):
        for layer in range(3):
            plane.octets[layer] = 50_000 * second
        plane.packets = 10 * second + 1
        scene.track.note_packets(scene.track.encodings[0], 10 * second + 1, 101.0 + second)
        scene.track.handle_tick(101.0 + second)
    plane.current_index, plane.key_frames = 0, 1
    scene.subscription.layers.ceiling = Layer(WHOLE.spatial, 0)
    scene.subscription.aim(105.0)
    scene.track.handle_tick(105.0)
    scene.track.handle_tick(110.0)
    scene.track.handle_timeout(120.0)
    assert scene.track.poll_timeout() is None
    scene.asked()


def test_a_layer_that_cannot_be_entered_gets_a_key_frame(plane: FakePlane) -> None:
    """VP8 that never sets Y: nobody can go back from the base to all."""
    scene = scene_of(plane, video("nack pli"))
    start_at_the_base(plane, scene)
    scene.subscription.layers.ceiling = WHOLE
    scene.subscription.aim(121.0)
    assert scene.asked() == []  # most streams can be entered without
    due = scene.track.poll_timeout()
    assert due == 121.0 + LAYER_PATIENCE
    scene.track.handle_timeout(due)
    assert scene.asked() == [PictureLoss(OURS, 500)]
    plane.key_frames, plane.current_temporal = 2, 7
    for second in range(122, 126):
        scene.track.handle_timeout(float(second))
        scene.track.handle_tick(float(second))
    assert scene.asked() == []
    assert scene.track.poll_timeout() is None


def test_a_layer_that_was_entered_needs_none(plane: FakePlane) -> None:
    scene = scene_of(plane, video("nack pli"))
    start_at_the_base(plane, scene)
    scene.subscription.layers.ceiling = WHOLE
    scene.subscription.aim(121.0)
    plane.current_temporal = 2  # the highest that comes
    scene.track.handle_timeout(121.0 + LAYER_PATIENCE)
    scene.track.handle_tick(122.0)
    assert scene.asked() == []
    assert scene.track.poll_timeout() is None


def test_a_publisher_that_sends_none_is_not_asked_for_ever(plane: FakePlane) -> None:
    scene = scene_of(plane, video("nack pli"))
    start_at_the_base(plane, scene)
    scene.subscription.layers.ceiling = WHOLE
    scene.subscription.aim(121.0)
    for second in range(122, 140):
        plane.key_frames += 1  # which are lost on their way
        scene.track.handle_tick(float(second))
    assert 2 <= len(scene.asked()) <= 6


SPS, PPS = "Z0LAHtkA", "aM48gA=="


def h264(sets: str | None) -> Codec:
    parameters = {"packetization-mode": "1"} | ({} if sets is None else {"sprop-parameter-sets": sets})
    return Codec("video", "H264", 90000, 0, 96, parameters, ("nack pli",))


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (None, 0),
        (f"{SPS},{PPS}", 2),
        (f" {SPS} , {PPS} ", 2),
        (f"{SPS}", 1),
        ("", 0),
        (",,", 0),
        (f"{SPS},not base64!,{PPS}", 2),
        ("ZQ==,Z0==,aaaa", 0),
        (",".join([PPS] * 40), 8),
        ("Z" * 3000, 0),
    ],
)
def test_parameter_sets_in_sdp(text: str | None, count: int) -> None:
    found = parameter_sets_of(h264(text))
    assert len(found) == count
    assert all(unit[0] & 0x1F in (7, 8) for unit in found)


def test_the_plane_is_told_the_parameter_sets_of_sdp_and_those_of_the_next_offer(plane: FakePlane) -> None:
    scene = scene_of(plane, h264(f"{SPS},{PPS}"))
    sets = parameter_sets_of(h264(f"{SPS},{PPS}"))
    assert plane.told_sets == [(scene.track.route.row, 0, sets)]
    for text in (f"{SPS},{PPS}", SPS):
        scene.track.update(Incoming("0", "video", h264(text), (IncomingEncoding("", 500),), "", "", ""))
    assert plane.told_sets[1:] == [(scene.track.route.row, 0, sets[:1])]
    assert parameter_sets_of(video()) == ()
