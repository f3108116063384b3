"""Which RTP streams a section has, and in which order; what repairs them; and redundancy."""

from __future__ import annotations

import pytest

from sfu.negotiation.capabilities import check_preferences, read_codecs
from sfu.negotiation.encodings import MAX_ENCODINGS, order_rids, read_streams
from sfu.negotiation.payload_types import PayloadTypes
from sfu.negotiation.profiles import H264_PROFILES
from sfu.negotiation.sdp import Attributes, MediaDescription
from sfu.negotiation.types import Codec, IncomingEncoding


def attributes(*lines: str) -> Attributes:
    made = Attributes()
    for line in lines:
        name, _, value = line.partition(":")
        made.add(name, value)
    return made


@pytest.mark.parametrize(
    ("listed", "ordered"),
    [
        ("q h f", "q h f"),
        ("f h q", "q h f"),
        ("h f", "h f"),
        ("h m l", "l m h"),
        ("hi mid lo", "lo mid hi"),
        ("2 0 1", "0 1 2"),
        ("r2 r1 r0", "r0 r1 r2"),
        ("10 9 2", "2 9 10"),
        ("big small", "big small"),
    ],
)
def test_rids_are_put_in_order_by_their_names(listed, ordered):
    assert [each.rid for each in order_rids(listed.split(), attributes())] == ordered.split()


def test_restrictions_say_more_than_names():
    found = order_rids(
        ["q", "h"], attributes("rid:q send max-width=1280;max-height=720", "rid:h send max-width=320;max-height=180")
    )
    assert [each.rid for each in found] == ["h", "q"]


def test_groups_of_ssrcs_are_a_simulcast_with_its_repair_streams():
    streams, cname = read_streams(
        attributes(
            *(f"ssrc:{ssrc} cname:them" for ssrc in range(1, 7)),
            "ssrc-group:SIM 1 2 3",
            "ssrc-group:FID 1 4",
            "ssrc-group:FID 2 5",
            "ssrc-group:FID 3 6",
        ),
    )
    assert streams == tuple(IncomingEncoding("", ssrc, ssrc + 3) for ssrc in (1, 2, 3))
    assert cname == "them"


def test_without_any_ssrc_the_packets_have_to_tell():
    assert read_streams(attributes()) == ((IncomingEncoding(),), "")


@pytest.mark.parametrize(
    "group", ["SIM 1 1", "FID 1 x", "FID 1 1", "FID 1 0", "SIM 99999999999999999999 1", "FID 1", ""]
)
def test_groups_that_make_no_sense_are_left_aside(group):
    lines = ("ssrc:1 cname:a", "ssrc:2 cname:a", f"ssrc-group:{group}")
    assert read_streams(attributes(*lines)) == ((IncomingEncoding("", 1),), "a")


@pytest.mark.parametrize(
    ("group", "streams"),
    [
        ("FID 1 9", (IncomingEncoding("", 1, 9),)),
        ("SIM 1 9", (IncomingEncoding("", 1), IncomingEncoding("", 9))),
        ("FID 9 1", (IncomingEncoding("", 9, 1),)),
    ],
)
def test_a_group_declares_its_members(group, streams):
    assert read_streams(attributes("ssrc:1 cname:a", f"ssrc-group:{group}"))[0] == streams


@pytest.mark.parametrize(
    "groups",
    [("SIM 1 2", "FID 1 2"), ("SIM 1 2", "FID 1 3", "FID 2 3"), ("FID 1 2", "FID 2 1"), ("SIM 1 2", "SIM 2 3")],
)
def test_no_ssrc_is_two_streams(groups):
    streams, _ = read_streams(attributes(*(f"ssrc-group:{group}" for group in groups)))
    numbers = [ssrc for each in streams for ssrc in (each.ssrc, each.repair_ssrc) if ssrc is not None]
    assert len(set(numbers)) == len(numbers)


def test_what_another_section_has_declared_is_left_to_it():
    lines = ("ssrc:1 cname:a", "ssrc:2 cname:b", "ssrc-group:FID 1 2")
    assert read_streams(attributes(*lines), {1}) == ((IncomingEncoding("", 2),), "b")
    assert read_streams(attributes(*lines), {1, 2}) == ((IncomingEncoding(),), "")


