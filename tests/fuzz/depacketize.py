"""What the recorder makes of any payloads: a session of one source, and what must hold.

An input is an octet that says which codec, then packets: an octet of what is special about it, its length (two octets),
its payload.
"""

from __future__ import annotations

from sfu.recording.cutter import MAX_MEDIA_US, Fragment
from sfu.recording.depacketize import CODECS
from sfu.recording.matroska import MAX_SPAN_MS
from sfu.recording.source import SourceRecorder
from sfu.routing.tap import TappedPacket, TappedPackets

TARGETS = sorted(CODECS)
MARKER, LATE, REDUNDANT, FRAME, LOST, BACK, OTHER, WAIT = (1 << bit for bit in range(8))
"""The bits of what is special: FRAME begins a new timestamp; LOST and BACK move the number, both: far away; OTHER comes
of another source; WAIT waits for a second first."""
_MOST_PACKETS = 400
_FRAME_US = 33_333
_CLUSTER = 0x1F43B675
_SEGMENT = 0x18538067
_PARENTS = {_SEGMENT, 0x1654AE6B, 0xAE, 0xE0, 0xE1}
_BLOCK = 0xA3


def run(data: bytes) -> None:
    """Run one input; an exception is a finding."""
    if not data:
        return
    codec = TARGETS[data[0] % len(TARGETS)]
    audio = codec == "opus"
    recorder = SourceRecorder("audio" if audio else "video", codec, 48_000 if audio else 90_000, 0)
    at, sequence, timestamp, source, now_us, sent = 1, 65_500, 0xFFFFF000, 0, 0, 0
    out = []
    waiting: list[TappedPacket] = []

    def deliver() -> None:
        if waiting:
            recorder.handle_packets(TappedPackets.of(waiting, audio=audio))
            waiting.clear()

    while at + 3 <= len(data) and sent < _MOST_PACKETS:
        special = data[at]
        length = int.from_bytes(data[at + 1 : at + 3])
        payload = data[at + 3 : at + 3 + length]
        at += 3 + length
        if special & WAIT:
            deliver()
            now_us += 1_000_000
            out += recorder.poll(now_us)
        if special & FRAME:
            timestamp += 3_000 if not special & OTHER else int.from_bytes(payload[-4:])
            now_us += _FRAME_US
        if special & OTHER:
            source += 1 << 32 if special & LOST else 1
        step = special & (LOST | BACK)
        sequence += {0: 1, LOST: 3, BACK: -2}.get(step, 20_000)
        packet = TappedPacket(
            track=0,
            generation=1,
            source=source,
            encoding=source >> 32,
            sequence=sequence & 0xFFFF,
            timestamp=timestamp & 0xFFFFFFFF,
            ssrc=source & 0xFFFF,
            marker=bool(special & MARKER),
            key=False,
            spatial=0,
            redundant=bool(special & REDUNDANT) and audio,
            late=bool(special & LATE),
            arrival_us=now_us,
            payload=payload,
        )
        waiting.append(packet)
        sent += 1
    deliver()
    out += recorder.close(now_us + 5_000_000)
    check(out, sent, recorder)


def check(out: list, sent: int, recorder: SourceRecorder) -> None:
    """What was kept and dropped is no more than what was sent; fragments are Matroska, in order."""
    begun = False
    last_ms, packets = -1, 0
    for one in out:
        assert 0 <= one.begin_us <= one.end_us
        if not isinstance(one, Fragment):
            assert one.packets >= 0 and one.last_sequence >= one.first_sequence
            continue
        assert one.end_us - one.begin_us <= MAX_MEDIA_US + 120_000
        packets += one.packets
        times = walk(one.data, begun)
        begun = True
        assert len(times) == one.frames > 0
        for time_ms in times:
            assert time_ms > last_ms
            last_ms = time_ms
        assert times[0] == one.begin_us // 1000
    assert packets + recorder.duplicates + sum(recorder.dropped.values()) <= sent


def walk(data: bytes, begun: bool) -> list[int]:
    """The times of a fragment's blocks; an AssertionError: it is not made of whole elements."""
    at, time_ms, times, clusters = 0, 0, [], 0
    while at < len(data):
        identifier, at = _number(data, at, keep=True)
        size, at = _number(data, at, keep=False)
        if identifier == _CLUSTER:
            clusters += 1
            assert at + size == len(data)
            continue
        if identifier in _PARENTS:
            assert not begun
            continue
        assert at + size <= len(data)
        if identifier == 0xE7:
            time_ms = int.from_bytes(data[at : at + size])
        elif identifier == _BLOCK:
            assert data[at] == 0x81
            relative = int.from_bytes(data[at + 1 : at + 3], signed=True)
            assert 0 <= relative <= MAX_SPAN_MS
            times.append(time_ms + relative)
        at += size
    assert clusters == 1
    return times


def _number(data: bytes, at: int, keep: bool) -> tuple[int, int]:
    """A variable-size integer (RFC 8794 section 4), with its marker if it is to be kept."""
    octets = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + octets])
    return value if keep else value ^ 1 << 7 * octets, at + octets
