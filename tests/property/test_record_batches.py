"""Packets in batches make the same record as one by one, whatever the network did to them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfu.recording.cutter import Fragment
from sfu.recording.source import Outcome, SourceRecorder
from sfu.routing.tap import TappedPacket, TappedPackets
from tests.unit.recording import packetize
from tests.unit.recording.packets import packet

SECONDS = 4
_SENDERS = {"VP8": packetize.vp8, "VP9": packetize.vp9, "H264": packetize.h264, "AV1": packetize.av1}


def send(codec: str, chance: random.Random) -> list[TappedPacket]:
    """Some seconds of a source."""
    sent: list[TappedPacket] = []
    sequence = chance.randrange(0x10000)
    for frame in range(25 * SECONDS):
        at_us = 40_000 * frame
        if codec == "opus":
            payloads = [b"\x78" + chance.randbytes(20)]
        else:
            _, payloads = _SENDERS[codec](chance, frame % 20 == 0)
        for place, payload in enumerate(payloads):
            fields = {"timestamp": 3600 * frame, "marker": place == len(payloads) - 1}
            sent.append(packet(sequence, at_us + 10 * place, payload, **fields))
            sequence += 1
    return sent


def spoil(packets: list[TappedPacket], chance: random.Random) -> list[TappedPacket]:
    """What a network makes of them: losses, repairs, duplicates, holes in time, nonsense, another numbering."""
    arrived: list[TappedPacket] = []
    held: list[TappedPacket] = []
    delay_us, source = 0, 0
    for one in packets:
        if chance.random() < 0.002:
            delay_us += chance.choice((100_000, 2_500_000))
        if chance.random() < 0.002:
            source += 1
        one = one._replace(arrival_us=one.arrival_us + delay_us, source=source)
        dice = chance.random()
        if dice < 0.03:
            if dice < 0.02:
                held.append(one)  # it comes again, later
        elif dice < 0.04:
            arrived += (one, one)
        elif dice < 0.05:
            arrived.append(one._replace(payload=chance.choice((b"", b"\xff", one.payload[:1]))))
        elif dice < 0.06:
            arrived.append(one._replace(marker=not one.marker))
        else:
            arrived.append(one)
        while held and chance.random() < 0.1:
            arrived.append(held.pop()._replace(arrival_us=one.arrival_us, late=True))
    return arrived


def record(codec: str, batches: list[list[TappedPacket]], ends_us: list[int]) -> tuple[list[Outcome], dict[str, int]]:
    recorder = SourceRecorder("audio" if codec == "opus" else "video", codec, 90_000, start_us=0)
    out: list[Outcome] = []
    for batch, end_us in zip(batches, ends_us, strict=True):
        recorder.handle_packets(TappedPackets.of(batch, audio=codec == "opus"))
        if end_us >= 0:
            out += recorder.poll(end_us)
    out += recorder.close(20_000_000)
    return out, dict(recorder.dropped)


@pytest.mark.parametrize("codec", ["opus", "VP8", "VP9", "H264", "AV1"])
@given(seed=st.integers(0, 2**32 - 1), most=st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_batches_make_the_same_record_as_single_packets(codec: str, seed: int, most: int) -> None:
    chance = random.Random(seed)
    packets = spoil(send(codec, chance), chance)
    batches: list[list[TappedPacket]] = []
    while packets:
        size = chance.randint(1, most)
        batches.append(packets[:size])
        packets = packets[size:]
    ends_us = [batch[-1].arrival_us for batch in batches]
    whole, dropped = record(codec, batches, ends_us)
    singles = [[one] for batch in batches for one in batch]
    polls_us = [end if last else -1 for batch, end in zip(batches, ends_us, strict=True) for last in _lasts(batch)]
    assert record(codec, singles, polls_us) == (whole, dropped)
    assert sum(one.frames for one in whole if isinstance(one, Fragment)) > 0


def _lasts(batch: list[TappedPacket]) -> list[bool]:
    return [False] * (len(batch) - 1) + [True]
