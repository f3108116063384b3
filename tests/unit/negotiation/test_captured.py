"""What clients of other makers really offer (tests/vectors/sdp/captured) gets an answer, with all that they have.

So does what the SDKs for phones offer, which could not be captured.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sfu.negotiation import Answerer, LocalTransport, Outgoing
from sfu.negotiation.sdp import parse_sdp
from tests.unit.negotiation.conftest import CODECS, VECTORS

Vector = Callable[[str], str]

CAPTURED = sorted(path.stem for path in (VECTORS / "captured").glob("*.sdp"))
PUBLISHERS = [name for name in CAPTURED if "_publisher" in name]
SUBSCRIBERS = [f"captured/{name}" for name in CAPTURED if name.endswith("_subscriber")]
PHONES = ["android", "ios"]
REPAIRED = ("pion", "str0m", "werift", "gstreamer")
"""Those that offer RTX."""


def test_there_are_offers_of_both_kinds() -> None:
    assert len(PUBLISHERS) >= 11
    assert len(SUBSCRIBERS) >= 5


@pytest.mark.parametrize("name", PUBLISHERS)
def test_a_publisher(vector: Vector, answerer: Answerer, local: LocalTransport, name: str) -> None:
    offer = vector(f"captured/{name}")
    by_kind = {track.kind: track for track in answerer.handle_offer(offer).incoming}
    client, _, codec = name.split("_")
    assert by_kind["audio"].codec.name == "opus"
    video = by_kind["video"]
    assert video.codec.name == codec.upper()
    assert bool(video.codec.repair_type) == (client in REPAIRED)
    assert len(video.encodings) == 1
    answer = parse_sdp(answerer.build_answer(local))
    expected = "active" if "a=setup:passive" in offer else "passive"
    for media in answer.media:
        assert media.port, "a section was refused"
        assert "recvonly" in media.attributes
        assert media.attributes.first("setup") == expected


def test_a_publisher_of_three_encodings(vector: Vector, answerer: Answerer) -> None:
    (video,) = answerer.handle_offer(vector("captured/pion_simulcast")).incoming
    assert [encoding.rid for encoding in video.encodings] == ["q", "h", "f"]


@pytest.mark.parametrize(("name", "codecs"), [("android", {"VP8", "H264"}), ("ios", {"VP8", "H264"})])
def test_a_phone_that_publishes(
    vector: Vector, answerer: Answerer, local: LocalTransport, name: str, codecs: set[str]
) -> None:
    audio, video = answerer.handle_offer(vector(f"{name}_publisher")).incoming
    assert audio.codec.name == "opus"
    assert video.codec.name in codecs
    assert video.codec.repair_type
    assert [encoding.repair_ssrc is not None for encoding in video.encodings] == [True]
    assert all(media.port for media in parse_sdp(answerer.build_answer(local)).media)


@pytest.mark.parametrize("codec", ["VP8", "VP9", "H264"])
@pytest.mark.parametrize("name", [*SUBSCRIBERS, *(f"{name}_subscriber" for name in PHONES)])
def test_a_viewer(vector: Vector, answerer: Answerer, local: LocalTransport, name: str, codec: str) -> None:
    slots = {slot.kind: slot.mid for slot in answerer.handle_offer(vector(name)).slots}
    for number, (kind, published) in enumerate({"audio": "opus", "video": codec}.items(), 1):
        answerer.assign(slots[kind], Outgoing(number, "cname", "alice", f"track-{number}", CODECS[published]))
    for media in parse_sdp(answerer.build_answer(local)).media:
        assert media.port, "a section was refused"
        assert "sendonly" in media.attributes
        published = codec if media.kind == "video" else "opus"
        first = f"{media.formats[0]} {published}/"
        assert any(value.lower().startswith(first.lower()) for value in media.attributes.all("rtpmap"))
