"""Reports: loss as RFC 3550 A.3 counts it, delays, and sender reports moved into a Subscription's numbering."""

from __future__ import annotations

import pytest

from sfu.feedback.reports import SENDER_REPORT_SPACING, EgressReports, Reception, SourceClock
from sfu.wire.rtcp import ReceiverReport, ReportBlock, SenderReport, parse_compound

NTP = (3_900_000_000 << 32) | 0x8000_0000


def block_of(reception: Reception, *, packets: int, first: int, highest: int, now: float = 0.0) -> ReportBlock:
    return reception.build_block(packets=packets, first=first, highest=highest, jitter=7, now=now)


def test_no_loss() -> None:
    block = block_of(Reception(5), packets=100, first=1000, highest=1099)
    assert block == ReportBlock(5, 0, 0, 1099, 7, 0, 0)


def test_fraction_is_of_the_interval_and_the_total_of_all() -> None:
    reception = Reception(5)
    assert block_of(reception, packets=75, first=0, highest=99).fraction_lost == 64  # a quarter of 256
    second = block_of(reception, packets=175, first=0, highest=199)
    assert (second.fraction_lost, second.packets_lost) == (0, 25)
    third = block_of(reception, packets=175, first=0, highest=299)
    assert (third.fraction_lost, third.packets_lost) == (255, 125)


def test_an_interval_without_packets_reports_no_fraction() -> None:
    reception = Reception(5)
    block_of(reception, packets=10, first=0, highest=19)
    assert block_of(reception, packets=10, first=0, highest=19).fraction_lost == 0


def test_late_packets_never_make_a_negative_fraction() -> None:
    reception = Reception(5)
    block_of(reception, packets=90, first=0, highest=99)
    block = block_of(reception, packets=110, first=0, highest=109)
    assert (block.fraction_lost, block.packets_lost) == (0, 0)


def test_a_restarted_numbering_counts_anew() -> None:
    reception = Reception(5)
    block_of(reception, packets=1000, first=0, highest=999)
    block = block_of(reception, packets=50, first=40000, highest=40099)
    assert (block.fraction_lost, block.packets_lost) == (128, 50)


def test_the_wrapped_sequence_number_and_the_greatest_loss_fit_their_fields() -> None:
    block = block_of(Reception(5), packets=0, first=0, highest=(1 << 32) + 3)
    assert (block.highest_sequence, block.packets_lost) == (3, (1 << 23) - 1)


def test_delay_since_the_last_sender_report() -> None:
    reception = Reception(5)
    reception.handle_sender_report(SenderReport(5, NTP, 0, 0, 0), 10.0)
    block = block_of(reception, packets=1, first=0, highest=0, now=12.5)
    assert block.last_sender_report == (NTP >> 16) & 0xFFFFFFFF
    assert block.delay == int(2.5 * 65536)


def test_a_flood_of_sender_reports_is_not_passed_on() -> None:
    reception = Reception(5)
    report = SenderReport(5, NTP, 0, 0, 0)
    passed = [reception.handle_sender_report(report, k * 0.001) for k in range(1000)]
    assert sum(passed) <= 1.0 / SENDER_REPORT_SPACING + 1
    assert passed[0]


def test_audio_and_video_keep_their_common_clock() -> None:
    """What was captured at one moment carries one NTP time before and after, whatever the offsets are."""
    for clock_rate, offset in ((48000, 0xFFFF0000), (90000, 12345)):
        reports = EgressReports(7, "cname")
        source = SourceClock(NTP, 4_000_000_000, 0.0)
        built = reports.build(source, timestamp_offset=offset, packets=3, octets=400, now=0.0)
        (report,) = [packet for packet in parse_compound(built) if isinstance(packet, SenderReport)]
        assert report == SenderReport(7, NTP, (4_000_000_000 + offset) % (1 << 32), 3, 400)
        later = (report.rtp_timestamp + clock_rate) % (1 << 32)
        assert later == (4_000_000_000 + clock_rate + offset) % (1 << 32)


def test_round_trip_from_a_receivers_report() -> None:
    reports = EgressReports(7, "cname")
    reports.build(SourceClock(NTP, 0, 0.0), timestamp_offset=0, packets=1, octets=1, now=50.0)
    last = (NTP >> 16) & 0xFFFFFFFF
    reports.handle_block(ReportBlock(7, 64, 3, 100, 9, last, int(0.5 * 65536)), 50.6)
    assert reports.round_trip_time == pytest.approx(0.1, abs=1e-4)
    assert (reports.fraction_lost, reports.packets_lost, reports.jitter) == (0.25, 3, 9)


@pytest.mark.parametrize(("last", "delay"), [(0, 0), (0x12345678, 0), ((NTP >> 16) & 0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_nonsensical_round_trip_is_left_out(last: int, delay: int) -> None:
    reports = EgressReports(7, "cname")
    reports.build(SourceClock(NTP, 0, 0.0), timestamp_offset=0, packets=1, octets=1, now=50.0)
    reports.handle_block(ReportBlock(7, 0, 0, 0, 0, last, delay), 50.6)
    assert reports.round_trip_time is None


def test_what_goes_out_is_a_full_compound() -> None:
    """RFC 3550 section 6.1: a report first, and an SDES with the CNAME."""
    built = EgressReports(7, "cname").build(SourceClock(NTP, 0, 0.0), timestamp_offset=0, packets=1, octets=1, now=0.0)
    assert built[1] == 200
    assert built[28 + 1] == 202
    assert b"cname" in built
    assert not [packet for packet in parse_compound(built) if isinstance(packet, ReceiverReport)]
