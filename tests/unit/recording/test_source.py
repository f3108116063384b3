"""A source from its first packet to its last: what is kept, what is missing, and from when to when."""

from __future__ import annotations

import itertools
import random
import tracemalloc

import pytest

from sfu.recording.cutter import STALL_US, Fragment, Gap
from sfu.recording.source import SourceRecorder
from sfu.routing.tap import TappedPacket, TappedPackets
from tests.unit.recording.packets import near

from .captured import FIRST_US, START_US, decode, file_of, fragments, gaps, record, recorder_of, take
from .packetize import H264_PPS, H264_SPS
from .packets import OPUS_US, VP8_US, packet, pictures, sounds

# fragments


def test_a_fragment_is_cut_when_it_is_a_second_old_though_nothing_comes() -> None:
    recorder = recorder_of("opus")
    record(recorder, sounds(1, 10, 2_000_000))
    assert recorder.poll(START_US + 2_999_999) == []
    (fragment,) = recorder.poll(START_US + 3_000_000)
    assert isinstance(fragment, Fragment)
    assert (fragment.frames, fragment.key_frames, fragment.packets) == (10, 10, 10)
    assert (fragment.begin_us, fragment.end_us) == (2_000_000, 2_200_000)
    assert (fragment.repaired, fragment.lost, fragment.width) == (0, 0, 0)


def test_a_fragment_is_cut_by_the_packets_clock_when_nobody_polls() -> None:
    recorder = recorder_of("opus")
    for one in sounds(1, 500, 0):
        recorder.handle_packets(TappedPackets.of([one]))
    made = fragments(recorder.poll(START_US + 11_000_000))
    assert sum(fragment.frames for fragment in made) == 500
    assert all(fragment.end_us - fragment.begin_us <= 1_100_000 for fragment in made)


def test_what_comes_at_once_after_an_outage_is_cut_into_pieces_of_two_seconds() -> None:
    recorder = recorder_of("opus")
    out = record(recorder, sounds(1, 100, 0))
    late = [one._replace(arrival_us=START_US + 6_000_000) for one in sounds(101, 200, 2_000_000)]
    out += record(recorder, late) + recorder.close(START_US + 6_500_000)
    assert all(fragment.end_us - fragment.begin_us <= 2_100_000 for fragment in fragments(out))
    assert near(fragments(out)[-1].end_us, 6_000_000, 30_000)
    assert not gaps(out)  # all has come, and stands where it was said


def test_the_same_packets_make_the_same_bytes() -> None:
    taken = take("chromium_opus_red").packets
    files = []
    for _ in range(2):
        recorder = recorder_of("opus")
        files.append(file_of(record(recorder, taken) + recorder.close(taken[-1].arrival_us)))
    assert files[0] == files[1]


def test_a_source_may_start_ninety_seconds_into_the_record() -> None:
    recorder = recorder_of("opus")
    out = record(recorder, sounds(1, 60, 90_000_000))
    out += recorder.close(START_US + 92_000_000)
    assert decode(file_of(out)).times_ms[0] == 90_000


# what is missing


def test_a_lost_sound_is_a_gap_of_its_length() -> None:
    recorder = recorder_of("opus")
    sent = sounds(1, 100, 0)
    out = record(recorder, sent[:40] + sent[43:]) + recorder.close(START_US + 2_000_000)
    (gap,) = gaps(out)
    assert gap.cause == "loss" and gap.packets == 3
    assert (gap.first_sequence & 0xFFFF, gap.last_sequence & 0xFFFF, gap.ssrc) == (41, 43, 0x1234)
    assert near(gap.begin_us, 40 * OPUS_US) and near(gap.end_us, 43 * OPUS_US)
    assert sum(fragment.lost for fragment in fragments(out)) == 3


def test_a_repaired_packet_is_no_loss() -> None:
    recorder = recorder_of("opus")
    sent = sounds(1, 100, 0)
    repaired = sent[40]._replace(late=True, arrival_us=sent[40].arrival_us + 200_000)
    arriving = sorted([*sent[:40], *sent[41:], repaired], key=lambda one: one.arrival_us)
    out = record(recorder, arriving) + recorder.close(START_US + 2_000_000)
    assert not gaps(out)
    assert sum(fragment.frames for fragment in fragments(out)) == 100
    assert sum(fragment.repaired for fragment in fragments(out)) == 1


