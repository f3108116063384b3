"""RTCP: our packets are what aiortc reads, aiortc's are what we read, and whatever else is refused."""

from __future__ import annotations

import struct

import pytest
from aiortc import rtp
from hypothesis import example, given
from hypothesis import strategies as st

from sfu.wire.rtcp import (
    FullIntraRequest,
    GenericNack,
    Goodbye,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    SenderReport,
    build_full_intra_request,
    build_goodbye,
    build_picture_loss,
    build_receiver_report,
    build_sender_report,
    build_source_description,
    parse_compound,
)

words = st.integers(0, 0xFFFFFFFF)
blocks = st.builds(
    ReportBlock,
    ssrc=words,
    fraction_lost=st.integers(0, 255),
    packets_lost=st.integers(-(1 << 23), (1 << 23) - 1),
    highest_sequence=words,
    jitter=words,
    last_sender_report=words,
    delay=words,
)


def to_aiortc(block: ReportBlock) -> rtp.RtcpReceiverInfo:
    return rtp.RtcpReceiverInfo(
        ssrc=block.ssrc,
        fraction_lost=block.fraction_lost,
        packets_lost=block.packets_lost,
        highest_sequence=block.highest_sequence,
        jitter=block.jitter,
        lsr=block.last_sender_report,
        dlsr=block.delay,
    )


@given(ssrc=words, reports=st.lists(blocks, max_size=31))
def test_receiver_reports_agree_with_aiortc(ssrc: int, reports: list[ReportBlock]) -> None:
    theirs = rtp.RtcpRrPacket(ssrc=ssrc, reports=[to_aiortc(block) for block in reports])
    assert build_receiver_report(ssrc, reports) == bytes(theirs)
    assert parse_compound(bytes(theirs)) == [ReceiverReport(ssrc, tuple(reports))]


@given(ssrc=words, ntp=st.integers(0, (1 << 64) - 1), timestamp=words, packets=words, octets=words)
def test_sender_reports_agree_with_aiortc(ssrc: int, ntp: int, timestamp: int, packets: int, octets: int) -> None:
    info = rtp.RtcpSenderInfo(ntp_timestamp=ntp, rtp_timestamp=timestamp, packet_count=packets, octet_count=octets)
    theirs = bytes(rtp.RtcpSrPacket(ssrc=ssrc, sender_info=info))
    assert build_sender_report(ssrc, ntp, timestamp, packets, octets) == theirs
    assert parse_compound(theirs) == [SenderReport(ssrc, ntp, timestamp, packets, octets)]


@given(reports=st.lists(blocks, min_size=1, max_size=31))
def test_blocks_of_a_sender_report_are_read(reports: list[ReportBlock]) -> None:
    info = rtp.RtcpSenderInfo(ntp_timestamp=1, rtp_timestamp=2, packet_count=3, octet_count=4)
    theirs = rtp.RtcpSrPacket(ssrc=9, sender_info=info, reports=[to_aiortc(block) for block in reports])
    assert parse_compound(bytes(theirs)) == [SenderReport(9, 1, 2, 3, 4, tuple(reports))]


def test_counts_of_a_sender_report_wrap() -> None:
    built = build_sender_report(1, 2, 3, (1 << 32) + 5, (1 << 33) + 6)
    assert parse_compound(built) == [SenderReport(1, 2, 3, 5, 6)]


@given(name=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=255))
def test_source_description_is_what_aiortc_reads(name: str) -> None:
    (theirs,) = rtp.RtcpPacket.parse(build_source_description(77, name))
    assert [(chunk.ssrc, chunk.items) for chunk in theirs.chunks] == [(77, [(1, name.encode())])]


def test_a_cname_beyond_255_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="256 bytes"):
        build_source_description(1, "x" * 256)


def test_feedback_and_goodbye() -> None:
    compound = (
        build_receiver_report(5)
        + build_source_description(5, "us")
        + build_picture_loss(5, 6)
        + build_full_intra_request(5, 7, 258)
        + build_goodbye([8, 9])
    )
    assert parse_compound(compound) == [
        ReceiverReport(5),
        PictureLoss(5, 6),
        FullIntraRequest(5, ((7, 2),)),
        Goodbye((8, 9)),
    ]
    assert [type(packet).__name__ for packet in rtp.RtcpPacket.parse(compound)] == [
        "RtcpRrPacket",
        "RtcpSdesPacket",
        "RtcpPsfbPacket",
        "RtcpPsfbPacket",
        "RtcpByePacket",
    ]


def test_more_than_a_packet_holds_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="32 report blocks"):
        build_receiver_report(1, [ReportBlock(1, 0, 0, 0, 0, 0, 0)] * 32)
    with pytest.raises(ValueError, match="32 sources"):
        build_goodbye(list(range(32)))


def test_unknown_kinds_are_skipped() -> None:
    remb = bytes(rtp.RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=rtp.pack_remb_fci(1000, [2])))
    nack = bytes(rtp.RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=2, lost=[12]))
    other = bytes(rtp.RtcpRtpfbPacket(fmt=9, ssrc=1, media_ssrc=2, lost=[12]))
    extended = struct.pack("!BBHL", 0x80, 207, 1, 1)
    found = parse_compound(remb + nack + other + extended + build_picture_loss(1, 2))
    assert found == [GenericNack(1, 2, ((12, 0),)), PictureLoss(1, 2)]


def test_padding_on_the_last_packet_is_taken_off() -> None:
    padded = bytearray(build_goodbye([8]) + bytes((0, 0, 0, 4)))
    padded[0] |= 0x20
    padded[3] += 1
    assert parse_compound(bytes(padded)) == [Goodbye((8,))]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"\x80\xc9\x00", "cut off"),
        (b"\x40\xc9\x00\x01\0\0\0\1", "version"),
        (b"\x80\xc9\x00\x02\0\0\0\1", "behind the datagram"),
        (b"\x81\xc9\x00\x01\0\0\0\1", "receiver report"),
        (b"\x80\xc8\x00\x01\0\0\0\1", "sender report"),
        (b"\x82\xcb\x00\x01\0\0\0\1", "goodbye"),
        (b"\x81\xce\x00\x01\0\0\0\1", "two SSRCs"),
        (b"\x84\xce\x00\x02\0\0\0\1\0\0\0\2", "without an entry"),
        (b"\xa0\xc9\x00\x01\0\0\0\0", "padding"),
        (b"\xa0\xc9\x00\x01\0\0\0\x08", "padding"),
        (b"\xa0\xc9\x00\x02\0\0\0\1\0\0\0\4" + build_goodbye([1]), "padding"),
        (build_goodbye([1]) + b"\0", "cut off"),
    ],
)
def test_malformed_packets_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(RtcpError, match=why):
        parse_compound(data)


@given(data=st.binary(max_size=200))
@example(data=b"\x80\xc8\x00\x06" + bytes(24))
def test_any_bytes_parse_or_raise_the_one_error(data: bytes) -> None:
    try:
        parse_compound(data)
    except RtcpError:
        pass


@given(data=st.binary(max_size=64), first=st.integers(0x80, 0xBF), kind=st.integers(200, 207))
def test_any_well_framed_packet_parses_or_raises_the_one_error(data: bytes, first: int, kind: int) -> None:
    body = data[: len(data) // 4 * 4]
    try:
        packets = parse_compound(struct.pack("!BBH", first, kind, len(body) // 4) + body)
    except RtcpError:
        return
    assert len(packets) <= 1
