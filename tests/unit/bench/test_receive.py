from __future__ import annotations

import numpy as np
import pytest

from bench.generator import layout as lay
from bench.generator.engine import wants_keyframe
from bench.generator.frames import build_stamp
from bench.generator.layout import Tables, make_tables
from bench.generator.native import session_address
from bench.generator.numbers import extend_sequence
from bench.generator.receive import (
    check_sample,
    count_rtp,
    handle_datagram,
    is_sampled,
    segment_size,
)
from bench.links import GCM_128, new_session
from sfu.wire import rtcp

_KEY = bytes(range(28))
_LENGTH = np.zeros(1, np.int32)


@pytest.fixture
def tables() -> Tables:
    made = make_tables(1, 1)
    made.control[lay.SAMPLE_EVERY] = 1
    return made


def _rtp(sequence: int, ssrc: int = 7, size: int = 100) -> bytes:
    return bytes([0x80, 96]) + sequence.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + bytes(size - 12)


def _take(tables: Tables, data: bytes) -> None:
    packet = np.frombuffer(data, np.uint8).copy()
    handle_datagram(0, packet, len(data), len(data), False, 0, tables, _LENGTH)


@pytest.mark.parametrize(
    ("highest", "sequence", "extended"),
    [(0x1FFFF, 0, 0x20000), (0x20000, 0xFFFF, 0x1FFFF), (0x10005, 5, 0x10005), (0x10005, 9, 0x10009)],
)
def test_sequence_numbers_extend_to_the_nearest(highest: int, sequence: int, extended: int) -> None:
    assert extend_sequence(highest, sequence) == extended


def test_a_stream_counts_gaps_over_a_wrap_and_reordering(tables: Tables) -> None:
    connection, streams = tables.connections[0], tables.streams[0]
    for sequence in (0xFFFE, 0xFFFD, 0xFFFF, 2, 1):
        assert count_rtp(connection, streams, sequence, 42, 1000) == 0
    stream = streams[0]
    assert stream["highest"] - stream["first"] + 1 == 6  # 0 is missing
    assert stream["received"] == 5
    assert stream["reordered"] == 2
    assert connection["bytes"] == 5000


def test_more_streams_than_rows_are_counted_and_left_out(tables: Tables) -> None:
    for ssrc in range(1, lay.STREAMS_PER_CONNECTION + 4):
        _take(tables, _rtp(1, ssrc))
    assert tables.connections[0]["streams"] == lay.STREAMS_PER_CONNECTION
    assert tables.connections[0]["overflow"] == 3


def test_datagrams_are_told_apart(tables: Tables) -> None:
    _take(tables, _rtp(1))
    _take(tables, b"\x81\xc9" + bytes(30))  # RTCP
    _take(tables, b"\x01\x01" + bytes(18))  # a STUN response
    _take(tables, b"\x16" + bytes(40))  # DTLS
    _take(tables, b"\x80")
    connection = tables.connections[0]
    assert [int(connection[name]) for name in ("packets", "rtcp", "stun", "other")] == [1, 1, 1, 2]
    assert tables.control[lay.NOTICE_HEAD] == 0


def test_a_servers_own_check_and_a_publishers_rtcp_go_to_python(tables: Tables) -> None:
    tables.connections[0]["publisher"] = 1
    check, report = b"\x00\x01" + bytes(18), b"\x81\xce" + bytes(30)
    _take(tables, check)
    _take(tables, report)
    assert tables.control[lay.NOTICE_HEAD] == 2
    assert [slot["data"][: slot["length"]].tobytes() for slot in tables.notices[:2]] == [check, report]


def test_a_full_notice_ring_drops_and_counts(tables: Tables) -> None:
    for _ in range(lay.NOTICES + 3):
        _take(tables, b"\x00\x01" + bytes(18))
    assert tables.control[lay.NOTICE_HEAD] == lay.NOTICES
    assert tables.control[lay.NOTICES_LOST] == 3


def _stamped(sequence: int, counter: int, sent_ns: int, pad: int = 0) -> bytes:
    packet = np.zeros(200, np.uint8)
    packet[:12] = np.frombuffer(_rtp(sequence, size=12), np.uint8)
    end = 100 + lay.STAMP_BYTES
    build_stamp(packet, 100, sent_ns, counter)
    if pad:
        packet[0] |= 0x20
        packet[end + pad - 1] = pad
    return packet[: end + pad].tobytes()


def _check(tables: Tables, protected: bytes, session_key: bytes = _KEY, now_ns: int = 5_000_000) -> None:
    session = new_session(GCM_128, session_key, outbound=False)
    packet = np.frombuffer(protected, np.uint8).copy()
    check_sample(tables.streams[0][0], packet, len(packet), session_address(session), now_ns, tables, _LENGTH)


@pytest.mark.parametrize("pad", [0, 1, 4])
def test_a_sample_yields_its_latency_with_or_without_padding(tables: Tables, pad: int) -> None:
    outbound = new_session(GCM_128, _KEY, outbound=True)
    _check(tables, outbound.protect(_stamped(10, 5, 2_000_000, pad)))
    stream = tables.streams[0][0]
    assert (stream["sampled"], stream["unauthentic"], stream["malformed"]) == (1, 0, 0)
    assert tables.control[lay.LATENCY_COUNT] == 1
    assert tables.latency_ns[0] == 3_000_000


def test_a_forged_sample_is_counted(tables: Tables) -> None:
    outbound = new_session(GCM_128, _KEY, outbound=True)
    _check(tables, outbound.protect(_stamped(10, 5, 1)), session_key=bytes(28))
    assert tables.streams[0][0]["unauthentic"] == 1
    assert tables.control[lay.LATENCY_COUNT] == 0


def test_a_payload_that_is_not_the_one_sent_is_counted(tables: Tables) -> None:
    outbound = new_session(GCM_128, _KEY, outbound=True)
    _check(tables, outbound.protect(_rtp(10)))
    assert tables.streams[0][0]["malformed"] == 1


def test_renumbering_must_stay_the_same_within_a_stream(tables: Tables) -> None:
    outbound = new_session(GCM_128, _KEY, outbound=True)
    _check(tables, outbound.protect(_stamped(10, 5, 1)))
    _check(tables, outbound.protect(_stamped(11, 6, 1)))
    assert tables.streams[0][0]["malformed"] == 0
    _check(tables, outbound.protect(_stamped(12, 8, 1)))
    assert tables.streams[0][0]["malformed"] == 1


def test_one_read_in_so_many_is_sampled(tables: Tables) -> None:
    tables.control[lay.SAMPLE_EVERY] = 50
    assert sum(bool(is_sampled(0, tables)) for _ in range(200)) == 4
    tables.connections[0]["publisher"] = 1
    assert all(is_sampled(0, tables) for _ in range(10))


def test_the_segment_size_of_a_gro_read() -> None:
    row = np.zeros(24, np.uint8)
    row[16], row[17] = 0xA8, 0x04
    assert segment_size(row, 20, 9000) == 0x4A8
    assert segment_size(row, 0, 900) == 900


def test_pli_and_fir_ask_for_a_key_frame_and_reports_do_not() -> None:
    report = rtcp.build_receiver_report(1)
    assert wants_keyframe(report + rtcp.build_picture_loss(1, 2))
    assert wants_keyframe(rtcp.build_full_intra_request(1, 2, 3))
    assert not wants_keyframe(report)
    assert not wants_keyframe(b"\x81")