def test_video_after_a_loss_is_kept_and_the_gap_ends_at_the_next_key_frame() -> None:
    recorder = recorder_of("VP8")
    sent = pictures(1, 100, 0, keys=(1, 60))
    out = record(recorder, sent[:30] + sent[32:55])
    out += recorder.poll(START_US + 55 * VP8_US)
    assert recorder.wants_key_frame and recorder.wanted_encoding == 0
    assert not gaps(out)
    out += record(recorder, sent[55:])
    assert not recorder.wants_key_frame
    out += recorder.close(START_US + 100 * VP8_US)
    (gap,) = gaps(out)
    assert (gap.cause, gap.packets) == ("loss", 2)
    assert near(gap.begin_us, 29 * VP8_US) and near(gap.end_us, 59 * VP8_US)
    assert sum(fragment.frames for fragment in fragments(out)) == 98
    assert sum(fragment.key_frames for fragment in fragments(out)) == 2


def test_video_begins_with_a_key_frame_and_what_was_before_is_a_gap() -> None:
    recorder = recorder_of("VP8")
    assert recorder.wants_key_frame
    out = record(recorder, pictures(1, 50, 0, keys=(31,))) + recorder.close(START_US + 2_000_000)
    (gap,) = gaps(out)
    assert gap.cause == "key_frame"
    assert near(gap.begin_us, 0) and near(gap.end_us, 30 * VP8_US)
    assert sum(fragment.frames for fragment in fragments(out)) == 20
    assert recorder.dropped == {"before_key_frame": 30}
    assert (fragments(out)[0].width, fragments(out)[0].height) == (320, 180)


def test_video_without_any_key_frame_is_a_gap_to_the_end() -> None:
    recorder = recorder_of("VP8")
    out = record(recorder, pictures(1, 50, 0)) + recorder.close(START_US + 3_000_000)
    assert out == [Gap("key_frame", 0, 3_000_000)]


def test_a_loss_that_no_key_frame_ended_ends_with_the_record() -> None:
    recorder = recorder_of("VP8")
    sent = pictures(1, 50, 0, keys=(1,))
    out = record(recorder, sent[:30] + sent[31:]) + recorder.close(START_US + 3_000_000)
    (gap,) = gaps(out)
    assert gap.end_us == 3_000_000 and gap.packets == 1


def test_losses_without_end_take_no_memory_without_end() -> None:
    recorder = recorder_of("VP8")
    sent = pictures(1, 3_000, 0, keys=(1,))
    out = record(recorder, [sent[0], *sent[1::2]]) + recorder.close(START_US + 3_000 * VP8_US)
    assert len(gaps(out)) <= 64
    assert sum(gap.packets for gap in gaps(out)) == 3_000 - 1_501


