"""What browsers sent, recorded and decoded again."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from sfu.recording.cutter import MAX_MEDIA_US

from .captured import FIRST_US, Decoded, Taken, decode, file_of, fragments, gaps, record, recorder_of, take

VIDEO = [
    ("whole/chromium_vp8_simulcast", 2),
    ("whole/chromium_vp9_l3t3", 1),
    ("whole/chromium_vp9_l3t3_key", 1),
    ("whole/chromium_av1_l1t1", 1),
    ("whole/chromium_av1_l3t3", 1),
    ("whole/chromium_h264_simulcast", 2),
    ("whole/firefox_vp9", 1),
    ("whole/firefox_av1", 1),
]
CASES = [(name, encoding) for name, count in VIDEO for encoding in range(count)]
AUDIO = ["chromium_opus", "chromium_opus_red", "firefox_opus"]


def whole_pictures(taken: Taken, encoding: int) -> int:
    """How many timestamps there are; the last may have been cut off."""
    packets = [packet for packet in taken.of(encoding) if packet.payload]
    count = len({packet.timestamp for packet in packets})
    return count if packets[-1].marker else count - 1


def check_times(decoded: Decoded, taken: Taken) -> None:
    assert all(earlier < later for earlier, later in itertools.pairwise(decoded.times_ms))
    assert abs(decoded.times_ms[0] - FIRST_US // 1000) < 400
    lasted_ms = (taken.packets[-1].arrival_us - taken.packets[0].arrival_us) // 1000
    assert abs(decoded.times_ms[-1] - decoded.times_ms[0] - lasted_ms) < 400


@pytest.mark.parametrize(("name", "encoding"), CASES)
def test_every_picture_is_decoded(name: str, encoding: int) -> None:
    taken = take(name)
    packets = taken.of(encoding)
    recorder = recorder_of(taken.codec)
    out = record(recorder, packets)
    out += recorder.close(packets[-1].arrival_us)
    decoded = decode(file_of(out))
    assert len(decoded.frames) == whole_pictures(taken, encoding)
    assert sum(fragment.frames for fragment in fragments(out)) == len(decoded.frames)
    check_times(decoded, taken)
    assert not gaps(out)
    last = fragments(out)[-1]
    assert (last.width, last.height) == max(decoded.sizes)
    assert all(one.end_us - one.begin_us <= MAX_MEDIA_US for one in fragments(out))
    assert sum(recorder.dropped.values()) == 0 or recorder.dropped.keys() == {"incomplete"}


@pytest.mark.parametrize("name", AUDIO)
def test_every_sound_is_decoded(name: str) -> None:
    taken = take(name)
    recorder = recorder_of("opus")
    out = record(recorder, taken.packets)
    out += recorder.close(taken.packets[-1].arrival_us)
    decoded = decode(file_of(out))
    assert len(decoded.frames) == len({packet.timestamp for packet in taken.packets if packet.payload})
    check_times(decoded, taken)
    assert not gaps(out) and not recorder.dropped
    for one, following in itertools.pairwise(fragments(out)):
        assert abs(one.end_us - following.begin_us) < 40_000


@pytest.mark.parametrize("name", [name for name, count in VIDEO if count == 1] + AUDIO)
def test_a_file_that_ends_behind_any_fragment_plays(name: str) -> None:
    taken = take(name)
    recorder = recorder_of(taken.codec, fragment_us=300_000)
    out = record(recorder, taken.packets)
    out += recorder.close(taken.packets[-1].arrival_us)
    made = fragments(out)
    assert len(made) >= 6
    for count in range(1, len(made) + 1, 3):
        decoded = decode(file_of(made[:count]))
        assert len(decoded.frames) == sum(fragment.frames for fragment in made[:count])


@pytest.mark.parametrize("name", ["whole/chromium_vp8_simulcast", "whole/chromium_h264_simulcast"])
def test_another_encoding_goes_on_in_the_same_file(name: str) -> None:
    taken = take(name)
    packets = taken.packets
    switch_us = packets[len(packets) // 2].arrival_us
    recorder = recorder_of(taken.codec)
    switched = False

    def tapped():
        """The low one; from a time on both, until the recorder has entered the other."""
        nonlocal switched
        for packet in packets:
            switched = switched or recorder.encoding == 1
            if packet.encoding == 0 and switched:
                continue
            if packet.encoding == 0 or packet.arrival_us >= switch_us:
                yield packet

    out = record(recorder, tapped())
    assert not recorder.wants_key_frame
    out += recorder.close(packets[-1].arrival_us)
    decoded = decode(file_of(out))
    assert len(set(decoded.sizes)) == 2
    assert [size for size, _ in itertools.groupby(decoded.sizes)] == sorted(set(decoded.sizes))
    assert all(earlier < later for earlier, later in itertools.pairwise(decoded.times_ms))
    assert max(later - earlier for earlier, later in itertools.pairwise(decoded.times_ms)) < 300
    assert not gaps(out)
    sizes = Counter((fragment.width, fragment.height) for fragment in fragments(out))
    assert set(sizes) == set(decoded.sizes)
