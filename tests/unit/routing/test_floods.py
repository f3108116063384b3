"""What one client, or a stranger, sends too much of stops in the plane: at no cost of Python's time, or of others."""

from __future__ import annotations

import itertools
import random
import struct

import numpy as np
import pytest

from sfu.routing.kernels.allowances import _BURST_US, _INTERVAL_US
from sfu.routing.plane import Datagram, RepeatMissed
from sfu.transport import parse_username
from sfu.wire.kernels.binding import parse_ufrag
from sfu.wire.ufrag import pack_ufrag

from .conftest import build_check, wait_until
from .stage import Stage, vp8

OURS, OTHERS = "ourfrag+", "another/"


def nack(ssrc: int, *entries: tuple[int, int]) -> bytes:
    return struct.pack("!BBHII", 0x81, 205, 2 + len(entries), 1, ssrc) + b"".join(
        struct.pack("!HH", *entry) for entry in entries
    )


def picture_loss(ssrc: int) -> bytes:
    return struct.pack("!BBHII", 0x81, 206, 2, 1, ssrc)


@pytest.fixture
def stage(plane, make_peer):
    made = Stage(plane, make_peer, repair=True)
    plane.set_ufrags(made.publisher.connection, [OTHERS])
    plane.set_ufrags(made.subscriber.connection, [OURS])
    wait_until(lambda: plane.settled)
    return made


def counted(plane, *names: str) -> int:
    counters = plane.counters()
    return sum(counters[name] for name in names)