def test_numberings_without_end_take_no_memory_without_end() -> None:
    """Each of them begins anew, and has nothing to keep."""
    recorder = recorder_of("opus")
    tracemalloc.start()
    for number in range(10_000):
        recorder.handle_packets(TappedPackets.of([packet(number, START_US + 40 * number, b"\x0b", source=number)]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 600_000
    assert recorder.close(START_US + 1_000_000) == []
    assert recorder.dropped == {"malformed": 10_000}


# stalls


def test_a_stall_is_known_while_it_lasts_and_declared_when_it_ends() -> None:
    recorder = recorder_of("opus")
    out = record(recorder, sounds(1, 50, 0))
    heard_us = 49 * OPUS_US
    out += recorder.poll(START_US + heard_us + STALL_US - 1)
    assert recorder.stalled_since_us is None
    out += recorder.poll(START_US + heard_us + STALL_US)
    assert recorder.stalled_since_us == heard_us
    assert not gaps(out)
    out += record(recorder, sounds(51, 50, 8_000_000)) + recorder.poll(START_US + 9_000_000)
    assert recorder.stalled_since_us is None
    (gap,) = gaps(out)
    assert gap.cause == "stall"
    assert near(gap.begin_us, 50 * OPUS_US) and near(gap.end_us, 8_000_000)


def test_a_stall_at_the_end_is_declared_at_the_end() -> None:
    recorder = recorder_of("opus")
    out = record(recorder, sounds(1, 50, 0)) + recorder.close(START_US + 60_000_000)
    (gap,) = gaps(out)
    assert (gap.cause, gap.end_us) == ("stall", 60_000_000)


def test_a_source_that_never_sends_is_a_stall() -> None:
    recorder = recorder_of("opus")
    recorder.poll(START_US + 1_000_000)
    recorder.poll(START_US + 4_000_000)
    assert recorder.stalled_since_us == 1_000_000
    assert recorder.close(START_US + 5_000_000) == [Gap("stall", 1_000_000, 5_000_000)]


def test_silence_that_is_sent_each_400_ms_is_no_stall() -> None:
    recorder = recorder_of("opus")
    sent = [packet(n, START_US + n * 400_000, b"\x08", timestamp=19_200 * n) for n in range(1, 50)]
    out = record(recorder, sent) + recorder.close(START_US + 20_000_000)
    assert not gaps(out)


def test_packets_without_media_do_not_end_a_stall() -> None:
    recorder = recorder_of("opus")
    record(recorder, sounds(1, 50, 0))
    probes = [packet(51 + n, START_US + 1_000_000 + n * 100_000, b"") for n in range(50)]
    record(recorder, probes)
    recorder.poll(START_US + 6_000_000)
    assert recorder.stalled_since_us is not None


# all of it


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "name", ["whole/chromium_vp9_l3t3", "whole/chromium_av1_l3t3", "whole/firefox_vp9", "chromium_opus_red"]
)
def test_what_was_kept_and_what_was_declared_is_what_was_sent(name: str, seed: int) -> None:
    """With loss, repair, disorder and duplicates, none of which reaches the first or the last packets."""
    chance = random.Random(seed)
    taken = take(name)
    sent = taken.packets
    arriving: list[TappedPacket] = []
    for place, one in enumerate(sent):
        inner = 2 < place < len(sent) - 3
        kind = chance.random() if inner else 1.0
        if kind < 0.03:
            continue
        if kind < 0.06:
            one = one._replace(arrival_us=one.arrival_us + 300_000, late=True)
        elif kind < 0.12:
            one = one._replace(arrival_us=one.arrival_us + chance.randrange(20_000))
        arriving.append(one)
        if kind < 0.2:
            arriving.append(one._replace(arrival_us=one.arrival_us + 1))
    arriving.sort(key=lambda one: one.arrival_us)
    recorder = recorder_of(taken.codec)
    out = record(recorder, arriving) + recorder.close(sent[-1].arrival_us + 1_000_000)
    counts = {one.sequence for one in arriving}
    lost = sum(gap.packets for gap in gaps(out))
    repaired = sum(fragment.repaired for fragment in fragments(out))
    kept = sum(fragment.packets for fragment in fragments(out))
    empty = sum(1 for one in {one.sequence: one for one in arriving}.values() if not one.payload)
    dropped = sum(recorder.dropped.values())
    assert recorder.duplicates == len(arriving) - len(counts)
    assert kept + dropped + empty == len(counts)
    if taken.codec == "opus":  # redundancy takes the place of some
        assert lost <= len(sent) - len(counts)
        frames = sum(fragment.frames for fragment in fragments(out))
        assert frames - kept == len(sent) - len(counts) - lost
        assert repaired >= frames - kept
    else:
        assert lost == len(sent) - len(counts)
    placed = [(fragment.begin_us, fragment.end_us) for fragment in fragments(out)]
    assert all(begin <= end for begin, end in placed)
    assert all(one[1] <= other[0] + 40_000 for one, other in itertools.pairwise(placed))
    assert all(FIRST_US - 100_000 <= gap.begin_us <= gap.end_us for gap in gaps(out))


def test_unknown_codecs_are_the_callers_fault() -> None:
    with pytest.raises(ValueError, match="H265"):
        SourceRecorder("video", "H265", 90_000, 0)


def test_a_key_frame_whose_first_packet_is_repaired_is_one() -> None:
    recorder = recorder_of("vp8")
    sent = pictures(1, 20, 0, keys=(1, 11))
    first = sent[10]._replace(marker=False)
    rest = packet(12, first.arrival_us + 100, b"\x00" + bytes(30), timestamp=first.timestamp)
    behind = [one._replace(sequence=one.sequence + 1) for one in sent[11:]]
    repaired = first._replace(late=True, arrival_us=behind[2].arrival_us + 1)
    out = record(recorder, [*sent[:10], rest, *behind[:3], repaired, *behind[3:]])
    out += recorder.close(START_US + 2_000_000)
    assert sum(fragment.frames for fragment in fragments(out)) == 20
    assert sum(fragment.key_frames for fragment in fragments(out)) == 2
    assert sum(fragment.repaired for fragment in fragments(out)) == 1
    assert not gaps(out)


def test_a_record_that_begins_after_the_parameter_sets_has_a_file() -> None:
    recorder = recorder_of("h264")
    asked: list[int] = []

    def find_sets(encoding: int) -> list[bytes]:
        asked.append(encoding)
        return [H264_SPS, H264_PPS]

    recorder.find_sets = find_sets
    sent = [
        packet(
            number,
            START_US + number * VP8_US,
            b"\x65\x88idr" if number % 5 == 2 else b"\x41\x9aslice",
            timestamp=3600 * number,
            encoding=1,
        )
        for number in range(1, 21)
    ]
    (fragment,) = fragments([*record(recorder, sent), *recorder.close(START_US + 2_000_000)])
    assert (fragment.frames, fragment.key_frames) == (19, 4)
    assert (fragment.width, fragment.height) == (1280, 720)
    assert asked == [1]
