"""Frames come out of payloads as they went in, or not at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.recording.depacketize import CODECS, MAX_FRAME_BYTES, Frame, make_depacketizer
from sfu.recording.depacketize.av1 import build_leb128, read_leb128, restore_size
from sfu.recording.depacketize.h264_parameters import parse_parameters
from sfu.recording.depacketize.opus import packet_duration_us, parse_redundant
from sfu.recording.depacketize.picture import MAX_FRAME_PACKETS
from sfu.recording.depacketize.vp9 import build_superframe
from sfu.recording.depacketize.vp9_header import hide_frame, parse_key_frame_size

from .captured import take
from .packetize import H264_PPS, H264_SPS, SENDERS, VP9_KEY
from .packets import packet

VIDEO = sorted(SENDERS)


def push_all(codec: str, payloads: list[tuple[int, int, bool, bytes]]) -> tuple[list[Frame], dict[str, int]]:
    """Number, timestamp, marker and payload of each."""
    depacketizer = make_depacketizer(codec)
    frames: list[Frame] = []
    for number, timestamp, marker, payload in payloads:
        one = packet(number, 10 * number, payload, timestamp=timestamp, marker=marker)
        frames += depacketizer.push(one, number)
    return frames, dict(depacketizer.dropped)


@pytest.mark.parametrize("codec", VIDEO)
@given(seed=st.integers(0, 2**32), marked=st.booleans())
@settings(max_examples=60, deadline=None)
def test_frames_come_out_as_they_went_in(codec: str, seed: int, marked: bool) -> None:
    """With markers or without: then the next timestamp ends a frame."""
    chance = random.Random(seed)
    sent, payloads, number = [], [], 1
    for picture in range(12):
        frame, parts = SENDERS[codec](chance, picture % 5 == 0)
        sent.append((frame, picture % 5 == 0, number, number + len(parts) - 1))
        for at, part in enumerate(parts):
            payloads.append((number + at, 3_000 * picture, marked and at == len(parts) - 1, part))
        number += len(parts)
        if chance.random() < 0.3:  # padding
            payloads.append((number, 3_000 * picture, False, b""))
            number += 1
    frames, dropped = push_all(codec, payloads)
    expected = sent if marked else sent[:-1]
    assert [(one.data, one.key) for one in frames] == [one[:2] for one in expected]
    assert [one.first_sequence for one in frames] == [one[2] for one in expected]
    assert [one.packets for one in frames] == [last - first + 1 for *_, first, last in expected]
    assert [one.arrival_us for one in frames] == [10 * one[2] for one in expected]
    assert not dropped


@pytest.mark.parametrize("codec", VIDEO)
@given(seed=st.integers(0, 2**32), loss=st.floats(0.02, 0.4))
@settings(max_examples=60, deadline=None)
def test_a_frame_with_a_missing_packet_is_left_out_and_others_are_not(codec: str, seed: int, loss: float) -> None:
    chance = random.Random(seed)
    sent: dict[int, tuple[bytes, bool]] = {}
    payloads, sound, number = [], set(), 1
    before_arrived = True
    for picture in range(20):
        frame, parts = SENDERS[codec](chance, picture % 5 == 0)
        sent[number] = frame, picture % 5 == 0
        arrived = [chance.random() >= loss for _ in parts]
        if all(arrived) and before_arrived:
            sound.add(number)
        before_arrived = arrived[-1]
        for at, part in enumerate(parts):
            if arrived[at]:
                payloads.append((number + at, 3_000 * picture, at == len(parts) - 1, part))
        number += len(parts)
    frames, dropped = push_all(codec, payloads)
    whole = set(sent.values())
    assert all((one.data, one.key) in whole for one in frames)
    assert sound <= {one.first_sequence for one in frames}
    assert sum(one.packets for one in frames) + sum(dropped.values()) <= len(payloads)
    assert dropped.keys() <= {"incomplete"}


@pytest.mark.parametrize("codec", sorted(CODECS))
@given(st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.booleans(), st.binary(max_size=60)), max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_payloads_are_parsed_or_dropped(codec: str, made: list[tuple[int, bool, bool, bytes]]) -> None:
    depacketizer = make_depacketizer(codec)
    number = kept = 0
    for step, marker, redundant, payload in made:
        number += step
        one = packet(number, 0, payload, marker=marker, redundant=redundant, timestamp=3_000 * (number // 3))
        kept += sum(frame.packets for frame in depacketizer.push(one, number))
    depacketizer.abandon("unfinished")
    empty = sum(1 for *_, payload in made if not payload)
    assert kept + sum(depacketizer.dropped.values()) + empty == len(made)


@pytest.mark.parametrize(
    ("codec", "first", "more"),
    [
        ("VP8", b"\x10", b"\x00"),
        ("H264", b"\x7c\x81\x88", b"\x7c\x01"),
        ("AV1", b"\x50\x30\x30", b"\xd0"),
        ("VP9", b"\x08", b"\x00"),
    ],
)
def test_a_frame_that_never_ends_is_dropped(codec: str, first: bytes, more: bytes) -> None:
    filler = bytes(60_000)
    payloads = [(1, 0, False, first + filler)]
    payloads += [(number, 0, False, more + filler) for number in range(2, 2 + 2 * MAX_FRAME_BYTES // len(filler))]
    frames, dropped = push_all(codec, payloads)
    assert not frames
    assert dropped["oversized"] * len(filler) > MAX_FRAME_BYTES * 0.9


def test_a_frame_of_too_many_packets_is_dropped() -> None:
    payloads = [(1, 0, False, b"\x10\x01")] + [(number, 0, False, b"\x00x") for number in range(2, 20_000)]
    frames, dropped = push_all("VP8", payloads)
    assert not frames and dropped["oversized"] > MAX_FRAME_PACKETS


# Opus


@pytest.mark.parametrize(
    ("data", "duration_us"),
    [
        (b"\x08", 20_000),  # SILK, one frame
        (b"\x18", 60_000),
        (b"\x60", 10_000),  # hybrid
        (b"\x80", 2_500),  # CELT
        (b"\xf8abc", 20_000),
        (b"\xf9abab", 40_000),  # two of one size
        (b"\xf9aba", 0),
        (b"\xfa\x01ab", 40_000),  # two of two sizes
        (b"\xfa\x05ab", 0),
        (b"\xfa", 0),
        (b"\xfa\xfc", 0),
        (b"\xfb\x06", 120_000),
        (b"\xfb\x07", 0),  # "the audio duration ... MUST NOT exceed 120 ms"
        (b"\xfb\x00", 0),
        (b"\xfb", 0),
        (b"", 0),
    ],
)
def test_how_long_an_opus_packet_lasts(data: bytes, duration_us: int) -> None:
    """RFC 6716 section 3."""
    assert packet_duration_us(data) == duration_us


def red(*blocks: tuple[int, bytes]) -> bytes:
    """RFC 2198 section 3; the last is the primary one."""
    heads = b"".join(bytes([0xEF]) + (offset << 10 | len(data)).to_bytes(3) for offset, data in blocks[:-1])
    return heads + b"\x6f" + b"".join(data for _, data in blocks)


def test_lost_sounds_are_taken_from_the_redundancy_of_later_packets() -> None:
    depacketizer = make_depacketizer("opus")

    def push(number: int, back: int) -> list[Frame]:
        blocks = [(960 * k, b"\x08" + bytes([number - k])) for k in range(back, -1, -1)]
        return list(depacketizer.push(packet(number, 20_000 * number, red(*blocks), redundant=True), number))

    assert [one.data[1] for one in push(1, 1)] == [1]  # nothing is missing before the first
    assert [one.data[1] for one in push(2, 1)] == [2]
    found = push(5, 1)
    assert [(one.data[1], one.first_sequence, one.packets, one.repaired) for one in found] == [
        (4, 4, 0, 1),
        (5, 5, 1, 0),
    ]
    assert found[1].timestamp - found[0].timestamp == 960
    assert found[1].arrival_us - found[0].arrival_us == 20_000
    assert [one.data[1] for one in push(8, 3)] == [6, 7, 8]  # the third copy is of one that has come
    assert [one.data[1] for one in push(9, 3)] == [9]


@pytest.mark.parametrize(
    "payload", [b"", b"\xef", b"\xef\x0f\x00\x02\x6f", b"\xef\x0f\x00\x02\x6fab", b"\x6f", b"\xef\0\0\0" * 20]
)
def test_redundancy_that_is_cut_off_is_malformed(payload: bytes) -> None:
    assert parse_redundant(payload) is None


# VP9


def test_the_size_of_a_vp9_key_frame() -> None:
    assert parse_key_frame_size(VP9_KEY) == (320, 180)
    assert parse_key_frame_size(VP9_KEY[:8]) is None
    assert parse_key_frame_size(b"\x86" + VP9_KEY[1:]) is None


@given(st.lists(st.binary(min_size=1, max_size=700), min_size=2, max_size=8))
def test_a_superframe_says_where_its_frames_end(frames: list[bytes]) -> None:
    """VP9 bitstream specification, annex B."""
    data = build_superframe(frames)
    marker = data[-1]
    assert marker >> 5 == 6 and marker & 7 == len(frames) - 1
    octets = (marker >> 3 & 3) + 1
    index = data[-2 - octets * len(frames) :]
    assert index[0] == marker
    at = 0
    for number, frame in enumerate(frames):
        size = int.from_bytes(index[1 + octets * number : 1 + octets * (number + 1)], "little")
        assert data[at : at + size] == frame
        at += size
    assert at + len(index) == len(data)


@given(st.binary(max_size=200), st.integers(0, 2_000))
@settings(max_examples=300)
def test_hiding_any_octets_makes_no_error(data: bytes, width: int) -> None:
    hidden = hide_frame(b"\x86" + data, width)
    assert len(hidden) - len(data) - 1 in (0, 1)


def test_a_key_frame_is_hidden_by_one_bit() -> None:
    assert hide_frame(VP9_KEY, 0) == bytes([VP9_KEY[0] & ~0x02]) + VP9_KEY[1:]
    assert hide_frame(hide_frame(VP9_KEY, 0), 0) == hide_frame(VP9_KEY, 0)


@pytest.mark.parametrize("name", ["whole/chromium_vp9_l3t3", "whole/chromium_vp9_l3t3_key"])
def test_hidden_layers_decode_to_what_they_were(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """libvpx shows the last frame of a superframe only, hidden or not; so it can tell."""
    av = pytest.importorskip("av")

    def decoded(codec: str) -> list[bytes]:
        depacketizer = make_depacketizer("VP9")
        context = av.CodecContext.create(codec, "r")
        shown = []
        for number, one in enumerate(take(name).packets):
            for frame in depacketizer.push(one, number):
                shown += [picture.to_ndarray().tobytes() for picture in context.decode(av.Packet(frame.data))]
        return shown

    hidden = decoded("vp9")
    assert decoded("libvpx-vp9") == hidden
    monkeypatch.setattr("sfu.recording.depacketize.vp9.hide_frame", lambda frame, width: frame)
    assert decoded("libvpx-vp9") == hidden
    assert len(decoded("vp9")) > len(hidden)


# H.264


def test_the_size_in_a_sequence_parameter_set() -> None:
    found = parse_parameters(H264_SPS)
    assert found is not None and (found.width, found.height) == (1280, 720)
    record = found.build_configuration([H264_SPS], [H264_PPS])
    assert record[:8] == b"\x01\x42\xc0\x1f\xff\xe1\x00" + bytes([len(H264_SPS)])
    assert record[8 + len(H264_SPS) :] == b"\x01\x00" + bytes([len(H264_PPS)]) + H264_PPS


@given(st.integers(1, len(H264_SPS) - 20))
def test_a_parameter_set_that_is_cut_off_is_malformed(length: int) -> None:
    assert parse_parameters(H264_SPS[:length]) is None


def test_a_key_frame_without_parameter_sets_is_none() -> None:
    frames, _ = push_all("H264", [(1, 0, True, b"\x41\x88abc"), (2, 3_000, True, b"\x65\x88abc")])
    assert [one.key for one in frames] == [False, False]


OTHER_PPS = bytes.fromhex("685b83cb20")
IDR, SLICE, RECOVERY = b"\x65\x88abc", b"\x41\x88abc", b"\x06\x06\x01\xc4\x80"


def units(*whole: bytes) -> bytes:
    """As Matroska has them."""
    return b"".join(len(unit).to_bytes(4) + unit for unit in whole)


def test_parameter_sets_before_every_picture_make_no_key_frame() -> None:
    payloads = [H264_SPS, H264_PPS, SLICE, H264_SPS, H264_PPS, IDR]
    frames, _ = push_all("H264", [(k, 3_000 * (k // 3), k % 3 == 2, part) for k, part in enumerate(payloads)])
    assert [one.key for one in frames] == [False, True]


def test_a_recovery_point_is_a_key_frame() -> None:
    payloads = [H264_SPS, H264_PPS, RECOVERY, SLICE]
    frames, _ = push_all("H264", [(k, 0, k == 3, part) for k, part in enumerate(payloads)])
    assert [(one.key, one.data) for one in frames] == [(True, units(*payloads))]


def test_a_key_frame_that_came_without_its_parameter_sets_gets_them() -> None:
    depacketizer = make_depacketizer("H264", lambda: [H264_SPS, H264_PPS])
    found = []
    for number, (payload, marker) in enumerate(
        [(SLICE, True), (IDR, True), (b"\x09\x10", False), (IDR, True), (OTHER_PPS, False), (IDR, True), (IDR, True)]
    ):
        one = packet(number, 10 * number, payload, timestamp=3_000 * (number + (not marker)), marker=marker)
        found += depacketizer.push(one, number)
    assert [one.key for one in found] == [False, True, True, True, True]
    assert found[1].data == units(H264_SPS, H264_PPS, IDR)
    assert found[2].data == units(b"\x09\x10", H264_SPS, H264_PPS, IDR)
    assert found[3].data == units(H264_SPS, OTHER_PPS, H264_PPS, OTHER_PPS, IDR)
    assert found[4].data == units(H264_SPS, OTHER_PPS, H264_PPS, IDR)
    assert depacketizer.format is not None and (depacketizer.format.width, depacketizer.format.height) == (1280, 720)
    assert all(unit in depacketizer.format.private for unit in (H264_SPS, H264_PPS, OTHER_PPS))


@pytest.mark.parametrize("told", [[], [H264_SPS], [b"", b"\x67", H264_PPS], [b"\x65abc"]])
def test_what_is_told_may_not_suffice(told: list[bytes]) -> None:
    depacketizer = make_depacketizer("H264", lambda: told)
    found = []
    for number, payload in enumerate([SLICE, IDR]):
        found += depacketizer.push(packet(number, number, payload, timestamp=3_000 * number), number)
    assert [one.key for one in found] == [False, False]


@pytest.mark.parametrize("kind", [0, 25, 26, 27, 29, 30, 31])
def test_interleaved_units_are_malformed(kind: int) -> None:
    interleaved = bytes([0x60 | kind]) + b"\x00\x03abc"
    frames, dropped = push_all("H264", [(1, 0, True, b"\x41\x88abc"), (2, 3_000, True, interleaved)])
    assert len(frames) == 1 and dropped == {"malformed": 1}


# AV1


@given(st.integers(0, 2**40))
def test_sizes_are_read_as_they_were_written(value: int) -> None:
    data = build_leb128(value)
    assert read_leb128(b"x" + data, 1) == (value, 1 + len(data))
    assert read_leb128(data[:-1], 0) == (0, -1)


def test_an_obu_that_has_a_size_keeps_it() -> None:
    assert restore_size(b"\x32\x03abcdef") == (b"\x32\x03abc", b"abc")
    assert restore_size(b"\x30abc") == (b"\x32\x03abc", b"abc")
    assert restore_size(b"\x34\x08abc") == (b"\x36\x08\x03abc", b"abc")
    assert restore_size(b"\x32\x09abc") is None
    assert restore_size(b"\xb0abc") is None
    assert restore_size(b"\x34") is None
