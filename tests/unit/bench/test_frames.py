from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.generator import frames
from bench.generator.layout import ENCODING, STAMP_BYTES, STAMP_MARK
from bench.generator.reports import build_sender_report
from bench.traffic import AUDIO, SMALL_VIDEO, VIDEO
from sfu.wire import rtcp


def _encoding(**fields: int) -> Any:
    row = np.zeros(1, ENCODING)[0]
    row["video"] = 1
    row["payload_type"] = 96
    row["ssrc"] = 0xDEADBEEF
    row["mid"] = ord("0")
    row["frame_packets"] = VIDEO.frame_packets
    row["frame_bytes"] = VIDEO.frame_bytes
    row["sequence"] = 0x1FFFE
    for name, value in fields.items():
        row[name] = value
    return row


@pytest.mark.parametrize("frame", range(0, 200, 7))
def test_a_frame_splits_into_sizes_that_differ_by_a_byte_the_smaller_first(frame: int) -> None:
    total = frames.frame_size(VIDEO.frame_bytes, frame)
    sizes = [frames.chunk_size(total, 9, index) for index in range(9)]
    assert sum(sizes) == total
    assert sizes == sorted(sizes)
    assert sizes[-1] - sizes[0] <= 1


def test_frame_sizes_vary_around_their_mean() -> None:
    sizes = [frames.frame_size(10_000, frame) for frame in range(970)]
    assert len(set(sizes)) == 97
    assert np.mean(sizes) == pytest.approx(10_000, abs=1)


def test_the_first_packet_of_a_key_frame() -> None:
    buffer = np.zeros(2048, np.uint8)
    encoding = _encoding(mid_id=4, abs_send_time_id=2, transport_sequence_id=3)
    size, header = frames.build_packet(buffer, encoding, 0, 0x0102030405060708, 0xABCDEF, 0x1BEEF, True)
    data = buffer[:size].tobytes()
    assert data[:4] == bytes([0x90, 96, 0xFF, 0xFE])
    assert data[8:12] == bytes.fromhex("deadbeef")
    assert data[12:28] == bytes.fromhex("bede0003 4030 22abcdef 31beef 000000")
    assert header == 28
    # Descriptor: extended, start of partition 0, a 15-bit picture id (RFC 7741 section 4.2).
    assert data[28:32] == bytes.fromhex("90808000")
    # Frame tag with the key-frame bit clear, start code, 1280 x 720 (RFC 6386 section 9.1).
    assert data[32] & 1 == 0
    assert data[35:42] == bytes.fromhex("9d012a 0005 d002")
    stamp = data[-STAMP_BYTES:]
    assert stamp[:8] == bytes.fromhex("0102030405060708")
    assert int.from_bytes(stamp[8:12], "big") == 0x1FFFE
    assert int.from_bytes(stamp[12:], "big") == STAMP_MARK


def test_a_packet_of_audio_has_its_level_and_what_was_agreed_on() -> None:
    buffer = np.zeros(2048, np.uint8)
    encoding = _encoding(
        video=0,
        payload_type=111,
        mid_id=4,
        audio_level_id=1,
        abs_send_time_id=2,
        transport_sequence_id=3,
        frame_packets=AUDIO.frame_packets,
        frame_bytes=AUDIO.frame_bytes,
    )
    size, header = frames.build_packet(buffer, encoding, 0, 1, 0xABCDEF, 7, False)
    assert buffer[12:header].tobytes() == bytes.fromhex("bede0003 4030 1080 22abcdef 310007 00")
    assert buffer[1] == 111, "no marker"
    assert size == header + AUDIO.frame_bytes


def test_packets_are_as_long_as_their_rates_say() -> None:
    buffer = np.zeros(2048, np.uint8)
    for traffic in (VIDEO, SMALL_VIDEO, AUDIO):
        encoding = _encoding(
            video=traffic.video,
            mid_id=4,
            audio_level_id=0 if traffic.video else 1,
            abs_send_time_id=2,
            transport_sequence_id=3,
            frame_packets=traffic.frame_packets,
            frame_bytes=traffic.frame_bytes,
        )
        sizes = []
        for frame in range(97):
            encoding["frames"] = frame
            sizes += [
                frames.build_packet(buffer, encoding, index, 1, 0, 0, False)[0]
                for index in range(traffic.frame_packets)
            ]
        assert np.mean(sizes) == pytest.approx(traffic.packet_bytes, abs=1)


def test_only_the_last_packet_has_the_marker_and_only_the_first_starts_the_partition() -> None:
    buffer = np.zeros(2048, np.uint8)
    markers, starts, sizes = [], [], []
    for index in range(9):
        sizes.append(frames.build_packet(buffer, _encoding(), index, 1, 0, 0, False)[0])
        markers.append(int(buffer[1]) >> 7)
        starts.append(int(buffer[12]) >> 4 & 1)
    assert markers == [0] * 8 + [1]
    assert starts == [1] + [0] * 8
    assert buffer[0] == 0x80, "no extension was agreed on, so none is written"
    assert max(sizes) <= 1200


def test_the_publishers_rate_is_a_browsers() -> None:
    assert VIDEO.bits_per_second == pytest.approx(2.5e6, rel=0.03)
    assert VIDEO.packets_per_second == pytest.approx(260, rel=0.01)
    assert SMALL_VIDEO.bits_per_second == pytest.approx(1e6, rel=0.01)
    assert 32_000 <= AUDIO.bits_per_second <= 64_000
    assert AUDIO.packets_per_second == 50


def test_a_sender_report_is_a_valid_compound() -> None:
    buffer = np.zeros(2048, np.uint8)
    size = build_sender_report(buffer, _encoding(packets=12, bytes=3456, timestamp=9000), np.zeros(2, np.int64))
    data = buffer[:size].tobytes()
    assert data[:4] == bytes([0x80, 200, 0, 6])
    assert int.from_bytes(data[16:20], "big") == 9000
    assert (int.from_bytes(data[20:24], "big"), int.from_bytes(data[24:28], "big")) == (12, 3456)
    assert data[28:32] == bytes([0x81, 202, 0, 3])
    assert data[38:43] == b"bbbbb"
    report = rtcp.parse_compound(data)[0]
    assert isinstance(report, rtcp.SenderReport)
    assert report.ssrc == 0xDEADBEEF


def test_one_of_several_encodings_says_which_it_is() -> None:
    buffer = np.zeros(2048, np.uint8)
    encoding = _encoding(mid_id=4, rid_id=10, rid=ord("h"), abs_send_time_id=2)
    _size, header = frames.build_packet(buffer, encoding, 0, 1, 0xABCDEF, 0, False)
    assert buffer[12:header].tobytes() == bytes.fromhex("bede0002 4030 a068 22abcdef")