def test_the_number_of_encodings_is_bounded():
    lines = [f"ssrc:{ssrc} cname:a" for ssrc in range(1, 40)]
    lines.append("ssrc-group:SIM " + " ".join(str(ssrc) for ssrc in range(1, 40)))
    assert len(read_streams(attributes(*lines))[0]) == MAX_ENCODINGS


def codecs(kind: str, formats: str, *lines: str) -> list[Codec]:
    media = MediaDescription(kind, 9, "UDP/TLS/RTP/SAVPF", tuple(formats.split()), "IN IP4 0.0.0.0")
    for line in lines:
        name, _, value = line.partition(":")
        media.attributes.add(name, value)
    return read_codecs(media, check_preferences(("opus", "VP8", "VP9")), transport_cc=False)


@pytest.mark.parametrize(
    ("lines", "repair_type"),
    [
        (["rtpmap:97 rtx/90000", "fmtp:97 apt=96"], 97),
        (["rtpmap:97 rtx/90000", "fmtp:97 apt=98"], 0),
        (["rtpmap:97 rtx/90000", "fmtp:97 apt=97"], 0),  # itself
        (["rtpmap:97 rtx/90000", "rtpmap:98 rtx/90000", "fmtp:97 apt=98", "fmtp:98 apt=97"], 0),  # each other
        (["rtpmap:97 rtx/90000", "fmtp:97 apt="], 0),
        (["rtpmap:97 rtx/90000"], 0),
        (["rtpmap:72 rtx/90000", "fmtp:72 apt=96"], 0),  # clashes with RTCP
        (["rtpmap:97 rtx/90000", "rtpmap:98 rtx/90000", "fmtp:97 apt=96", "fmtp:98 apt=96"], 97),
    ],
)
def test_retransmissions_are_read_and_nack_is_agreed_to_with_them_or_without(lines, repair_type):
    (codec,) = codecs("video", "96 97 98 72", "rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtcp-fb:96 nack pli", *lines)
    assert codec.repair_type == repair_type
    assert codec.feedback == ("nack", "nack pli")  # without RTX the same packet comes again


@pytest.mark.parametrize(
    ("formats", "fmtp", "found"),
    [
        ("111 63", "63 111/111", (63, False)),
        ("63 111", "63 111/111/111", (63, True)),
        ("111 63", "63 111/0", (0, False)),  # with another codec in it
        ("111 63", "63 63/63", (0, False)),
        ("111 63", "63 /", (0, False)),
        ("111 63", "64 111/111", (0, False)),
    ],
)
def test_redundancy_of_opus(formats, fmtp, found):
    lines = ("rtpmap:111 opus/48000/2", "rtpmap:63 red/48000/2", f"fmtp:{fmtp}")
    (codec,) = codecs("audio", formats, *lines)
    assert (codec.redundant_type, codec.redundant_first) == found


def test_payload_types_never_run_out():
    types = PayloadTypes(transport_cc=False)
    made = []
    for profile in ("42e01f", "42001f", "4d001f", "64001f", "640c1f", "58001f", "6e001f", "7a001f", "f4001f"):
        for mode in ("0", "1"):
            made.append(Codec("video", "H264", 90000, 0, 0, {"packetization-mode": mode, "profile-level-id": profile}))
    for name, key in (("VP9", "profile-id"), ("AV1", "profile")):
        made += [Codec("video", name, 90000, 0, 0, {key: str(k)}) for k in range(4)]
    made.append(Codec("video", "VP8", 90000, 0, 0))
    for stereo in ("0", "1"):
        made += [Codec("audio", "opus", 48000, 2, 0, {"stereo": stereo, "usedtx": dtx}) for dtx in ("0", "1")]
    for order in (made, made[::-1]):
        types = PayloadTypes(transport_cc=False)
        taken = []
        for codec in order:
            try:
                known = types.codec_for(codec)
            except ValueError:
                continue  # a profile that is not forwarded
            taken += [number for number in (known.payload_type, known.repair_type, known.redundant_type) if number]
        assert len(set(taken)) == len(taken)
        assert len(H264_PROFILES) * 4 + 18 + 4 <= len(taken)
