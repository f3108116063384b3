"""Senders whose SSRC changes: with each group of pictures for hours, in bursts, and with malice; in virtual time."""

from __future__ import annotations

import select

import pytest

from sfu.routing.kernels.sources import KEPT_SOURCES, QUIET_US, SOURCE_BURST
from sfu.routing.plane import Plane, PlaneLimits

from .conftest import rtp

SECOND = 1_000_000


class World:
    """A plane whose clock stands still but for `wait`, a publisher of one encoding, and a subscriber."""

    def __init__(self, make_peer) -> None:
        self.plane = Plane(0, host="127.0.0.1", port=0, limits=PlaneLimits(64, 64, 64, 256))
        self.plane.start_stepped()
        self.now_us = 1000 * SECOND
        self.publisher, self.subscriber = make_peer(self.plane, 1), make_peer(self.plane, 2)
        track = self.plane.open_track()
        self.encoding = self.plane.open_encoding(
            track, self.publisher.connection, mid="0", ssrc=0, payload_type=96, clock_rate=90000, audio=True
        )
        self.plane.open_subscription(track, self.subscriber.connection, mid="0", ssrc=7, payload_type=96)
        self.step()

    def step(self) -> None:
        self.plane.step(self.now_us)
        self.plane.poll_notices()

    def wait(self, seconds: float) -> None:
        self.now_us += int(seconds * SECOND)

    def send(self, ssrc: int, sequence: int = 1) -> bytes:
        protected = self.publisher.send(rtp(sequence, b"x", ssrc=ssrc))
        self.step()
        return protected

    def repeat(self, protected: bytes) -> None:
        self.publisher.socket.send(protected)
        self.step()

    def report(self, ssrc: int) -> bytes:
        protected = self.publisher.send_srtp.protect_rtcp(b"\x80\xc8\0\6" + ssrc.to_bytes(4) + bytes(20))
        self.publisher.socket.send(protected)
        self.step()
        return protected

    def taken(self) -> int:
        return self.plane.counters()["received_rtp"]

    def forwarded(self) -> int:
        """How many packets have come to the subscriber, each once, since it was last asked."""
        count = 0
        while select.select([self.subscriber.socket], [], [], 0)[0]:
            self.subscriber.receive_srtp.unprotect(self.subscriber.socket.recv(2048))
            count += 1
        return count

    def known(self) -> int:
        return int(self.plane._tables.connections["sources"][self.publisher.connection])


@pytest.fixture
def world(make_peer):
    made = World(make_peer)
    yield made
    made.plane.stop()


def forget(world, ssrc):
    """The publisher's own libsrtp would become slow."""
    world.publisher.send_srtp.remove_stream(ssrc)


@pytest.mark.parametrize(("count", "seconds"), [(3600, 1.0), (3000, 0.1)], ids=["an hour", "in haste"])
def test_a_new_ssrc_with_each_group_of_pictures_and_all_is_forwarded(world, count, seconds):
    most = 0
    for number in range(count):
        ssrc = 5000 + number
        world.send(ssrc, 1)
        world.send(ssrc, 2)
        world.report(ssrc)
        world.wait(seconds)
        assert world.forwarded() == 2
        if number > 10:
            forget(world, ssrc - 10)
        most = max(most, world.known())
    assert world.taken() == 2 * count
    assert most <= KEPT_SOURCES + 1 + QUIET_US / SECOND / seconds
    assert world.plane.counters()["drop_source_limit"] == 0
    assert world.plane.counters()["drop_rtcp_source_limit"] == 0
    assert world.plane.encoding_state(world.encoding).ssrc == 5000 + count - 1


def test_what_was_captured_of_a_former_ssrc_is_never_taken_again(world):
    captured = []
    for second in range(3 * KEPT_SOURCES):
        captured += [world.send(5000 + second), world.report(5000 + second)]
        world.wait(1)
    taken, reports = world.taken(), world.plane.counters()["drop_rtcp_authentication"]
    assert taken == 3 * KEPT_SOURCES
    world.wait(3600)
    for protected in captured:
        world.repeat(protected)
    assert world.taken() == taken
    counters = world.plane.counters()
    # Each is refused, as a replay where its SSRC is known, and else since its SSRC was given up.
    assert counters["drop_srtp_replay"] + counters["drop_source_limit"] == taken
    assert counters["drop_rtcp_authentication"] - reports + counters["drop_rtcp_source_limit"] == taken
    assert counters["drop_source_limit"] > 0
    assert counters["drop_rtcp_source_limit"] > 0
    assert world.plane.encoding_state(world.encoding).ssrc == 5000 + 3 * KEPT_SOURCES - 1


