"""Key-frame requests on their way to the publisher, and the rows of a Track."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfu.media.track import Track
from sfu.negotiation import Codec, Incoming
from sfu.negotiation.types import IncomingEncoding
from sfu.wire.rtcp import FullIntraRequest, PictureLoss, parse_compound
from tests.unit.fakes import FakeClock, FakePlane, make_context, make_shard
from tests.unit.media.scene import OURS, Publisher

THEIRS = 22


@pytest.fixture
def plane() -> Iterator[FakePlane]:
    made = FakePlane()
    yield made
    made.stop()


def make_track(
    plane: FakePlane, publisher: Publisher, *, feedback: tuple[str, ...], ssrc: int | None = THEIRS
) -> Track:
    codec = Codec("video", "VP8", 90000, 0, 96, {}, feedback)
    return Track(
        Incoming("0", "video", codec, (IncomingEncoding("", ssrc),), "", "", ""),
        id="t1",
        stream_id="alice",
        cname="c",
        context=make_context(make_shard(plane, FakeClock()), post=publisher.post),
        publisher=publisher,
        keyframe_interval=1.0,
    )


def test_pictures_lost_become_one_pli_until_a_key_frame_has_come(plane: FakePlane) -> None:
    publisher = Publisher()
    track = make_track(plane, publisher, feedback=("nack pli", "ccm fir"))
    for k in range(300):
        track.request_key_frame(100.0 + k / 1000)
    assert [parse_compound(packet) for packet in publisher.sent] == [[PictureLoss(OURS, THEIRS)]]
    assert publisher.touched == 300
    assert track.poll_timeout() == 101.0
    track.handle_timeout(101.0)
    assert len(publisher.sent) == 2
    plane.key_frames = 1
    track.handle_timeout(103.0)
    assert len(publisher.sent) == 2
    assert track.poll_timeout() is None


def test_fir_where_the_publisher_knows_no_pli(plane: FakePlane) -> None:
    publisher = Publisher()
    track = make_track(plane, publisher, feedback=("ccm fir",))
    track.request_key_frame(100.0)
    plane.key_frames = 1
    track.request_key_frame(105.0)
    numbers = [parse_compound(packet) for packet in publisher.sent]
    assert numbers == [[FullIntraRequest(OURS, ((THEIRS, number),))] for number in (1, 2)]


def test_nothing_that_was_not_negotiated_is_sent_but_it_is_counted(plane: FakePlane) -> None:
    publisher = Publisher()
    track = make_track(plane, publisher, feedback=())
    track.request_key_frame(100.0)
    assert publisher.sent == []
    assert track.route.shard.drops == {"drop_key_frame_request_not_negotiated": 1}


def test_a_request_does_not_count_before_the_publisher_can_be_asked(plane: FakePlane) -> None:
    publisher = Publisher()
    track = make_track(plane, publisher, feedback=("nack pli",), ssrc=None)
    publisher.connected = False
    track.request_key_frame(100.0)
    publisher.connected = True
    track.request_key_frame(100.1)
    assert publisher.sent == []
    track.handle_source(track.encodings[0], THEIRS, 100.2)
    track.request_key_frame(100.3)
    assert len(publisher.sent) == 1


def test_a_mute_by_goodbye_ends_with_the_next_packet(plane: FakePlane) -> None:
    track = make_track(plane, Publisher(), feedback=())
    assert track.mute.handle_goodbye(10)
    assert not track.mute.handle_goodbye(10)
    assert not track.note_packets(track.encodings[0], 10, 1.0)
    assert track.muted and not track.kept_back
    assert track.note_packets(track.encodings[0], 11, 2.0)
    assert not track.muted


def test_a_mute_by_word_ends_by_word_whatever_comes(plane: FakePlane) -> None:
    publisher = Publisher()
    track = make_track(plane, publisher, feedback=("nack pli",))
    assert track.state_mute(True)
    assert not track.state_mute(True)
    assert track.muted and track.kept_back
    assert not track.note_packets(track.encodings[0], 11, 2.0)
    assert not track.mute.handle_goodbye(11), "it was muted before"
    assert not track.note_packets(track.encodings[0], 12, 3.0)
    track.request_key_frame(3.0)
    assert track.muted and publisher.sent == [], "nobody needs a key frame of what goes to nobody"
    assert track.state_mute(False)
    assert not track.muted


def test_who_says_that_he_goes_on_takes_a_goodbye_back(plane: FakePlane) -> None:
    track = make_track(plane, Publisher(), feedback=())
    assert track.mute.handle_goodbye(10)
    assert track.state_mute(False)
    assert not track.muted
    assert not track.note_packets(track.encodings[0], 11, 2.0)


def test_the_end_frees_all_rows(plane: FakePlane) -> None:
    track = make_track(plane, Publisher(), feedback=("nack pli",))
    assert {kind for kind, _ in plane.open} == {"track", "encoding"}
    track.close()
    track.close()
    assert plane.open == set()
    track.request_key_frame(100.0)
