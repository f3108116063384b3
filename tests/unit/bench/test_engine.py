"""The compiled loop on real sockets: a publisher's link wired straight to a subscriber's."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest

from bench.generator.engine import Engine
from bench.links import GCM_128, EncodingPlan, Link, MediaKeys, StreamPlan, new_session
from bench.traffic import AUDIO, VIDEO
from sfu.wire import rtcp

pytestmark = pytest.mark.breadth
"""The loop compiles for long, and every bench runs it."""

_A, _B = bytes(range(28)), bytes(range(28, 56))
_PLAN = EncodingPlan(
    kind="video",
    ssrc=0x1234,
    payload_type=96,
    mid_id=4,
    abs_send_time_id=2,
    transport_sequence_id=3,
    repair_ssrc=0x1235,
    repair_type=97,
)
_VOICE = EncodingPlan(kind="audio", ssrc=0x1236, payload_type=111, mid="1", mid_id=4, audio_level_id=1)
_STREAMS = (StreamPlan("video", 0x1234, 0x1235), StreamPlan("audio", 0x1236))
_TRAFFIC = {"video": VIDEO, "audio": AUDIO}


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


def _engine(links: list[Link], *, sample_every: int = 1, receiver_gro: bool = False, limit_s: float = 30) -> Engine:
    return Engine(links, traffic=_TRAFFIC, sample_every=sample_every, receiver_gro=receiver_gro, limit_s=limit_s)


@pytest.mark.parametrize("receiver_gro", [False, True])
def test_every_packet_arrives_authentic_and_with_a_latency(
    pair: tuple[socket.socket, socket.socket], receiver_gro: bool
) -> None:
    publisher = Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN, _VOICE))
    subscriber = Link(pair[1], MediaKeys(GCM_128, _B, _A), streams=_STREAMS, transport_sequence_id=3)
    engine = _engine([publisher, subscriber], receiver_gro=receiver_gro)
    engine.start()
    try:
        engine.set_sending(True)
        _wait(engine, lambda: engine.counts().sent_packets >= 90 and engine.counts().feedbacks_in >= 2)
        engine.set_sending(False)
        _wait(engine, lambda: engine.counts().delivered_packets == engine.counts().sent_packets)
    finally:
        engine.stop()
    counts = engine.counts()
    assert counts.sampled == counts.delivered_packets == counts.arrived_packets
    assert (counts.unauthentic, counts.malformed, counts.lost, counts.reordered, counts.overflow) == (0, 0, 0, 0, 0)
    assert (counts.asked, counts.duplicates, counts.repaired, counts.rtcp_failed) == (0, 0, 0, 0)
    assert counts.unstamped == 0
    assert counts.latency_count == counts.delivered_packets
    latency_us = engine.latency_us(0, counts.latency_count)
    assert latency_us.min() > 0
    assert list(engine.sent_by_link()) == [counts.sent_packets, 0]
    assert list(engine.delivered_by_link()) == [0, counts.sent_packets]


def test_what_is_lost_is_asked_for_sent_again_and_counted_once(pair: tuple[socket.socket, socket.socket]) -> None:
    """The publisher's link ends here: every tenth packet is left out once, each repeat is passed on twice."""
    publisher = Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))
    with _bound() as far, _bound() as ours:
        pair[1].connect(far.getsockname())
        far.connect(pair[1].getsockname())
        pair[0].connect(ours.getsockname())
        ours.connect(pair[0].getsockname())
        subscriber = Link(pair[1], MediaKeys(GCM_128, _B, _A), streams=_STREAMS[:1], transport_sequence_id=3)
        engine = _engine([publisher, subscriber])
        engine.start()
        dropped: set[bytes] = set()

        def carry() -> None:
            for data in _drain(ours):
                media = not 192 <= data[1] < 224
                # Never the last of a frame: behind the very last one nothing would tell that it is missing.
                if media and data[1] == 96 and int.from_bytes(data[2:4], "big") % 10 == 5:
                    dropped.add(data[2:4])
                    continue
                far.send(data)
                if media and data[1] & 0x7F == 97:
                    far.send(data)
            for data in _drain(far):
                ours.send(data)

        try:
            engine.set_sending(True)
            _wait(engine, lambda: carry() or engine.counts().sent_packets >= 150)
            engine.set_sending(False)
            _wait(engine, lambda: carry() or engine.counts().delivered_packets == engine.counts().sent_packets)
            _wait(engine, lambda: carry() or engine.counts().duplicates == len(dropped))
        finally:
            engine.stop()
    counts = engine.counts()
    assert len(dropped) >= 10
    assert counts.repaired == counts.asked == len(dropped)
    assert (counts.given_up, counts.unauthentic, counts.malformed, counts.lost) == (0, 0, 0, 0)


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.bind(("127.0.0.1", 0))
    return made


def _drain(end: socket.socket) -> Iterator[bytes]:
    while True:
        try:
            yield end.recv(2048)
        except BlockingIOError:
            return


def test_the_next_frame_after_a_request_is_a_key_frame(pair: tuple[socket.socket, socket.socket]) -> None:
    engine = _engine([Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))])
    server = new_session(GCM_128, _B, outbound=True)
    engine.start()
    try:
        pair[1].send(server.protect_rtcp(rtcp.build_picture_loss(1, 0x1234)))
        _wait(engine, lambda: engine.counts().keyframe_requests == 1)
        pair[1].send(server.protect_rtcp(rtcp.build_full_intra_request(1, 0x1234, 3)))
        _wait(engine, lambda: engine.counts().keyframe_requests == 2)
        pair[1].send(server.protect_rtcp(rtcp.build_receiver_report(1)))
        pair[1].send(new_session(GCM_128, bytes(28), outbound=True).protect_rtcp(rtcp.build_picture_loss(1, 0x1234)))
        _wait(engine, lambda: engine.counts().rtcp == 4)
    finally:
        engine.stop()
    assert (engine.counts().keyframe_requests, engine.counts().rtcp_failed) == (2, 1)


def test_the_frame_rate_of_video_can_be_raised(pair: tuple[socket.socket, socket.socket]) -> None:
    publisher = Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))
    subscriber = Link(pair[1], MediaKeys(GCM_128, _B, _A), streams=_STREAMS)
    engine = _engine([publisher, subscriber], sample_every=50)
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
        _engine([link], limit_s=1)


def test_the_loop_ends_by_itself_at_its_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    engine = _engine([Link(pair[0], MediaKeys(GCM_128, _A, _B), (_PLAN,))], limit_s=-119.5)
    engine.start()
    _wait(engine, lambda: not engine.running)
    engine.stop()
