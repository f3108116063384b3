"""Which stream a decoder takes: what uses less than the decoder knows fits, too."""

from __future__ import annotations

import pytest

from sfu.negotiation import Answerer, Codec, LocalTransport, NegotiationError, Offerer, Outgoing
from tests.unit.negotiation.conftest import Client, MakeOutgoing
from tests.unit.offers import make_offer


def codec(name: str, parameters: str = "") -> Codec:
    pairs = (item.partition("=") for item in parameters.split(";") if item)
    return Codec("video", name, 90000, 0, 96, {key: value for key, _, value in pairs})


def h264(profile: str, mode: str = "1") -> str:
    return f"packetization-mode={mode};profile-level-id={profile}"


CONSTRAINED, BASELINE, MAIN, HIGH, CONSTRAINED_HIGH = "42e01f", "42001f", "4d001f", "64001f", "640c1f"


@pytest.mark.parametrize(
    ("stream", "decoders", "others"),
    [
        (CONSTRAINED, (CONSTRAINED, BASELINE, "58c01f", MAIN, HIGH, CONSTRAINED_HIGH, "6e001f", "f4001f"), ()),
        (BASELINE, (CONSTRAINED, BASELINE, MAIN, HIGH, CONSTRAINED_HIGH), ()),
        (MAIN, (MAIN, HIGH, CONSTRAINED_HIGH, "6e001f"), (CONSTRAINED, BASELINE, "58001f")),
        (HIGH, (HIGH, CONSTRAINED_HIGH, "6e001f", "7a001f", "f4001f"), (CONSTRAINED, BASELINE, MAIN)),
        (CONSTRAINED_HIGH, (HIGH, CONSTRAINED_HIGH), (CONSTRAINED, BASELINE, MAIN)),
        ("58001f", ("58001f",), (BASELINE, MAIN, HIGH)),
        ("6e001f", ("6e001f", "7a001f", "f4001f"), (MAIN, HIGH, CONSTRAINED_HIGH)),
        ("f4001f", ("f4001f",), (HIGH, "7a001f")),
    ],
)
def test_h264_profiles_that_are_subsets(stream: str, decoders: tuple[str, ...], others: tuple[str, ...]) -> None:
    """RFC 6184 table 5."""
    published = codec("H264", h264(stream))
    assert [profile for profile in decoders if not codec("H264", h264(profile)).takes(published)] == []
    assert [profile for profile in others if codec("H264", h264(profile)).takes(published)] == []


@pytest.mark.parametrize("stream", ["42e00a", "42e01f", "42e034", "42c015"])
@pytest.mark.parametrize("decoder", ["42e01f", "42000a", "4d0034"])
def test_h264_levels_are_not_compared(stream: str, decoder: str) -> None:
    """Every receiver that we know decodes above the level that it declares, as browsers do with 1080p."""
    assert codec("H264", h264(decoder)).takes(codec("H264", h264(stream)))


@pytest.mark.parametrize(
    ("stream", "decoder", "taken"),
    [
        ("packetization-mode=0;profile-level-id=42e01f", "packetization-mode=1;profile-level-id=42e01f", True),
        ("packetization-mode=1;profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42e01f", False),
        ("profile-level-id=42e01f", "packetization-mode=1;profile-level-id=42e01f", True),
        ("profile-level-id=42e01f", "packetization-mode=0;profile-level-id=42e01f", True),
        # Who says nothing takes what is usual.
        ("", "packetization-mode=1;profile-level-id=42e01f", True),
        ("packetization-mode=1;profile-level-id=42e01f", "", True),
        ("packetization-mode=1;profile-level-id=64001f", "", True),
        ("packetization-mode=1;profile-level-id=64001f", "packetization-mode=1", True),
        ("packetization-mode=1;profile-level-id=42e01f", "profile-level-id=42e01f", True),
        ("packetization-mode=1;profile-level-id=f4001f", "", False),
        ("packetization-mode=01;profile-level-id=42E01F", "packetization-mode=1;profile-level-id=42001f", True),
    ],
)
def test_h264_modes_and_what_is_left_out(stream: str, decoder: str, taken: bool) -> None:
    assert codec("H264", decoder).takes(codec("H264", stream)) is taken


@pytest.mark.parametrize(
    ("name", "stream", "decoders", "others"),
    [
        ("VP9", "", ("", "profile-id=0", "profile-id=1", "profile-id=2", "profile-id=3"), ()),
        ("VP9", "profile-id=2", ("profile-id=2", "profile-id=3"), ("", "profile-id=1")),
        ("VP9", "profile-id=1", ("profile-id=1", "profile-id=3"), ("", "profile-id=2")),
        ("AV1", "", ("", "profile=1", "profile=2"), ()),
        ("AV1", "profile=1", ("profile=1", "profile=2"), ("", "profile=0")),
        ("VP8", "", ("", "max-fs=3600"), ()),
    ],
)
def test_other_profiles_that_are_subsets(
    name: str, stream: str, decoders: tuple[str, ...], others: tuple[str, ...]
) -> None:
    published = codec(name, stream)
    assert [each for each in decoders if not codec(name, each).takes(published)] == []
    assert [each for each in others if codec(name, each).takes(published)] == []


def test_another_codec_is_not_taken() -> None:
    assert not codec("VP8").takes(codec("VP9"))
    assert not codec("H264").takes(codec("VP9"))
    assert Codec("audio", "opus", 48000, 0, 111).takes(Codec("audio", "opus", 48000, 2, 96))


def viewer(*formats: str) -> str:
    numbers = " ".join(str(96 + place) for place in range(len(formats)))
    lines = [f"a=rtpmap:{96 + place} H264/90000\r\na=fmtp:{96 + place} {each}" for place, each in enumerate(formats)]
    offer = make_offer(("video", "recvonly")).replace("SAVPF 96", f"SAVPF {numbers}")
    return offer.replace("a=rtpmap:96 VP8/90000", "\r\n".join(lines))


@pytest.mark.parametrize(
    ("formats", "payload_type"),
    [
        ([h264(BASELINE)], 96),
        ([h264(HIGH), h264(BASELINE), h264(CONSTRAINED)], 98),  # what is just like it comes first
        ([h264(CONSTRAINED, "0"), h264(MAIN), h264(HIGH)], 97),
        ([h264(CONSTRAINED, "0")], None),
    ],
)
def test_a_viewer_gets_the_payload_type_that_fits_best(
    answerer: Answerer, local: LocalTransport, formats: list[str], payload_type: int | None
) -> None:
    answerer.handle_offer(viewer(*formats))
    published = Outgoing(1, "c", "s", "t", codec("H264", h264(CONSTRAINED)))
    if payload_type is None:
        with pytest.raises(NegotiationError, match="no H264 that fits"):
            answerer.assign("0", published)
        return
    assert answerer.assign("0", published).payload_type == payload_type
    assert f"a=fmtp:{payload_type} {formats[payload_type - 96]}\r\n" in answerer.build_answer(local)


def test_a_client_whose_decoder_knows_more_accepts(
    offerer: Offerer, client: Client, local: LocalTransport, outgoing: MakeOutgoing
) -> None:
    mid = offerer.add(outgoing("H264", 2))
    answer = client.answer(offerer.build_offer(local)).replace("profile-level-id=42e01f", "profile-level-id=64001f")
    assert set(offerer.handle_answer(answer).accepted) == {mid}
