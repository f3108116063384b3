"""Repair through the plane on links that lose, reorder and duplicate, seeded and in virtual time on both sides."""

from __future__ import annotations

import random
import struct

import pytest

from bench.netem.config import GilbertElliott, LinkConfig
from bench.netem.link import Link
from sfu.feedback.nack import NackSchedule
from sfu.feedback.round_trip import RoundTrip
from sfu.routing.plane import Gap, Repaired

from .conftest import rtp, wait_until
from .stage import Stage, parse, read_vp8, vp8

PICTURES = 400
INTERVAL_S = 0.02
ANSWER_S = 0.05
TAIL = 10  # at the end a loss shows only by what comes after it


class Publisher:
    """Sends pictures of one packet each through a link, and again what it is asked for, by RTX or as it was."""

    def __init__(self, stage: Stage, plane, config: LinkConfig, seed: int, *, rtx: bool) -> None:
        self.stage, self.plane, self.rtx = stage, plane, rtx
        self.sealed: dict[int, bytes] = {}
        self.link: Link[bytes] = Link(config, random.Random(seed))
        self.nacks = NackSchedule(RoundTrip(ANSWER_S), max_age=60.0, tries=100)
        self.repairs = 0
        self.taken = 0
        self.received: list[bytes] = []
        if not rtx:
            return
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

    def run(self) -> None:
        answers: list[tuple[float, int]] = []
        now = 0.0
        for step in range(3 * PICTURES):
            now = step * INTERVAL_S / 2
            if step % 2 == 0 and step // 2 < PICTURES + TAIL:
                self.link.send(self._media(step // 2), now)
            for due, number in [answer for answer in answers if answer[0] <= now]:
                answers.remove((due, number))
                self.link.send(self._repair(number), now)
            for delivered in self.link.poll(now):
                self._deliver(delivered.packet)
            for notice in self.plane.poll_notices():
                if isinstance(notice, Gap):
                    self.nacks.handle_gap(notice.first, notice.count, now)
                elif isinstance(notice, Repaired):
                    self.nacks.handle_repaired(notice.sequence, now)
            asked = self.nacks.handle_timeout(now, lambda number: self.plane.arrived(self.stage.rows[0], number))
            answers += [(now + ANSWER_S, number) for number in asked.sequences]
            self._drain()
        wait_until(lambda: self._drain() == self.plane.counters()["sent_packets"])
        assert self.nacks.outstanding <= TAIL

    def _drain(self) -> int:
        """What the subscriber has got so far."""
        while not self.stage.subscriber.silent():
            self.received += self.stage.subscriber.receive(1)
        return len(self.received)

    def _media(self, number: int) -> bytes:
        payload = vp8(number, key=number == 0)
        packet = rtp(number, payload, ssrc=100, timestamp=3000 * number, marker=True)
        self.sealed[number] = self.stage.publisher.send_srtp.protect(packet)
        return self.sealed[number]

    def _repair(self, number: int) -> bytes:
        self.repairs += 1
        if not self.rtx:
            return self.sealed[number]
        payload = struct.pack("!H", number) + vp8(number, key=number == 0)
        packet = rtp(self.repairs, payload, ssrc=300, payload_type=99, timestamp=3000 * number, marker=True)
        return self.stage.publisher.send_srtp.protect(packet)

    def _deliver(self, packet: bytes) -> None:
        self.stage.publisher.socket.send(packet)
        self.taken += 1
        connection = self.stage.publisher.connection
        wait_until(lambda: self.plane.connection_state(connection).packets_in == self.taken)


@pytest.mark.parametrize(
    "config",
    [
        LinkConfig(delay_s=0.01, reorder=0.2, reorder_s=0.035),
        LinkConfig(delay_s=0.01, loss=0.1),
        LinkConfig(delay_s=0.01, loss=0.1, reorder=0.1, reorder_s=0.05, jitter_s=0.03, keep_order=False),
        LinkConfig(delay_s=0.01, burst=GilbertElliott(p=0.03, r=0.3), reorder=0.05, reorder_s=0.05),
    ],
    ids=["reordered", "lossy", "all", "bursts"],
)
@pytest.mark.parametrize("rtx", [True, False], ids=["rtx", "the same packet"])
def test_each_picture_arrives_once_under_its_own_number(plane, make_peer, config, rtx):
    stage = Stage(plane, make_peer, resent=not rtx)
    publisher = Publisher(stage, plane, config, seed=7, rtx=rtx)
    publisher.run()
    packets = [parse(packet) for packet in publisher.received]
    first = packets[0]
    assert read_vp8(first[5])[2] == b"0/0"
    numbers = [int(read_vp8(packet[5])[2].split(b"/")[0]) for packet in packets]
    assert len(set(numbers)) == len(numbers)
    assert set(range(PICTURES)) <= set(numbers)
    assert [(packet[1] - first[1]) & 0xFFFF for packet in packets] == numbers
    assert [(packet[2] - first[2]) & 0xFFFFFFFF for packet in packets] == [3000 * number for number in numbers]
    counts = publisher.link.counts
    assert counts.lost + counts.reordered > 20
    assert (publisher.repairs > 0) == (counts.lost > 0) or config.reorder


def test_what_comes_twice_goes_out_once(plane, make_peer):
    """Duplicates never get past libsrtp."""
    stage = Stage(plane, make_peer)
    link: Link[bytes] = Link(LinkConfig(delay_s=0.01, duplicate=0.3, jitter_s=0.05, keep_order=False), random.Random(3))
    for number in range(200):
        packet = rtp(number, vp8(number, key=number == 0), ssrc=100, timestamp=3000 * number, marker=True)
        link.send(stage.publisher.send_srtp.protect(packet), number / 50)
    arrived = link.poll(100.0)
    for delivered in arrived:
        stage.publisher.socket.send(delivered.packet)
    wait_until(lambda: plane.connection_state(stage.publisher.connection).packets_in == len(arrived))
    assert link.counts.duplicated > 20
    assert plane.counters()["drop_srtp_replay"] == link.counts.duplicated
    assert plane.counters()["received_rtp"] == 200