def test_a_burst_passes_and_what_is_too_much_is_refused_until_time_has_passed(world):
    for ssrc in range(1, 2 * SOURCE_BURST + 1):
        world.send(ssrc)
    assert world.taken() == SOURCE_BURST
    assert world.plane.counters()["drop_source_limit"] == SOURCE_BURST
    world.wait(1)
    world.send(9000)
    assert world.taken() == SOURCE_BURST + 1
    world.send(9000, 2)
    assert world.taken() == SOURCE_BURST + 2


def test_a_flood_of_forged_ssrcs_costs_no_memory_and_cuts_nobody_off(world):
    world.send(1)
    for k in range(5000):
        world.publisher.socket.send(rtp(k, bytes(40), ssrc=100_000 + k))
        if k % 50 == 0:
            world.step()
    world.step()
    assert world.known() == 1
    assert world.plane.counters()["drop_srtp_authentication"] == 5000
    world.send(1, 2)
    world.send(2)
    world.send(3)
    assert world.taken() == 4


def test_forged_reports_cost_no_memory_and_cut_nobody_off(world):
    for k in range(2000):
        world.publisher.socket.send(b"\x80\xc8\0\6" + (100_000 + k).to_bytes(4) + bytes(40))
        if k % 50 == 0:
            world.step()
    world.step()
    assert world.known() == 0
    world.report(5)
    assert world.known() == 1


def test_what_is_late_of_the_former_ssrc_does_not_take_the_encoding_back(world):
    world.send(1, 1)
    late = world.publisher.send_srtp.protect(rtp(2, b"x", ssrc=1))
    world.send(2, 100)
    world.repeat(late)
    assert world.plane.encoding_state(world.encoding).ssrc == 2
    world.send(2, 101)
    assert world.forwarded() == 3
    assert world.plane.counters()["drop_source_limit"] == 1


def test_who_comes_back_to_a_former_ssrc_goes_on_and_his_old_packets_do_not(world):
    old = world.send(1, 1)
    world.wait(5)
    world.send(2, 1)
    world.wait(5)
    world.repeat(old)
    assert world.plane.encoding_state(world.encoding).ssrc == 2
    world.send(1, 2)
    assert world.plane.encoding_state(world.encoding).ssrc == 1
    assert world.taken() == 3
    assert world.plane.counters()["drop_srtp_replay"] == 1


def test_a_signalled_ssrc_that_was_given_up_stays_given_up(world):
    old = world.send(5000)
    for second in range(1, 3 * KEPT_SOURCES):
        world.wait(1)
        world.send(5000 + second)
    track = world.plane.open_track()
    row = world.plane.open_encoding(
        track, world.publisher.connection, mid="1", ssrc=5000, payload_type=97, clock_rate=90000, audio=True
    )
    world.step()
    taken = world.taken()
    world.repeat(old)
    assert world.taken() == taken
    assert world.plane.encoding_state(row).packets == 0


def test_what_is_signalled_is_never_given_up(world):
    track = world.plane.open_track()
    row = world.plane.open_encoding(
        track, world.publisher.connection, mid="1", ssrc=77, payload_type=97, clock_rate=90000, audio=True
    )
    world.step()
    for second in range(3 * KEPT_SOURCES):
        world.wait(1)
        world.send(5000 + second)
    world.publisher.send(rtp(1, b"x", ssrc=77, payload_type=97))
    world.step()
    assert world.plane.encoding_state(row).packets == 1


def test_an_audio_and_a_video_source_change_together(world):
    track = world.plane.open_track()
    world.plane.open_encoding(
        track, world.publisher.connection, mid="1", ssrc=0, payload_type=97, clock_rate=90000, audio=False
    )
    for second in range(600):
        world.wait(1)
        world.send(5000 + second)
        world.publisher.send(rtp(1, b"x", ssrc=50_000 + second, payload_type=97))
        world.step()
    assert world.taken() == 1200
