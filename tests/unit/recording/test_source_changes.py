"""A source that is interrupted, or goes on under other numbers."""

from __future__ import annotations

import pytest

from sfu.recording.cutter import Gap
from sfu.routing.tap import TappedPackets
from tests.unit.recording.packets import near

from .captured import START_US, decode, file_of, fragments, gaps, record, recorder_of
from .packets import pictures, sounds


@pytest.mark.parametrize("cause", ["mute", "disconnect", "pause"])
def test_nothing_that_arrives_during_an_interruption_is_kept(cause: str) -> None:
    recorder = recorder_of("opus")
    marked = [one._replace(payload=b"\x08" + b"secret") for one in sounds(51, 100, 1_000_000)]
    out = record(recorder, sounds(1, 50, 0))
    recorder.interrupt(cause, START_US + 1_000_000)
    out += record(recorder, marked)
    assert recorder.stalled_since_us is None
    recorder.resume(START_US + 3_000_000)
    recorder.handle_packets(TappedPackets.of([marked[-1]._replace(arrival_us=START_US + 2_999_999)]))
    recorder.handle_packets(TappedPackets.of([marked[-2]._replace(arrival_us=START_US + 3_000_001, late=True)]))
    out += record(recorder, sounds(151, 50, 3_000_000)) + recorder.close(START_US + 4_000_000)
    assert b"secret" not in file_of(out)
    assert gaps(out) == [Gap(cause, 1_000_000, 3_000_000)]
    assert sum(fragment.frames for fragment in fragments(out)) == 100
    assert recorder.dropped == {"interrupted": 101, "late": 1}
    assert decode(file_of(out)).times_ms[50] == 3_000


def test_what_came_before_an_interruption_is_kept_to_the_last_packet() -> None:
    recorder = recorder_of("opus")
    sent = sounds(1, 50, 0)
    record(recorder, sent[:40] + sent[41:])
    recorder.interrupt("mute", START_US + 1_000_000)
    out = recorder.poll(START_US + 1_000_001)
    assert sum(fragment.frames for fragment in fragments(out)) == 49
    assert [gap.cause for gap in gaps(out)] == ["loss"]


def test_an_interruption_within_another_ends_that_one() -> None:
    recorder = recorder_of("opus")
    recorder.interrupt("mute", START_US + 1_000_000)
    recorder.interrupt("disconnect", START_US + 2_000_000)
    recorder.resume(START_US + 4_000_000)
    recorder.resume(START_US + 5_000_000)
    assert recorder.close(START_US + 4_500_000) == [
        Gap("mute", 1_000_000, 2_000_000),
        Gap("disconnect", 2_000_000, 4_000_000),
    ]


def test_video_needs_a_key_frame_after_an_interruption() -> None:
    recorder = recorder_of("VP8")
    out = record(recorder, pictures(1, 25, 0, keys=(1,)))
    recorder.interrupt("mute", START_US + 1_000_000)
    assert not recorder.wants_key_frame
    recorder.resume(START_US + 5_000_000)
    assert recorder.wants_key_frame
    out += record(recorder, pictures(125, 50, 5_000_000, keys=(150,))) + recorder.close(START_US + 7_000_000)
    assert [(gap.cause, round(gap.begin_us, -5), round(gap.end_us, -5)) for gap in gaps(out)] == [
        ("mute", 1_000_000, 5_000_000),
        ("key_frame", 5_000_000, 6_000_000),
    ]


def test_closing_while_interrupted_ends_the_interruption() -> None:
    recorder = recorder_of("opus")
    recorder.interrupt("pause", START_US + 1_000_000)
    assert recorder.close(START_US + 9_000_000) == [Gap("pause", 1_000_000, 9_000_000)]
    recorder.handle_packets(TappedPackets.of([sounds(1, 1, 9_500_000)[0]]))
    assert recorder.poll(START_US + 12_000_000) == []


def test_another_ssrc_goes_on_in_the_same_file_at_its_own_time() -> None:
    recorder = recorder_of("opus")
    out = record(recorder, sounds(60_000, 50, 0))
    other = {"source": 1, "ssrc": 0x9999}
    out += record(recorder, sounds(5, 50, 1_300_000, **other)) + recorder.close(START_US + 2_300_000)
    times = decode(file_of(out)).times_ms
    assert times[49] == 980 and abs(times[50] - 1_300) <= 3
    assert not gaps(out)


def test_another_ssrc_of_video_waits_for_its_key_frame() -> None:
    recorder = recorder_of("VP8")
    out = record(recorder, pictures(60_000, 25, 0, keys=(60_000,)))
    out += record(recorder, pictures(5, 50, 1_000_000, keys=(30,), source=1))
    straggler = pictures(60_025, 1, 1_500_000)
    out += record(recorder, straggler) + recorder.close(START_US + 3_000_000)
    (gap,) = gaps(out)
    assert gap.cause == "key_frame" and near(gap.begin_us, 1_000_000) and near(gap.end_us, 2_000_000)
    assert sum(fragment.frames for fragment in fragments(out)) == 50
    assert recorder.dropped == {"before_key_frame": 25, "superseded": 1}


def test_the_encoding_that_was_left_is_entered_again_when_it_is_tapped_again() -> None:
    recorder = recorder_of("VP8")
    high = {"source": 1 << 32, "encoding": 1, "ssrc": 7}
    out = record(recorder, pictures(1, 50, 0, keys=(1,)))
    out += record(recorder, pictures(900, 50, 2_000_000, keys=(900,), **high))
    assert recorder.encoding == 1
    out += record(recorder, pictures(101, 50, 4_000_000, keys=(101,)))
    assert recorder.encoding == 0
    out += recorder.close(START_US + 6_000_000)
    assert sum(fragment.frames for fragment in fragments(out)) == 150
    assert not gaps(out)


def test_the_lower_encoding_goes_on_until_the_higher_has_a_key_frame() -> None:
    recorder = recorder_of("VP8")
    high = {"source": 1 << 32, "encoding": 1, "ssrc": 7}
    low = pictures(1, 75, 0, keys=(1,))
    both = sorted([*low, *pictures(900, 50, 1_010_000, keys=(925,), **high)], key=lambda one: one.arrival_us)
    out = record(recorder, [one for one in both if one.arrival_us < START_US + 2_000_000])
    assert (recorder.encoding, recorder.wants_key_frame, recorder.wanted_encoding) == (0, True, 1)
    out += record(recorder, [one for one in both if one.arrival_us >= START_US + 2_000_000])
    assert (recorder.encoding, recorder.wants_key_frame) == (1, False)
    out += recorder.close(START_US + 3_100_000)
    assert sum(fragment.frames for fragment in fragments(out)) == 76
    assert not gaps(out)


def test_an_encoding_that_stops_before_its_key_frame_is_given_up() -> None:
    recorder = recorder_of("VP8")
    record(recorder, pictures(1, 25, 0, keys=(1,)))
    record(recorder, pictures(900, 5, 500_000, source=1 << 32, encoding=1))
    assert recorder.wants_key_frame
    recorder.poll(START_US + 3_000_000)
    assert not recorder.wants_key_frame


def test_what_ends_with_the_record_misses_nothing_and_what_ended_before_misses_the_rest() -> None:
    for left_us, missing in ((1_000_000, []), (900_000, [Gap("disconnect", 900_000, 1_000_000)])):
        recorder = recorder_of("opus")
        out = record(recorder, sounds(1, 40, 0))
        recorder.interrupt("disconnect", START_US + left_us)
        out += recorder.close(START_US + 1_000_000)
        assert gaps(out) == missing