def allowed(kind: int, sent: int, seconds: float) -> range:
    """How many pass of so many that were sent within so long."""
    least = min(sent, _BURST_US[kind] // _INTERVAL_US[kind])
    return range(least, least + int(seconds * 1e6 / _INTERVAL_US[kind]) + 2)


def send_all(stage, packets, socket=None) -> None:
    """Send in portions that the socket's buffer takes, and wait until the plane has each; nothing else may come."""
    expected = count_received(stage)
    for first in range(0, len(packets), 50):
        for packet in packets[first : first + 50]:
            (socket or stage.subscriber.socket).send(packet)
            expected += 1
        wait_until(lambda: count_received(stage) >= expected)  # noqa: B023 - it is waited for here


def count_received(stage) -> int:
    return stage.plane.counters()["received_datagrams"]


def test_nacks_never_reach_the_control_side_and_have_a_rate(stage):
    stage.send(1, vp8(1, key=True))
    (sent,) = stage.take(1)
    packet = nack(7, (sent[0], 0), *[((sent[0] + 100) & 0xFFFF, 0xFFFF)] * 99)
    protect = stage.subscriber.send_srtp.protect_rtcp
    stage.plane.poll_notices()
    send_all(stage, [protect(packet) for _ in range(100)])
    assert stage.plane.poll_notices() == []
    assert 5_000 < counted(stage.plane, "drop_nack_rate") < 9_000
    assert counted(stage.plane, "repeated_packets") >= 1
    stage.send(2, vp8(2), timestamp=3000)  # and media go on
    stage.subscriber.receive(2)


def test_nacks_beside_others_in_a_compound_packet_are_answered_and_the_rest_is_passed_on(stage):
    stage.send(1, vp8(1, key=True))
    (sent,) = stage.take(1)
    packet = nack(7, (sent[0], 0)) + picture_loss(7)
    stage.subscriber.send_rtcp(packet)
    assert len(stage.subscriber.receive(1)) == 1
    wait_until(lambda: stage.plane.notices_written > stage.plane.notices_read)
    told = [notice.data for notice in stage.plane.poll_notices() if isinstance(notice, Datagram)]
    assert told == [packet]


@pytest.mark.parametrize("ssrc", [8, 100, 0])
def test_a_nack_for_what_is_not_ones_own_does_nothing(stage, ssrc):
    stage.send(1, vp8(1, key=True))
    (sent,) = stage.take(1)
    send_all(stage, [stage.subscriber.send_srtp.protect_rtcp(nack(ssrc, (sent[0], 0)))])
    assert stage.subscriber.silent()
    assert not any(isinstance(notice, Datagram) for notice in stage.plane.poll_notices())


@pytest.mark.parametrize(
    "malformed",
    [
        struct.pack("!BBHII", 0x81, 205, 2, 1, 7),  # no entry
        struct.pack("!BBHI", 0x81, 205, 1, 1),
        struct.pack("!BBHIIHH", 0xA1, 205, 3, 1, 7, 0, 3),  # of its entry but an octet is left by the padding
    ],
)
def test_a_malformed_nack_is_left_to_who_counts_it(stage, malformed):
    stage.subscriber.send_rtcp(malformed)
    wait_until(lambda: stage.plane.notices_written > stage.plane.notices_read)
    assert [notice.data for notice in stage.plane.poll_notices() if isinstance(notice, Datagram)] == [malformed]


def test_what_the_history_has_not_is_told_ten_times_a_second_at_most(make_planes, make_peer):
    (plane,) = make_planes(1)
    plane._tables.history_written[0] = 0
    stage = Stage(plane, make_peer, repair=True)
    stage.send(1, vp8(1, key=True))
    (sent,) = stage.take(1)
    plane.poll_notices()
    plane._tables.history_written[0] += len(plane._tables.history_packets) + 1  # as if so many had come since
    send_all(stage, [stage.subscriber.send_srtp.protect_rtcp(nack(7, (sent[0], 0))) for _ in range(40)])
    wait_until(lambda: plane.counters()["repeat_missed"] == 40)
    assert 1 <= sum(isinstance(notice, RepeatMissed) for notice in plane.poll_notices()) <= 5


def test_rtcp_for_the_control_side_has_a_rate(stage):
    protect = stage.subscriber.send_srtp.protect_rtcp
    told = 0
    for _ in range(30):
        send_all(stage, [protect(picture_loss(7)) for _ in range(50)])
        told += len(stage.plane.poll_notices())
    assert told + counted(stage.plane, "drop_rtcp_rate") == 1500
    assert told < 1500
    stage.publisher.send_rtcp(picture_loss(7))  # another one's allowance is his own
    wait_until(lambda: stage.plane.notices_written > stage.plane.notices_read)


def test_checks_that_name_nobody_stop_in_the_plane(stage, make_peer):
    stranger = make_peer(stage.plane, 9, keyed=False)
    for packet in (
        build_check("unknown!"),
        build_check("short"),
        build_check(OURS + "x"),
        b"\0" * 40,
        b"\0\1" + bytes(18),
    ):
        stranger.socket.send(packet)
    wait_until(lambda: counted(stage.plane, "drop_stun_unknown_user") == 5)
    stranger.socket.send(build_check(OURS))
    wait_until(lambda: stage.plane.notices_written > stage.plane.notices_read)
    (notice,) = stage.plane.poll_notices()
    assert (notice.kind, notice.connection) == ("stun", stage.subscriber.connection)


def test_a_flood_of_checks_from_elsewhere_takes_nothing_from_those_of_the_client(stage, make_peer):
    stranger = make_peer(stage.plane, 9, keyed=False)
    told = 0
    for _ in range(20):
        send_all(stage, [build_check(OURS)] * 50, stranger.socket)
        told += len(stage.plane.poll_notices())
    assert told + counted(stage.plane, "drop_stun_rate") == 1000
    assert told < 500
    stage.subscriber.socket.send(build_check(OURS))
    stage.publisher.socket.send(build_check(OTHERS))
    wait_until(lambda: stage.plane.notices_written - stage.plane.notices_read == 2)


def test_user_fragments_change_and_go_with_their_connection(stage):
    plane, row = stage.plane, stage.subscriber.connection
    plane.set_ufrags(row, ["newfragm", OURS])
    wait_until(lambda: plane.settled)
    for ufrag in ("newfragm", OURS):
        stage.subscriber.socket.send(build_check(ufrag))
    wait_until(lambda: plane.notices_written - plane.notices_read == 2)
    plane.set_ufrags(row, ["newfragm"])
    wait_until(lambda: plane.settled)
    stage.subscriber.socket.send(build_check(OURS))
    wait_until(lambda: counted(plane, "drop_stun_unknown_user") == 1)
    plane.close_subscription(stage.row)
    plane.close_connection(row)
    wait_until(lambda: plane.settled)
    stage.publisher.socket.send(build_check("newfragm"))
    wait_until(lambda: counted(plane, "drop_stun_unknown_user") == 2)
    with pytest.raises(ValueError, match="characters"):
        plane.set_ufrags(stage.publisher.connection, ["short"])
    with pytest.raises(ValueError, match="at most 2"):
        plane.set_ufrags(stage.publisher.connection, [OURS, OTHERS, "newfragm"])


def test_dtls_of_strangers_stops_in_the_plane_and_that_of_clients_has_a_rate(stage, make_peer):
    record = b"\x16\xfe\xfd" + bytes(20)
    stranger = make_peer(stage.plane, 9, keyed=False)
    stage.plane.addresses.set(stranger.connection, [], None)
    wait_until(lambda: stage.plane.settled)
    stranger.socket.send(record)
    wait_until(lambda: counted(stage.plane, "drop_dtls_unknown_address") == 1)
    told = 0
    for _ in range(20):
        send_all(stage, [record] * 50)
        told += len(stage.plane.poll_notices())
    assert told + counted(stage.plane, "drop_dtls_rate") == 1000
    assert told < 1000


def test_the_plane_and_the_control_side_agree_on_whose_check_it_is():
    """Whatever is made of a check: what the plane takes for one of ours, the control side does, too."""
    rng = random.Random(5)
    known = {pack_ufrag(ufrag): ufrag for ufrag in (OURS, OTHERS)}
    seeds = [
        build_check(OURS),
        build_check(OTHERS, remote="r" * 200),
        build_check(OURS, software="x" * 50),
        build_check("short"),
        build_check(OURS * 2),
    ]
    found = 0
    for seed, _ in itertools.product(seeds, range(2000)):
        data = bytearray(seed)
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.choice([0, 1, 3, 0x3A, 0xFF, rng.randrange(256)])
        data = data[: rng.choice([len(data), len(data), rng.randrange(len(data) + 1)])]
        buffer = np.frombuffer(bytes(4) + bytes(data) + bytes(4), np.uint8)
        ufrag = known.get(parse_ufrag(buffer, 4, 4 + len(data)))
        said = parse_username(bytes(data))
        assert (said if said in known.values() else None) == ufrag
        found += ufrag is not None
    assert found > 1000


def test_application_data_have_a_rate_of_their_own_where_the_connection_takes_them(stage, make_peer):
    record = b"\x17\xfe\xfd" + bytes(20)
    stage.plane.set_data(stage.subscriber.connection, taken=True)
    wait_until(lambda: stage.plane.settled)
    told = 0
    for _ in range(40):
        send_all(stage, [record] * 50)
        told += len(stage.plane.poll_notices())
    assert 900 < told < 2000
    assert told + counted(stage.plane, "drop_dtls_rate") == 2000
    # A flood of them leaves the handshake its part.
    send_all(stage, [b"\x16\xfe\xfd" + bytes(20)])
    assert len(stage.plane.poll_notices()) == 1
    stage.plane.set_data(stage.subscriber.connection, taken=False)
    wait_until(lambda: stage.plane.settled)
    for _ in range(8):
        send_all(stage, [record] * 50)
        stage.plane.poll_notices()
    assert counted(stage.plane, "drop_dtls_rate") > 100
