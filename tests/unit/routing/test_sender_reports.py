"""Sender reports toward subscribers, and BYEs: through a real plane."""

from __future__ import annotations

import struct
import time

import pytest

from sfu.routing.plane import Feedback
from sfu.wire.extensions import Extension
from sfu.wire.rtcp import Goodbye, ReceiverReport, SenderReport, build_source_description, parse_compound

from .conftest import rtp, wait_until
from .stage import Stage, parse, vp8

NTP = 0xE8F0_1234_8000_5678
CNAME = "who-it-is"


class Reported(Stage):
    """Its subscriber hears RTP and RTCP, and keeps all RTCP as it came."""

    def __init__(self, plane, make_peer, encodings=1, **options):
        super().__init__(plane, make_peer, encodings, **options)
        self.plane.close_subscription(self.row)
        self.row = self.subscribe(self.subscriber, 7)
        self.sealed: list[bytes] = []

    def subscribe(self, peer, ssrc):
        return self.plane.open_subscription(
            self.track, peer.connection, mid="0", ssrc=ssrc, payload_type=97, cname=CNAME
        )

    def hear(self, count, peer=None):
        """The next compound packets, in octets; what media come between are dropped."""
        peer = peer or self.subscriber
        found = []
        peer.socket.settimeout(5.0)
        while len(found) < count:
            data = peer.socket.recv(2048)
            if 192 <= data[1] < 224:
                self.sealed.append(data)
                found.append(peer.receive_srtp.unprotect_rtcp(data))
        return found

    def settle(self):
        wait_until(lambda: self.plane.settled)


@pytest.fixture
def stage(plane, make_peer):
    return Reported(plane, make_peer)


def begin(stage, encoding=0, picture=1, timestamp=5000):
    stage.send(picture, vp8(picture, key=True), encoding=encoding, timestamp=timestamp)
    return parse(stage.subscriber.receive(1)[0])[2]


def test_a_report_keeps_its_ntp_time_and_moves_into_the_subscribers_numbering(plane, stage):
    shown = begin(stage, timestamp=5000)
    plane.pass_report(stage.track, 0, NTP, 0xFFFF_FFF0)
    (plain,) = stage.hear(1)
    (report,) = parse_compound(plain)
    offset = shown - 5000
    assert report == SenderReport(7, NTP, (0xFFFF_FFF0 + offset) & 0xFFFF_FFFF, 1, stage.state().octets)
    assert plain[28:] == build_source_description(7, CNAME)


def test_who_comes_later_gets_the_last_report_soon(plane, stage, make_peer):
    begin(stage)
    plane.pass_report(stage.track, 0, NTP, 9000)
    late = make_peer(plane, 3)
    stage.subscribe(late, 70)
    stage.settle()
    stage.send(2, vp8(2, key=True), timestamp=8000)
    begun = time.monotonic()
    (plain,) = stage.hear(1, late)
    assert time.monotonic() - begun < 1.0
    assert parse_compound(plain)[0].ssrc == 70


def test_who_moves_to_another_track_gets_its_last_report_soon(plane, stage):
    begin(stage)
    other = plane.open_track()
    plane.open_encoding(
        other, stage.publisher.connection, mid="1", ssrc=900, payload_type=96, clock_rate=90000, audio=True
    )
    plane.pass_report(other, 0, NTP + 1, 77)
    plane.pass_report(stage.track, 0, NTP, 9000)
    assert parse_compound(stage.hear(1)[0])[0].ntp_time == NTP
    plane.move_subscription(stage.row, other)
    stage.settle()
    stage.publisher.send(rtp(1, b"sound", ssrc=900))
    assert parse_compound(stage.hear(1)[0])[0].ntp_time == NTP + 1


def test_nobody_is_told_the_clock_of_an_encoding_that_it_does_not_get(plane, make_peer):
    stage = Reported(plane, make_peer, 2)
    stage.aim(1)
    begin(stage, encoding=1)
    plane.pass_report(stage.track, 0, NTP, 1)
    plane.pass_report(stage.track, 1, NTP + 5, 1)
    assert parse_compound(stage.hear(1)[0])[0].ntp_time == NTP + 5
    for index in (2, 3, 4, 200):  # none is shown, or there is no such place
        plane.pass_report(stage.track, index, NTP, 1)
    stage.settle()
    assert plane.counters()["sent_reports"] == 1


