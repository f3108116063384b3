"""Frames that were encrypted from end to end: kept as they came, and the record says what they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sfu.recording.depacketize import Frame, make_depacketizer
from sfu.recording.depacketize.opus import packet_duration_us
from sfu.recording.depacketize.vp9 import build_superframe
from sfu.recording.verify import verify_record
from sfu.routing.tap import TappedPacket

from .captured import take
from .desk import ALICE, Desk

PATTERN = bytes((7 * at + 91) & 0xFF for at in range(256))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "record")


def test_its_source_line_says_with_what_and_so_does_verification(desk: Desk) -> None:
    desk.payload[0] = b"\xf8" + PATTERN[:80]
    desk.writer.begin_track(0, dataclasses.replace(ALICE, encryption="GCM"), desk.now_us)
    desk.writer.begin_track(1, dataclasses.replace(ALICE, track="t2", peer="bob"), desk.now_us)
    desk.talk(0, 2_000)
    desk.talk(1, 2_000)
    first, second = desk.close().sources
    assert (first.encryption, second.encryption) == ("GCM", "")
    assert first.spans
    assert PATTERN[:80] in first.file.read_bytes()
    assert [line.fields.get("encryption") for line in desk.lines("source")] == ["GCM", None]
    verdict = verify_record(desk.path, desk.public)
    assert verdict.encrypted == {"media/001-audio.mkv": "GCM"}
    assert verdict.as_dict()["encrypted"] == verdict.encrypted


def test_what_is_encrypted_does_not_continue_the_file_of_what_is_not(desk: Desk) -> None:
    for number, encryption in enumerate(("", "GCM", "", "GCM")):
        desk.writer.begin_track(number, dataclasses.replace(ALICE, encryption=encryption), desk.now_us)
        desk.talk(number, 1_000)
        desk.writer.end_track(number, desk.now_us)
    assert [source.encryption for source in desk.close().sources] == ["", "GCM"]


@pytest.mark.parametrize(
    ("first", "milliseconds"),
    [(0xF8, 20), (0xF9, 40), (0xFA, 40), (0xFB, 20), (0x08, 20), (0x18, 60), (0xE0, 2.5)],
)
def test_of_sound_the_first_octet_is_in_the_clear(first: int, milliseconds: float) -> None:
    for length in (1, 2, 3, 40):
        data = bytes([first]) + b"\xff" * (length - 1)
        assert packet_duration_us(data, encrypted=True) == milliseconds * 1000


def descriptor_length(payload: bytes) -> int:
    """Of VP9 in flexible mode (RFC 9628 section 4.2), as Chromium sends layers."""
    first, at = payload[0], 1
    assert first & 0xB0 == 0xB0
    at += 2 if payload[at] & 0x80 else 1
    at += 1
    while first & 0x40 and payload[at] & 0x01:
        at += 1
    at += bool(first & 0x40)
    if first & 0x02:
        head = payload[at]
        at += 1
        if head & 0x10:
            at += 4 * ((head >> 5) + 1)
        if head & 0x08:
            count = payload[at]
            at += 1
            for _ in range(count):
                at += 1 + (payload[at] >> 2 & 3)
    return at


def encrypt(packet: TappedPacket) -> TappedPacket:
    """Turn all that is behind the descriptor into what is no VP9, octet by octet."""
    at = descriptor_length(packet.payload)
    secret = bytes(octet ^ 0x5A for octet in packet.payload[at:])
    return packet._replace(payload=packet.payload[:at] + secret)


def push_all(packets: list[TappedPacket], *, encrypted: bool) -> tuple[list[Frame], object]:
    depacketizer = make_depacketizer("VP9", encrypted=encrypted)
    frames = [frame for number, one in enumerate(packets) for frame in depacketizer.push(one, number)]
    return frames, depacketizer.format


def layers(packets: list[TappedPacket], frame: Frame) -> list[bytes]:
    """What was sent of each layer."""
    found: list[bytes] = []
    for one in packets[frame.first_sequence : frame.last_sequence + 1]:
        if one.payload and one.payload[0] & 0x08:
            found.append(b"")
        if one.payload:
            found[-1] += one.payload[descriptor_length(one.payload) :]
    return found


@pytest.mark.parametrize("name", ["whole/chromium_vp9_l3t3", "whole/chromium_vp9_l3t3_key"])
def test_of_vp9_only_the_descriptor_is_read_and_no_octet_of_the_frames_changed(name: str) -> None:
    plain = take(name).packets
    secret = [encrypt(packet) if packet.payload else packet for packet in plain]
    known, size = push_all(plain, encrypted=False)
    frames, told = push_all(secret, encrypted=True)
    assert [(one.key, one.timestamp, one.packets) for one in frames] == [
        (one.key, one.timestamp, one.packets) for one in known
    ]
    assert any(one.key for one in frames)
    assert told == size
    assert [one.data for one in frames] == [build_superframe(layers(secret, one)) for one in frames]


def test_vp9_that_is_not_said_to_be_encrypted_has_no_key_frame_then() -> None:
    secret = [encrypt(packet) if packet.payload else packet for packet in take("whole/chromium_vp9_l3t3").packets]
    frames, told = push_all(secret, encrypted=False)
    assert told is None
    assert not any(one.key for one in frames)
