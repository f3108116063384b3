"""What clients other than browsers offer, in the shape that their sources give it (tests/vectors/sdp/README.md)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sfu.negotiation import Answerer, LocalTransport, Outgoing
from sfu.negotiation.sdp import parse_sdp
from tests.unit.negotiation.conftest import CODECS

Vector = Callable[[str], str]


@pytest.mark.parametrize(
    ("name", "mids", "video", "repaired", "setup"),
    [
        ("ffmpeg_publisher", ["0", "1"], ("H264", 106, 105), True, "active"),
        ("gstreamer_publisher", ["video0", "audio1"], ("VP8", 96, 0), False, "passive"),
        ("obs_publisher", ["0", "1"], ("H264", 96, 0), False, "passive"),
        ("pion_publisher", ["0", "1"], ("VP8", 96, 97), True, "passive"),
        ("werift_publisher", ["0", "1"], ("VP8", 97, 98), True, "passive"),
        ("str0m_publisher", ["hFw", "Zq1"], ("VP8", 96, 97), True, "passive"),
        ("safari_publisher", ["0", "1"], ("H264", 98, 99), True, "passive"),
    ],
)
def test_a_publisher(
    vector: Vector,
    answerer: Answerer,
    local: LocalTransport,
    name: str,
    mids: list[str],
    video: tuple[str, int, int],
    repaired: bool,
    setup: str,
) -> None:
    offer = vector(name)
    diff = answerer.handle_offer(offer)
    assert [each.mid for each in diff.incoming] == mids
    by_kind = {each.kind: each for each in diff.incoming}
    codec = by_kind["video"].codec
    assert (codec.name, codec.payload_type, codec.repair_type) == video
    for each in diff.incoming:
        (stream,) = each.encodings
        assert f"a=ssrc:{stream.ssrc} " in offer
        assert (stream.repair_ssrc is not None) == (repaired and each.kind == "video")
        assert each.cname
    assert by_kind["audio"].codec.name == "opus"
    session = parse_sdp(answerer.build_answer(local))
    assert session.attributes.first("group") == f"BUNDLE {' '.join(mids)}"
    for media in session.media:
        assert media.port
        assert media.attributes.first("setup") == setup
        assert "recvonly" in media.attributes


@pytest.mark.parametrize(
    ("name", "codec", "payload_type"),
    [
        ("safari_subscriber", "H264", 98),
        ("safari_subscriber", "VP8", 127),
        ("safari_subscriber", "VP9", 125),
        ("pion_publisher", "H264", 102),  # sendrecv: what a player of Pion offers
        ("pion_publisher", "AV1", 45),
    ],
)
def test_a_viewer(
    vector: Vector, answerer: Answerer, local: LocalTransport, name: str, codec: str, payload_type: int
) -> None:
    diff = answerer.handle_offer(vector(name))
    slots = {slot.kind: slot.mid for slot in diff.slots}
    for number, (kind, published) in enumerate({"audio": "opus", "video": codec}.items(), 1):
        answerer.assign(slots[kind], Outgoing(number, "cname", "alice", f"track-{number}", CODECS[published]))
    by_kind = {media.kind: media for media in parse_sdp(answerer.build_answer(local)).media}
    video = by_kind["video"].formats
    assert str(payload_type) in video
    assert by_kind["audio"].formats[0] == "111"
