"""What publishers are told of what they send, once a second: through a real plane."""

from __future__ import annotations

import struct

import pytest

from sfu.routing.kernels.messages import SWEPT_US
from sfu.wire.rtcp import ReceiverReport, build_sender_report, build_source_description, parse_compound

from .conftest import rtp, wait_until
from .stage import Stage

NTP = 0xE8F0_1234_8000_5678
OURS, CNAME = 4242, "the-server"


class Told(Stage):
    """Its publisher hears of what it sends."""

    def __init__(self, plane, make_peer, encodings=1):
        super().__init__(plane, make_peer, encodings)
        wait_until(lambda: plane.settled)
        self.begin()

    def begin(self):
        entry = self.plane._tables.connections[self.publisher.connection]
        entry["cname"][: len(CNAME)] = list(CNAME.encode())
        entry["cname_bytes"] = len(CNAME)
        entry["report_ssrc"] = OURS

    def due(self):
        """Let the next report be due at once, and not in a second."""
        self.plane._tables.connections[self.publisher.connection]["tell_us"] = 0

    def hear(self):
        self.publisher.socket.settimeout(5.0)
        plain = self.publisher.receive_srtp.unprotect_rtcp(self.publisher.socket.recv(2048))
        report = parse_compound(plain)[0]
        assert isinstance(report, ReceiverReport)
        assert report.ssrc == OURS
        assert plain.endswith(build_source_description(OURS, CNAME))
        return report

    def publish(self, *numbers, ssrc=100):
        for number in numbers:
            self.publisher.send(rtp(number, b"\x10\0x", ssrc=ssrc, timestamp=3000 * number))
            self.sent += 1
        wait_until(lambda: self.plane.counters()["received_rtp"] == self.sent)


@pytest.fixture
def stage(plane, make_peer):
    return Told(plane, make_peer)


def test_loss_is_of_the_interval_and_in_all(plane, stage):
    stage.publish(10, 11, 13)
    first = stage.hear().blocks[0]
    assert (first.ssrc, first.highest_sequence) == (100, 13)
    assert (first.last_sender_report, first.delay) == (0, 0)
    stage.publish(14, 15, 17)
    stage.due()
    second = stage.hear().blocks[0]
    while second.highest_sequence != 17:
        second = stage.hear().blocks[0]
    assert second.packets_lost == 2
    stage.due()
    third = stage.hear().blocks[0]
    assert (third.fraction_lost, third.packets_lost) == (0, 2)
    assert plane.encoding_loss(stage.rows[0]) == 0.0


def test_a_publisher_finds_its_round_trip_by_its_own_report(plane, stage):
    before = plane.notices_written
    stage.publisher.send_rtcp(build_sender_report(100, NTP, 1, 2, 3) + build_source_description(100, "c"))
    wait_until(lambda: plane.notices_written > before)
    stage.publish(1)
    block = stage.hear().blocks[0]
    assert block.last_sender_report == NTP >> 16 & 0xFFFF_FFFF
    assert 0 < block.delay < 5 * 65536


def test_a_report_on_what_is_not_published_is_nobodys(plane, stage):
    before = plane.notices_written
    stage.publisher.send_rtcp(build_sender_report(101, NTP, 1, 2, 3))
    wait_until(lambda: plane.notices_written > before)
    stage.publish(1)
    assert stage.hear().blocks[0].last_sender_report == 0


def test_another_source_under_an_encoding_is_told_of_anew(plane, stage):
    stage.publish(1, 5)
    assert stage.hear().blocks[0].ssrc == 100
    entry = plane._tables.encodings[stage.rows[0]]
    entry["sender_ntp"], entry["sender_us"] = 7, 1
    stage.sent -= 1  # the first of these is a jump and no more; the second says that it was a restart
    stage.publish(10_000, 10_001, 10_002)
    stage.due()
    while (block := stage.hear().blocks[0]).highest_sequence < 10_000:
        pass
    assert (block.packets_lost, block.last_sender_report) == (0, 0)


def test_there_is_nothing_to_tell_of_what_has_not_come_or_repairs(plane, make_peer):
    stage = Told(plane, make_peer, 2)
    plane.open_encoding(
        stage.track,
        stage.publisher.connection,
        mid="0",
        ssrc=300,
        payload_type=99,
        clock_rate=90000,
        audio=False,
        repairs=stage.rows[0],
    )
    stage.publish(1)
    stage.publisher.send(rtp(1, struct.pack("!H", 1), ssrc=300, payload_type=99))
    assert [block.ssrc for block in stage.hear().blocks] == [100]


def test_many_encodings_take_several_packets(plane, make_peer):
    stage = Told(plane, make_peer, 40)
    plane._tables.connections[stage.publisher.connection]["report_ssrc"] = 0
    for k in range(40):
        stage.publisher.send(rtp(1, b"\x10\0x", ssrc=100 + k))
    wait_until(lambda: plane.counters()["received_rtp"] == 40)
    stage.due()
    stage.begin()
    found = [[block.ssrc for block in stage.hear().blocks] for _ in range(2)]
    assert [len(one) for one in found] == [31, 9]
    assert sorted(found[0] + found[1]) == list(range(100, 140))


def test_who_has_no_ssrc_for_it_is_told_nothing(plane, make_peer):
    stage = Stage(plane, make_peer)
    stage.send(1, b"\x10\0x")
    for _ in range(2):
        swept_us = int(plane._buffers.state[SWEPT_US])
        wait_until(lambda swept_us=swept_us: plane._buffers.state[SWEPT_US] > swept_us)
    assert plane.counters()["sent_reports"] == 0
