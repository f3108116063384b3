"""What judges the viewers can fail: it sees a lost packet, a picture that stands still or is plain, and silence."""

from __future__ import annotations

import os
from collections.abc import Iterable

import pytest

from tests.interop.stable.clips import FPS, SIMULCAST, Clips, read_clip
from tests.interop.stable.packets import Packet, Seen, listen_to, look_at

SIZE = 100


def packetize(frames: Iterable[bytes], codec: str) -> list[Packet]:
    """Frames of a clip as packets at their times, with the least payload descriptors there are."""
    packets: list[Packet] = []
    for number, frame in enumerate(frames):
        payloads = payloads_of(frame, number, codec)
        for at, payload in enumerate(payloads):
            sequence = (0xFFF0 + len(packets)) & 0xFFFF
            timestamp = (0xFFFFF000 + number * 90_000 // FPS) & 0xFFFFFFFF
            at_us = 1_000_000 * number // FPS
            packets.append(Packet(at_us, 96, at == len(payloads) - 1, sequence, timestamp, 1, payload))
    return packets


def payloads_of(frame: bytes, number: int, codec: str) -> list[bytes]:
    parts = split(frame)
    end = len(parts) - 1
    if codec == "vp8":
        return [bytes([0x10 * (at == 0)]) + part for at, part in enumerate(parts)]
    if codec == "vp9":
        return [
            bytes([0x40 * (number > 0) | 0x08 * (at == 0) | 0x04 * (at == end)]) + part for at, part in enumerate(parts)
        ]
    return [payload for unit in units_of(frame) for payload in fragments_of(unit)]


def units_of(frame: bytes) -> list[bytes]:
    """The OBUs of a temporal unit that are sent, without their sizes."""
    units, at = [], 0
    while at < len(frame):
        head, at, size, shift = frame[at], at + 1, 0, 0
        more = True
        while more:
            size, more = size | (frame[at] & 0x7F) << shift, bool(frame[at] & 0x80)
            shift, at = shift + 7, at + 1
        if head >> 3 != 2:  # a delimiter
            units.append(bytes([head & ~0x02]) + frame[at : at + size])
        at += size
    return units


def fragments_of(unit: bytes) -> list[bytes]:
    """One element in a packet: Z, Y and W = 1."""
    parts = split(unit)
    return [bytes([0x80 * (at > 0) | 0x40 * (at < len(parts) - 1) | 0x10]) + part for at, part in enumerate(parts)]


def split(frame: bytes) -> list[bytes]:
    return [frame[at : at + SIZE] for at in range(0, len(frame), SIZE)]


def look(packets: list[Packet], codec: str, left_s: float = 4.0) -> Seen:
    return look_at(packets, codec, connected_us=0, left_us=int(left_s * 1e6), fps=FPS)


@pytest.fixture(params=["vp8", "vp9", "av1"])
def codec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def packets(codec: str, clips: Clips) -> list[Packet]:
    return packetize(read_clip(clips.video(codec, SIMULCAST[0])), codec)


def test_all_that_was_sent_is_seen(codec: str, packets: list[Packet]) -> None:
    seen = look(packets, codec)
    assert (seen.pictures, seen.missed, seen.first_s, seen.share) == (4 * FPS, 0, 0.0, 1.0)
    assert seen.freeze_s < 2 / FPS


def test_a_lost_packet_breaks_the_picture_until_the_next_key_frame(codec: str, packets: list[Packet]) -> None:
    lost = next(at for at, packet in enumerate(packets) if packet.at_us >= 1_000_000)
    seen = look(packets[:lost] + packets[lost + 1 :], codec)
    assert seen.pictures == 3 * FPS
    assert seen.missed == FPS
    assert seen.freeze_s > 1.0


def test_a_repeat_and_a_late_packet_are_no_loss(codec: str, packets: list[Packet]) -> None:
    swapped = [*packets[:50], packets[51], packets[50], *packets[50:]]
    assert look(swapped, codec).missed == 0


def test_who_begins_between_key_frames_waits_for_one(codec: str, packets: list[Packet]) -> None:
    late = [packet for packet in packets if packet.at_us >= 1_000_000]
    assert look(late, codec).first_s == pytest.approx(2.0, abs=0.05)


def test_what_ends_early_is_missed(codec: str, packets: list[Packet]) -> None:
    first = [packet for packet in packets if packet.at_us < 2_000_000]
    seen = look(first, codec)
    assert seen.freeze_s > 1.9
    assert seen.missed >= 1.4 * FPS


def test_what_is_held_back_is_a_freeze_though_nothing_is_lost(codec: str, packets: list[Packet]) -> None:
    held = [
        packet._replace(at_us=max(packet.at_us, 3_100_000)) if packet.at_us >= 2_000_000 else packet
        for packet in packets
    ]
    seen = look(held, codec)
    assert seen.missed == 0
    assert seen.freeze_s > 1.0


def test_padding_is_neither_a_picture_nor_a_loss(codec: str, packets: list[Packet]) -> None:
    more = [packet._replace(sequence=(packet.sequence + 1) & 0xFFFF) for packet in packets[60:]]
    padding = packets[59]._replace(sequence=(packets[59].sequence + 1) & 0xFFFF, payload=b"", marker=False)
    assert look([*packets[:60], padding, *more], codec).missed == 0


def test_making_clips_leaves_this_process_and_what_it_starts_at_their_usual_priority(clips: Clips) -> None:
    clips.video("av1", SIMULCAST[0])
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_nothing_is_seen_where_nothing_came(codec: str) -> None:
    assert look([], codec).share == 0.0


def test_a_tone_is_heard_and_garbage_is_not(clips: Clips) -> None:
    frames = read_clip(clips.audio())
    sound = [Packet(0, 111, False, number, 960 * number, 1, frame) for number, frame in enumerate(frames)]
    assert listen_to(sound) >= len(sound) - 2
    silence = [packet._replace(payload=b"\xf8\xff\xfe") for packet in sound]
    assert listen_to(silence) == 0
