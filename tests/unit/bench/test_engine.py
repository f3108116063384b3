"""The compiled loop on real sockets: a publisher's link wired straight to a subscriber's."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from bench.generator.engine import Engine
from bench.links import GCM_128, EncodingPlan, Link, MediaKeys

_A, _B = bytes(range(28)), bytes(range(28, 56))
_PLAN = EncodingPlan(kind="video", ssrc=0x1234, payload_type=96, mid_id=4, abs_send_time_id=2)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(2)]
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        end.bind(("127.0.0.1", 0))
    ends[0].connect(ends[1].getsockname())
    ends[1].connect(ends[0].getsockname())
    yield ends[0], ends[1]
    for end in ends:
        end.close()


def _wait(engine: Engine, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, engine.counts()
        engine.poll_notices()
        time.sleep(0.005)


@pytest.mark.parametrize("receiver_gro", [False, True])
def test_every_packet_arrives_authentic_and_with_a_latency(
    pair: tuple[socket.socket, socket.socket], receiver_gro: bool
) -> None:
    publisher = Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))
    subscriber = Link(pair[1], MediaKeys(GCM_128, _B, _A))
    engine = Engine([publisher, subscriber], sample_every=1, receiver_gro=receiver_gro, limit_s=30)
    engine.start()
    try:
        engine.set_sending(True)
        _wait(engine, lambda: engine.counts().sent_packets >= 90)
        engine.set_sending(False)
        _wait(engine, lambda: engine.counts().received_packets == engine.counts().sent_packets)
    finally:
        engine.stop()
    counts = engine.counts()
    assert counts.sampled == counts.received_packets
    assert (counts.unauthentic, counts.malformed, counts.lost, counts.reordered) == (0, 0, 0, 0)
    assert counts.latency_count == counts.received_packets
    latency_us = engine.latency_us(0, counts.latency_count)
    assert latency_us.min() > 0
    assert list(engine.streams_by_link()) == [0, 1]


def test_the_frame_rate_can_be_raised(pair: tuple[socket.socket, socket.socket]) -> None:
    publisher = Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))
    subscriber = Link(pair[1], MediaKeys(GCM_128, _B, _A))
    engine = Engine([publisher, subscriber], sample_every=50, receiver_gro=False, limit_s=30)
    engine.set_rate(20.0)
    engine.start()
    try:
        start = time.monotonic()
        engine.set_sending(True)
        # 600 frames are over 20 s at the plain rate.
        _wait(engine, lambda: engine.counts().sent_packets >= 600 * 9)
        assert time.monotonic() - start < 15
    finally:
        engine.stop()


def test_consent_checks_must_fit_their_rows(pair: tuple[socket.socket, socket.socket]) -> None:
    link = Link(pair[0], MediaKeys(GCM_128, _A, _B), consents=(bytes(100), bytes(96)))
    with pytest.raises(ValueError, match="of one length"):
        Engine([link], sample_every=1, receiver_gro=False, limit_s=1)


def test_the_loop_ends_by_itself_at_its_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    link = Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))
    engine = Engine([link], sample_every=1, receiver_gro=False, limit_s=-119.5)
    engine.start()
    _wait(engine, lambda: not engine.running)
    engine.stop()
