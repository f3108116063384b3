"""Receiver reports and requests as the generator builds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from aiortc.rtp import RtcpPacket, RtcpRrPacket

from bench.generator import layout as lay
from bench.generator.buffers import make_buffers
from bench.generator.layout import Tables, add_repair, add_stream, make_tables
from bench.generator.missing import ASK_INTERVAL_NS, MOST_TRIES, ask
from bench.generator.receive import handle_datagram
from bench.generator.reports import build_receiver_report, draw_ms
from bench.generator.rtcp import read_compound
from sfu.wire import rtcp

_VIDEO, _REPAIR, _AUDIO = 7, 9, 8
_SENDER = 0x10000
_MS = 1_000_000


class Client:
    """One connection with video, its retransmissions, and audio."""

    def __init__(self) -> None:
        self.tables: Tables = make_tables(1, 1)
        self.buffers = make_buffers()
        self.connection = self.tables.connections[0]
        self.connection["ssrc"] = _SENDER
        self.video = add_stream(self.tables, 0, _VIDEO, lay.VIDEO)
        self.repair = add_repair(self.tables, 0, self.video, _REPAIR)
        self.audio = add_stream(self.tables, 0, _AUDIO, lay.AUDIO)

    def take(self, sequence: int, ssrc: int = _VIDEO, timestamp: int = 0, now_ns: int = 0) -> None:
        data = bytes([0x80, 96]) + (sequence & 0xFFFF).to_bytes(2, "big") + timestamp.to_bytes(4, "big")
        packet = np.frombuffer(data + ssrc.to_bytes(4, "big") + bytes(1000), np.uint8).copy()
        handle_datagram(0, packet, 512, len(packet), False, 0, now_ns, self.tables, self.buffers)

    def hear(self, compound: bytes, now_ns: int) -> None:
        packet = np.frombuffer(compound, np.uint8).copy()
        read_compound(0, packet, len(packet), now_ns, self.tables, self.buffers)

    def report(self, row: int, now_ns: int = 0) -> tuple[rtcp.ReportBlock, ...]:
        size = build_receiver_report(self.buffers.report, _SENDER, self.tables.streams[0], row, now_ns)
        data = self.buffers.report[:size].tobytes()
        (packet,) = rtcp.parse_compound(data)
        assert isinstance(packet, rtcp.ReceiverReport)
        assert packet.ssrc == _SENDER
        (theirs,) = RtcpPacket.parse(data)
        assert isinstance(theirs, RtcpRrPacket)
        assert [(block.ssrc, block.packets_lost) for block in theirs.reports] == [
            (block.ssrc, block.packets_lost) for block in packet.blocks
        ]
        return packet.blocks

    def ask(self, now_ns: int = 0) -> list[rtcp.Packet]:
        size = ask(0, now_ns, self.tables, self.buffers.report)
        return rtcp.parse_compound(self.buffers.report[:size].tobytes()) if size else []


@pytest.fixture
def client() -> Client:
    return Client()


def test_a_report_tells_what_was_lost_since_the_last_and_since_the_start(client: Client) -> None:
    for sequence in (100, 101, 103, 104):
        client.take(sequence)
    (block,) = client.report(client.video)
    assert (block.ssrc, block.packets_lost, block.highest_sequence) == (_VIDEO, 1, 104)
    assert block.fraction_lost == 256 // 5
    for sequence in range(105, 115):
        client.take(sequence)
    (block,) = client.report(client.video)
    assert (block.packets_lost, block.fraction_lost, block.highest_sequence) == (1, 0, 114)


def test_a_report_counts_wraps_above_the_sequence_number(client: Client) -> None:
    for sequence in range(0xFFFE, 0x10003):
        client.take(sequence)
    (block,) = client.report(client.video)
    assert (block.highest_sequence, block.packets_lost) == (0x10002, 0)


def test_more_than_was_expected_is_a_negative_loss(client: Client) -> None:
    for sequence in (1, 2, 2, 2):
        client.take(sequence)
    (block,) = client.report(client.video)
    assert (block.packets_lost, block.fraction_lost) == (-2, 0)


def test_repeats_are_reported_on_beside_what_they_repeat(client: Client) -> None:
    client.take(1)
    assert len(client.report(client.video)) == 1
    client.take(50, _REPAIR)
    client.take(52, _REPAIR)
    media, repair = client.report(client.video)
    assert (media.ssrc, repair.ssrc, repair.packets_lost, repair.highest_sequence) == (_VIDEO, _REPAIR, 1, 52)


def test_the_last_sender_report_is_named_with_its_age(client: Client) -> None:
    client.take(1)
    (block,) = client.report(client.video, 5_000 * _MS)
    assert (block.last_sender_report, block.delay) == (0, 0)
    report = rtcp.build_sender_report(_VIDEO, 0x1122334455667788, 9, 1, 1)
    client.hear(report + rtcp.build_source_description(_VIDEO, "x"), 6_000 * _MS)
    client.hear(rtcp.build_sender_report(99, 0xAABBCCDD00112233, 9, 1, 1), 6_100 * _MS)  # nobody's
    (block,) = client.report(client.video, 7_500 * _MS)
    assert (block.last_sender_report, block.delay) == (0x33445566, 3 * 65536 // 2)


def _jitter_of(packets: list[tuple[int, float]], rate: int) -> float:
    """RFC 3550 appendix A.8 in plain arithmetic: (timestamp, arrival in seconds)."""
    jitter, last = 0.0, None
    for timestamp, arrival in packets:
        transit = arrival * rate - timestamp
        if last is not None:
            jitter += (abs(transit - last) - jitter) / 16
        last = transit
    return jitter


@pytest.mark.parametrize(("ssrc", "row", "rate"), [(_VIDEO, 0, 90_000), (_AUDIO, 2, 48_000)])
def test_jitter_is_in_the_clock_of_the_stream(client: Client, ssrc: int, row: int, rate: int) -> None:
    arrivals = [0.0, 0.024, 0.039, 0.071, 0.080, 0.105]
    packets = [(round(k * 0.020 * rate), arrival) for k, arrival in enumerate(arrivals)]
    for sequence, (timestamp, arrival) in enumerate(packets):
        client.take(sequence, ssrc, timestamp, round(arrival * 1e9))
    (block,) = client.report(row)
    assert block.jitter == pytest.approx(_jitter_of(packets, rate), abs=1)
    assert block.jitter > 0


def test_the_packets_of_one_frame_are_no_jitter(client: Client) -> None:
    for sequence in range(9):
        client.take(sequence, timestamp=3000, now_ns=sequence * _MS)
    (block,) = client.report(client.video)
    assert block.jitter == 0


def _asked(packets: list[rtcp.Packet]) -> list[int]:
    asked: list[int] = []
    for packet in packets:
        assert isinstance(packet, rtcp.GenericNack)
        assert (packet.sender_ssrc, packet.media_ssrc) == (_SENDER, _VIDEO)
        asked += packet.sequences()
    return asked


@pytest.mark.parametrize(
    "missing", [[5], [5, 6, 7], [5, 21, 22], [5, 13, 40, 41, 300], [0xFFFF, 0x10000, 0x10001], list(range(5, 105))]
)
def test_what_is_missing_is_asked_for_at_once(client: Client, missing: list[int]) -> None:
    for sequence in range(missing[0] - 2, missing[-1] + 2):
        if sequence not in missing:
            client.take(sequence)
    assert _asked(client.ask()) == [sequence & 0xFFFF for sequence in missing]
    assert client.connection["asked"] == len(missing)
    assert client.ask() == []


def test_it_is_asked_for_again_until_it_has_come(client: Client) -> None:
    for sequence in (1, 3, 5):
        client.take(sequence)
    assert _asked(client.ask()) == [2, 4]
    assert client.ask(ASK_INTERVAL_NS - 1) == []
    client.take(2)
    assert _asked(client.ask(ASK_INTERVAL_NS)) == [4]
    assert client.connection["asked"] == 2


def test_after_ten_times_it_is_given_up_and_a_key_frame_asked_for(client: Client) -> None:
    for sequence in (1, 3):
        client.take(sequence)
    for turn in range(MOST_TRIES):
        assert _asked(client.ask(turn * ASK_INTERVAL_NS)) == [2]
    (packet,) = client.ask(MOST_TRIES * ASK_INTERVAL_NS)
    assert packet == rtcp.PictureLoss(_SENDER, _VIDEO)
    assert (client.connection["missing"], client.connection["given_up"]) == (0, 1)


def test_a_long_gap_fills_the_list_and_no_more(client: Client) -> None:
    client.take(1)
    client.take(1001)
    assert client.connection["missing"] == lay.MOST_MISSING
    assert client.connection["given_up"] == 999 - lay.MOST_MISSING
    assert len(_asked(client.ask())) == lay.MOST_MISSING


def test_two_streams_are_asked_for_in_one_compound(client: Client) -> None:
    other = add_stream(client.tables, 0, 77, lay.VIDEO)
    add_repair(client.tables, 0, other, 78)
    for ssrc in (_VIDEO, 77):
        client.take(1, ssrc)
        client.take(3, ssrc)
    packets: list[Any] = client.ask()
    assert [(packet.media_ssrc, packet.sequences()) for packet in packets] == [(_VIDEO, [2]), (77, [2])]


def test_draws_lie_within_their_bounds_and_differ(client: Client) -> None:
    drawn = [draw_ms(client.connection, (4000, 6000)) for _ in range(2000)]
    assert min(drawn) >= 4000
    assert max(drawn) < 6000
    assert np.mean(drawn) == pytest.approx(5000, abs=50)
