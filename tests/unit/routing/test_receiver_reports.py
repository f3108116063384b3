"""What subscribers report of what they get: it stays in the plane, but where the control side decides by it."""

from __future__ import annotations

import dataclasses
import struct

import pytest

from sfu.routing.plane import NO_REPORTS, Datagram, Feedback
from sfu.wire.rtcp import (
    ReportBlock,
    build_picture_loss,
    build_receiver_report,
    build_sender_report,
    build_source_description,
    parse_compound,
)

from .conftest import wait_until
from .stage import Stage, vp8

NTP = 0xE8F0_1234_8000_5678
COMPACT = NTP >> 16 & 0xFFFF_FFFF
BLOCK = ReportBlock(7, 64, -3, 70_000, 9, COMPACT, 0)


@pytest.fixture
def stage(plane, make_peer):
    made = Stage(plane, make_peer)
    plane.set_control(made.subscriber.connection, Feedback.PACKETS, reports=Feedback.NONE)
    return made


def tell(stage, *packets):
    """The subscriber sends a compound packet, and the plane takes it."""
    before = stage.plane.counters()["received_datagrams"]
    stage.subscriber.send_rtcp(b"".join(packets))
    wait_until(lambda: stage.plane.counters()["received_datagrams"] == before + 1)
    wait_until(lambda: stage.plane.settled)


def passed_on(stage):
    """What of it the control side gets: after something that it gets for certain, since that comes behind it."""
    stage.subscriber.send_rtcp(build_picture_loss(9, 7))
    found: list[bytes] = []

    def take():
        found.extend(notice.data for notice in stage.plane.poll_notices() if isinstance(notice, Datagram))
        return bool(found) and found[-1] == build_picture_loss(9, 7)

    wait_until(take)
    return found[:-1]


def report(stage):
    """A sender report goes out; what its receiver answers at once."""
    stage.send(1, vp8(1, key=True))
    stage.subscriber.receive(1)
    stage.plane.pass_report(stage.track, 0, NTP, 9000)
    assert parse_compound(stage.subscriber.receive_srtp.unprotect_rtcp(stage.subscriber.socket.recv(2048)))
    stage.plane.poll_notices()


def test_a_report_stands_in_the_subscriptions_row(plane, stage):
    report(stage)
    tell(stage, build_receiver_report(9, [BLOCK._replace(ssrc=5), BLOCK]), build_source_description(9, "c"))
    wait_until(lambda: plane.subscription_reports(stage.row).lost_256 == 64)
    reports = plane.subscription_reports(stage.row)
    assert (reports.fraction_lost, reports.packets_lost, reports.jitter) == (0.25, -3, 9)
    assert reports.round_trip_time is not None
    assert 0.0 < reports.round_trip_time < 5.0
    assert not passed_on(stage)


def test_packets_are_repeated_no_sooner_than_in_a_round_trip(plane, stage):
    report(stage)
    entry = plane._tables.subscriptions[stage.row]
    assert entry["repeat_interval_ms"] == 20
    for ago_ms, least in ((300, 300), (5, 20), (3_600_000, 10_000)):
        entry["report_us"] -= ago_ms * 1000
        tell(stage, build_receiver_report(9, [BLOCK]))
        wait_until(lambda least=least: least <= entry["repeat_interval_ms"] <= least + 500)
        entry["report_us"] += ago_ms * 1000


@pytest.mark.parametrize(("last", "delay"), [(0, 0), (0x12345678, 0), (COMPACT, 0xFFFF_FFFF)])
def test_a_nonsensical_round_trip_is_left_out(plane, stage, last, delay):
    report(stage)
    tell(stage, build_receiver_report(9, [BLOCK._replace(last_sender_report=last, delay=delay)]))
    wait_until(lambda: plane.subscription_reports(stage.row).lost_256 == 64)
    assert plane.subscription_reports(stage.row).round_trip_time is None


def test_who_got_no_report_has_no_round_trip(plane, stage):
    tell(stage, build_receiver_report(9, [BLOCK]))
    wait_until(lambda: plane.subscription_reports(stage.row).lost_256 == 64)
    assert plane.subscription_reports(stage.row).round_trip_time is None
    row = plane.open_subscription(stage.track, stage.subscriber.connection, mid="0", ssrc=8, payload_type=97)
    wait_until(lambda: plane.settled)
    assert plane.subscription_reports(row) == dataclasses.replace(NO_REPORTS, ssrc=8)


def test_blocks_in_a_sender_report_count_and_it_goes_on(plane, stage):
    whole = build_sender_report(9, NTP, 1, 2, 3)
    blocks = build_receiver_report(9, [BLOCK])[8:]
    told = bytes([whole[0] | 1]) + whole[1:2] + struct.pack("!H", 12) + whole[4:] + blocks
    tell(stage, told)
    wait_until(lambda: plane.subscription_reports(stage.row).lost_256 == 64)
    assert passed_on(stage) == [told]


def test_what_says_more_than_it_holds_is_not_read(plane, stage):
    for kind, size in ((201, 8 + 24), (200, 28 + 24)):
        body = (
            struct.pack("!BBHL", 0x82, kind, size // 4 - 1, 9)
            + bytes(size - 32)
            + build_receiver_report(9, [BLOCK])[8:]
        )
        assert len(body) == size
        tell(stage, body)
        assert passed_on(stage) == [body]  # where it is counted
    assert plane.subscription_reports(stage.row).lost_256 == 0


def test_the_control_side_hears_of_reports_where_it_decides_by_them(plane, stage):
    connection, told = stage.subscriber.connection, build_receiver_report(9, [BLOCK])
    estimator = plane._tables.estimators[connection]

    def heard():
        tell(stage, told)
        return passed_on(stage) == [told]

    wait_until(lambda: plane.settled)
    assert not heard()
    estimator["unread"] = 3.1  # its feedback cannot be read
    assert heard()
    estimator["unread"] = 0.0
    assert not heard()
    estimator["unanswered_us"] = 1  # packets went out long ago, and it has never told of any
    assert heard()
    estimator["feedbacks"] = 1
    assert not heard()
    plane.set_control(connection, Feedback.RATES, reports=Feedback.NONE)
    wait_until(lambda: plane.settled)
    assert heard()
    told = build_receiver_report(9)  # of nothing
    assert not heard()


def test_blocks_have_a_rate(plane, stage):
    for _ in range(60):
        tell(stage, build_receiver_report(9, [BLOCK._replace(ssrc=5)] * 30 + [BLOCK]))
    assert plane.counters()["drop_rtcp_rate"] > 0