def test_what_is_forgotten_or_belongs_to_another_source_is_not_told(plane, stage, make_peer):
    begin(stage)
    plane.pass_report(stage.track, 0, NTP, 9000)
    plane.forget_report(stage.track, 0)
    stage.hear(1)
    late = make_peer(plane, 3)
    row = stage.subscribe(late, 70)
    plane.set_paused(stage.row, True)  # its timestamps have no meaning until media come again
    stage.settle()
    stage.send(2, vp8(2, key=True), timestamp=8000)
    wait_until(lambda: plane.subscription_state(row).started == 1)
    time.sleep(0.2)  # two sweeps
    assert plane.counters()["sent_reports"] == 1
    plane.pass_report(stage.track, 0, NTP, 9000)
    assert parse_compound(stage.hear(1, late)[0])[0].ssrc == 70
    assert plane.counters()["sent_reports"] == 2


def test_who_got_reports_is_told_of_the_end_before_its_connections_row_is_freed(plane, stage):
    begin(stage)
    plane.pass_report(stage.track, 0, NTP, 9000)
    stage.hear(1)
    plane.close_subscription(stage.row, goodbye=True)
    plane.close_connection(stage.subscriber.connection)
    (plain,) = stage.hear(1)
    assert parse_compound(plain) == [ReceiverReport(7), Goodbye((7,))]
    assert plain[8:-8] == build_source_description(7, CNAME)


@pytest.mark.parametrize(("reported", "goodbye"), [(True, False), (False, True)])
def test_who_got_no_report_or_learns_by_sdp_is_not(plane, stage, reported, goodbye):
    begin(stage)
    if reported:
        plane.pass_report(stage.track, 0, NTP, 9000)
        stage.hear(1)
    plane.close_subscription(stage.row, goodbye=goodbye)
    stage.settle()
    assert plane.counters()["sent_reports"] == reported


def test_who_cannot_be_sent_anything_is_not_waited_for(plane, stage, make_peer):
    begin(stage)
    keyless = make_peer(plane, 5, keyed=False)
    row = stage.subscribe(keyless, 80)
    plane.addresses.set(stage.subscriber.connection, [], None)
    stage.settle()
    plane.pass_report(stage.track, 0, NTP, 9000)
    plane.close_subscription(row, goodbye=True)
    plane.close_subscription(stage.row, goodbye=True)
    stage.settle()
    assert plane.counters()["sent_reports"] == 0


def test_one_report_goes_to_many_in_few_calls(plane, stage, make_peer):
    peers = [make_peer(plane, 10 + k) for k in range(40)]
    for k, peer in enumerate(peers):
        stage.subscribe(peer, 1000 + k)
    stage.settle()
    begin(stage)
    wait_until(lambda: plane.counters()["sent_packets"] == 41)
    before = plane.counters()["send_calls"]
    plane.pass_report(stage.track, 0, NTP, 9000)
    wait_until(lambda: plane.counters()["sent_reports"] == 41)
    wait_until(lambda: plane.counters()["sent_packets"] == 82)
    assert plane.counters()["send_calls"] - before == 2
    for k, peer in enumerate(peers):
        assert parse_compound(stage.hear(1, peer)[0])[0].ssrc == 1000 + k


def test_no_srtcp_index_is_used_twice_under_one_ssrc(plane, stage):
    """Two packets under one index would give the key away: all that the plane sends on a connection, in one session."""
    connection = stage.subscriber.connection
    ids = {Extension.TRANSPORT_SEQUENCE: 4}
    plane.set_extensions(connection, ids)
    plane.set_control(connection, Feedback.PACKETS, reports=Feedback.PACKETS)
    stage.settle()
    plane._tables.connections[connection]["report_ssrc"] = 4242
    back = plane.open_track()
    plane.open_encoding(back, connection, mid="9", ssrc=55, payload_type=96, clock_rate=90000, audio=True)
    begin(stage)
    for k in range(20):
        plane.pass_report(stage.track, 0, NTP + k, 9000 + k)
        stage.subscriber.send(rtp(k, b"sound", ssrc=55, extensions={4: struct.pack("!H", k)}))
        stage.settle()
    wait_until(lambda: plane.counters()["sent_reports"] >= 20 and plane.counters()["sent_feedback"] >= 1)
    plane.close_subscription(stage.row, goodbye=True)
    stage.settle()
    wait_until(lambda: plane.counters()["sent_reports"] >= 21)
    stage.hear(int(plane.counters()["sent_reports"] + plane.counters()["sent_feedback"]))
    used = [(data[4:8], data[-4:]) for data in stage.sealed]  # GCM: the index is the last word (RFC 7714 section 9.2)
    assert len(set(used)) == len(used)
    assert {ssrc for ssrc, _ in used} == {struct.pack("!L", 7), struct.pack("!L", 4242)}
